/**
 * What a backup learns: records of connection synchronisation become lines of the connection table, or change them
 * (ip_vs_sync.c: ip_vs_proc_conn).
 *
 *     record ─► sensible? ─► there is a line ─► fresher than the record? ─► state, activity, time left
 *                    │              │ of another server: ended, if the record's is active
 *                    └─► none ─► server configured? ─► new line
 *                                      └─► not yet: waits, until it is or the record's time is over
 *
 * Lines are counted at their servers as those that packets open, but for `connections`, which are the master's.
 *
 * Differs from IPVS: what this director's own packets have just said of a connection is not overwritten by what its
 * master said a moment before; a connection without a configured server is not in the table, it waits beside it.
 */
import { isAtOrAfter } from '../../subset/integers.ts'
import { now, TICKS_PER_SECOND } from '../../subset/clock.ts'
import { Protocol } from '../../wire/ip-protocol.ts'
import { SyncFlag, type SyncRecord } from '../../wire/sync-message.ts'
import { BUSY, claimLine } from '../../dataplane/connection.ts'
import { STATUS_TRIES_MAX } from '../../dataplane/limits.ts'
import { SctpState } from '../../dataplane/sctp.ts'
import { updateOverload } from '../../dataplane/server.ts'
import * as tables from '../../dataplane/tables.ts'
import { TcpState } from '../../dataplane/tcp.ts'
import { TEMPLATE_ASSURED } from '../../dataplane/template.ts'
import type { Director } from '../director.ts'
import { listedPortOf } from '../listing.ts'
import { endLine } from '../sweep.ts'
import { findLine, hashOf, lifetimeOf, stateTicks } from './lines.ts'
import { SyncServers } from './servers.ts'

const { Forwarding, NONE, Status } = tables

/** Records whose server is not configured yet. */
const WAITING_MAX = 1 << 16
/** Looked at in one call. */
const WAITING_A_CALL = 4096
/** Of those that wait, whose time is over are looked for so often. */
const FORGET_TICKS = 60 * TICKS_PER_SECOND
/** For a template whose record does not say how long it lasts. */
const TEMPLATE_TIMEOUT_S = 180
/** More would not fit half the circle of ticks: 31 days, as elsewhere. */
const TIMEOUT_MAX_S = 2_678_400
/** A packet of our own so long ago, and a record may know better. */
const FRESH_TICKS = 3 * TICKS_PER_SECOND

/** Highest state by protocol. */
const LAST_STATES = new Map<number, number>([
  [Protocol.tcp, TcpState.synAck],
  [Protocol.udp, 0],
  [Protocol.sctp, SctpState.closed],
])

export class SyncLearner {
  /** What became of records: each counts once, those that waited again. */
  readonly counts = {
    created: 0,
    updated: 0,
    /** Kept as they are, since our own packets know better; or a late word about what was replaced. */
    older: 0,
    waiting: 0,
    /** No state, protocol, engine that we know. */
    unknown: 0,
    /** No server, and no room to wait. */
    unbound: 0,
    tableFull: 0,
  }
  readonly #servers: SyncServers
  readonly #waiting = new Map<string, { readonly record: SyncRecord; readonly until: number }>()
  /** By line, the end that a record gave it: another there now is our own packets'. */
  readonly #ends: Uint32Array
  #toTry: Iterator<string> | undefined
  /** No sooner where there is no room for more; and at any rate. */
  #forgetFrom = now()
  #forgetAt = now()

  /** Into the tables in use. */
  constructor(director: Director) {
    this.#servers = new SyncServers(director)
    this.#ends = new Uint32Array(tables.connections.memory.capacity)
  }

  /** Records that wait for their server now. */
  get waiting(): number {
    return this.#waiting.size
  }

  take(record: SyncRecord): void {
    if (!isSensible(record)) {
      this.counts.unknown++
      return
    }
    const hash = hashOf(record)
    const found = findLine(record, hash)
    if (found !== NONE && this.#update(found, record)) return
    const server = this.#servers.find(record)
    if (server === NONE) this.#wait(record)
    else this.#insert(record, hash, server, ticksOf(record))
  }

  /** Servers were added: whoever waits is tried again, some with each call of `tryWaiting`. */
  serversChanged(): void {
    if (this.#waiting.size > 0) this.#toTry = this.#waiting.keys()
  }

  /** Binds those that wait and whose server is there now. Call it some times a second. */
  tryWaiting(): void {
    if (this.#toTry === undefined && isAtOrAfter(now(), this.#forgetAt)) this.#forgetOver()
    for (let left = WAITING_A_CALL; left > 0 && this.#toTry !== undefined; left--) {
      const next = this.#toTry.next()
      if (next.done === true) {
        this.#toTry = undefined
        return
      }
      const { record, until } = this.#waiting.get(next.value)!
      if (isAtOrAfter(now(), until)) {
        this.#waiting.delete(next.value)
        continue
      }
      const server = this.#servers.find(record)
      if (server === NONE) continue
      this.#waiting.delete(next.value)
      const hash = hashOf(record)
      if (findLine(record, hash) !== NONE) continue
      this.#insert(record, hash, server, (until - now()) >>> 0)
    }
  }

  #wait(record: SyncRecord): void {
    const key = keyOf(record)
    // Whoever was heard of last goes last.
    this.#waiting.delete(key)
    const isFull = this.#waiting.size >= WAITING_MAX
    if (isFull && isAtOrAfter(now(), this.#forgetFrom)) this.#forgetOver()
    if (this.#waiting.size >= WAITING_MAX) {
      this.counts.unbound++
      return
    }
    this.#waiting.set(key, { record, until: (now() + ticksOf(record)) >>> 0 })
    this.counts.waiting++
  }

  /** A second later at the earliest once more: it looks at all of them. */
  #forgetOver(): void {
    this.#forgetFrom = (now() + TICKS_PER_SECOND) >>> 0
    this.#forgetAt = (now() + FORGET_TICKS) >>> 0
    for (const [key, { until }] of this.#waiting) {
      if (isAtOrAfter(now(), until)) this.#waiting.delete(key)
    }
  }

  /** False: there is no line any more. */
  #update(index: number, record: SyncRecord): boolean {
    const line = tables.connections.row(index)
    const isTemplate = (record.flags & SyncFlag.template) !== 0
    const isOther = !isTemplate && !isBoundTo(line, record)
    if (this.#isFresh(index, line) || (isOther && (record.flags & SyncFlag.inactive) !== 0)) {
      this.counts.older++
      return true
    }
    if (isOther) {
      endLine(index, line)
      return false
    }
    if (!changeStatus(line, record)) {
      this.counts.older++
      return true
    }
    const ticks = ticksOf(record)
    if (isTemplate) line.clientHop = ticks
    this.#setEnd(index, line, ticks)
    this.counts.updated++
    return true
  }

  /** Is the line that is to end at `end` as it was learnt? Packets of our own have given it another since, if not. */
  isAsLearnt(line: number, end: number): boolean {
    return this.#ends[line] === end
  }

  /** Did a packet of our own just say how it is? */
  #isFresh(index: number, line: tables.Connection): boolean {
    if (this.isAsLearnt(index, line.expires)) return false
    const lastPacket = line.expires - lifetimeOf(line)
    // One before us whose records said a longer time than ours gave it an end: not a packet of the future.
    return Math.abs((now() - lastPacket) | 0) < FRESH_TICKS
  }

  /** `ticks`: from now to its end; one that waited has less left than it was told with. */
  #insert(record: SyncRecord, hash: number, serverRow: number, ticks: number): void {
    const common = tables.settings.row(0)
    const server = tables.servers.row(serverRow)
    if (server.forwarding === Forwarding.fullnat) {
      this.counts.unknown++
      return
    }
    const index = common.connections >= common.connectionsMax ? NONE : claimLine(hash)
    if (index === NONE) {
      this.counts.tableFull++
      return
    }
    const line = tables.connections.row(index)
    writeLine(line, record, serverRow, server)
    line.clientHop = (record.flags & SyncFlag.template) === 0 ? 0 : ticksOf(record)
    this.#setEnd(index, line, ticks)
    line.swapOwner(BUSY, hash) // an atomic step: what stands above is seen before
    common.addConnections(1)
    if ((line.status & Status.template) !== 0) server.addPersistent(1)
    else if ((line.status & Status.inactive) !== 0) server.addInactive(1)
    else server.addActive(1)
    updateOverload(server)
    this.counts.created++
  }

  #setEnd(index: number, line: tables.Connection, ticks: number): void {
    const end = (now() + ticks) >>> 0
    line.expires = end
    this.#ends[index] = end
  }
}

function isSensible(record: SyncRecord): boolean {
  const { protocol, state, flags, clientPort, engine } = record
  if ((flags & SyncFlag.template) !== 0) {
    const isKnown = protocol === 0 || LAST_STATES.has(protocol)
    // One with a client's port would be taken for that of a call (call-id.ts).
    return isKnown && clientPort === 0 && state <= TEMPLATE_ASSURED && engine === undefined
  }
  return clientPort !== 0 && state <= (LAST_STATES.get(protocol) ?? -1)
}

function isBoundTo(line: tables.Connection, { server, serverPort }: SyncRecord): boolean {
  const bound = tables.servers.row(line.server)
  const { address0, address1, address2, address3 } = bound
  return (
    address3 === server[3] &&
    address2 === server[2] &&
    address1 === server[1] &&
    address0 === server[0] &&
    listedPortOf(bound, line) === serverPort
  )
}

function keyOf({ client, clientPort, virtual, virtualPort, protocol, flags }: SyncRecord): string {
  return `${client.join()} ${clientPort} ${virtual.join()} ${virtualPort} ${protocol} ${flags & SyncFlag.template}`
}

function ticksOf({ timeoutS, flags, protocol, state }: SyncRecord): number {
  if (timeoutS > 0) return Math.min(timeoutS, TIMEOUT_MAX_S) * TICKS_PER_SECOND
  const isTemplate = (flags & SyncFlag.template) !== 0
  return isTemplate ? TEMPLATE_TIMEOUT_S * TICKS_PER_SECOND : stateTicks(protocol, state)
}

function writeLine(
  line: tables.Connection,
  record: SyncRecord,
  serverRow: number,
  server: tables.Server,
): void {
  ;[line.client0, line.client1, line.client2, line.client3] = record.client
  ;[line.virtual0, line.virtual1, line.virtual2, line.virtual3] = record.virtual
  line.clientPort = record.clientPort
  line.virtualPort = record.virtualPort
  line.server = serverRow
  line.status = firstStatus(record, server)
  line.binding = 0
}

/** The forwarding method is the server's own, whatever the master's; activity is the record's. */
function firstStatus(record: SyncRecord, server: tables.Server): number {
  const { flags, protocol, state, serverPort, virtualPort } = record
  const common = protocol | (state << Status.stateShift) | Status.synced
  if ((flags & SyncFlag.template) !== 0) return (common | Status.template) >>> 0
  const isTwoSided = server.forwarding === Forwarding.masquerade
  const keepsPort = server.port === 0 || (server.port !== serverPort && serverPort === virtualPort)
  return (
    (common |
      (server.forwarding << Status.forwardingShift) |
      (isTwoSided ? 0 : Status.noOutput) |
      (keepsPort ? Status.keepsPort : 0) |
      ((flags & SyncFlag.inactive) === 0 ? 0 : Status.inactive)) >>>
    0
  )
}

/** State and activity as the record has them, counted. False: it has ended, or packets change it now. */
function changeStatus(line: tables.Connection, record: SyncRecord): boolean {
  const isTemplate = (record.flags & SyncFlag.template) !== 0
  const activity = isTemplate ? 0 : Status.inactive
  const isInactive = (record.flags & SyncFlag.inactive) !== 0
  for (let i = 0; i < STATUS_TRIES_MAX; i++) {
    const was = line.status
    if ((was & Status.ended) !== 0) return false
    const rest = was & ~(Status.stateMask | activity)
    const next = rest | (record.state << Status.stateShift) | (isInactive ? activity : 0)
    if (was === next >>> 0) return true
    if (!line.swapStatus(was, next >>> 0)) continue
    const changed = (was ^ next) & activity
    if (changed !== 0) countActivity(tables.servers.row(line.server), isInactive)
    return true
  }
  return false
}

function countActivity(server: tables.Server, isInactive: boolean): void {
  server.addInactive(isInactive ? 1 : NONE)
  server.addActive(isInactive ? NONE : 1) // adds 2^32 - 1: takes one away
}
