/**
 * What a master has to tell: walks the connection table in stretches, and finds what changed since it was told.
 *
 * IPVS decides with each packet (ip_vs_sync.c: ip_vs_sync_conn_needed). Here packets pay nothing: of each line is
 * remembered what was told of it, and it is told again when the line says something else.
 *
 *     TCP, SCTP   once established; with each later state that says that the end is near
 *     UDP         once it had packets in two walks (with a sync_threshold below 2: in one)
 *     templates   at once, and when their client has shown itself
 *     all         again when packets have moved their end on, which keeps them alive at the backup
 *
 * The walk stands still when as many were told as `recordsMax`, and goes on from there the next time: a million
 * connections that all change at once are told one after the other. What can wait gives way to what is new.
 *
 * Differs from IPVS: packets are not counted, so sync_threshold and sync_period say only whether, not when.
 */
import { isAtOrAfter } from '../../subset/integers.ts'
import { now, TICKS_PER_SECOND } from '../../subset/clock.ts'
import { Protocol } from '../../wire/ip-protocol.ts'
import type { SyncRecord } from '../../wire/sync-message.ts'
import { BUSY } from '../../dataplane/connection.ts'
import { SctpState } from '../../dataplane/sctp.ts'
import * as tables from '../../dataplane/tables.ts'
import { TcpState } from '../../dataplane/tcp.ts'
import { isTemplateAlive, NOWHERE } from '../../dataplane/template.ts'
import { lifetimeOf, recordOf } from './lines.ts'
import { sysctl } from '../sysctls.ts'

const { Status } = tables

/** A view that is moved from row to row: no allocation a line. */
type Movable = { base: number }

/** States of which a backup is told: bits. */
const TCP_TOLD =
  (1 << TcpState.established) |
  (1 << TcpState.finWait) |
  (1 << TcpState.close) |
  (1 << TcpState.closeWait) |
  (1 << TcpState.timeWait)
const SCTP_TOLD =
  (1 << SctpState.established) |
  (1 << SctpState.shutdownSent) |
  (1 << SctpState.shutdownReceived) |
  (1 << SctpState.shutdownAckSent) |
  (1 << SctpState.closed)

/** How soon a line is told again: every ten seconds; with more than 100 000 connections later, so many a second. */
const AGAIN_TICKS = 10 * TICKS_PER_SECOND
const AGAIN_PER_SECOND = 10_000
/** But so often in its lifetime. */
const AGAIN_PER_LIFETIME = 4
/** In the end of a line that was told, the low two bits say how often it was told again for safety (sync_retries). */
const RETRIES_MASK = 3

const Urgency = { none: 0, canWait: 1, now: 2 } as const
type Urgency = (typeof Urgency)[keyof typeof Urgency]

/** The switches, as they are during one walk. */
interface Rules {
  readonly persistentOnly: boolean
  readonly waitsForSecond: boolean
  readonly periodIsSet: boolean
  readonly refreshTicks: number
  readonly retries: number
  readonly againTicks: number
}

/** Is line `line`, which is to end at `end`, still as another master told it? */
export type IsHeard = (line: number, end: number) => boolean

export class SyncScan {
  /** How often the whole table was walked. */
  walks = 0
  #next = 0
  /** By line: whose it was when last seen, its status when it was told (0: it was not), and when it was to end. */
  readonly #whose: Uint32Array
  readonly #told: Uint32Array
  readonly #ends: Uint32Array
  readonly #isHeard: IsHeard

  /** Of the tables in use. What a line says as it was heard, of another master, is not told back. */
  constructor(isHeard: IsHeard = () => false) {
    this.#isHeard = isHeard
    const { capacity } = tables.connections.memory
    this.#whose = new Uint32Array(capacity)
    this.#told = new Uint32Array(capacity)
    this.#ends = new Uint32Array(capacity)
  }

  /** From the next line on all are told once more, as by a master that begins. */
  forget(): void {
    for (const words of [this.#whose, this.#told, this.#ends]) words.fill(0)
  }

  /** Looks at the next `lines` lines, unless `recordsMax` were told before. How many were told. */
  run(lines: number, recordsMax: number, tell: (record: SyncRecord, line: number) => void): number {
    const { capacity, bytes, base } = tables.connections.memory
    const line = tables.Connection.view(bytes, base)
    const rules = readRules()
    let count = 0
    for (let left = Math.min(lines, capacity); left > 0 && count < recordsMax; left--) {
      const i = this.#next
      this.#next = i + 1 === capacity ? 0 : i + 1
      if (this.#next === 0) this.walks++
      ;(line as unknown as Movable).base = base + i * tables.Connection.size
      if (line.owner <= BUSY || this.#isAsTold(i, line)) continue
      const urgency = this.#urgencyOf(i, line, rules)
      if (urgency === Urgency.none) continue
      if (urgency === Urgency.canWait && count >= recordsMax / 2) continue
      const record = recordOf(line)
      this.#note(i, line, rules)
      if (record === undefined) continue
      tell(record, i)
      count++
    }
    return count
  }

  /** Most lines of most walks: nothing happened. */
  #isAsTold(i: number, line: tables.Connection): boolean {
    const moved = (line.expires ^ this.#ends[i]!) & ~RETRIES_MASK
    return line.status === this.#told[i] && moved === 0 && whoseIs(line) === this.#whose[i]
  }

  #urgencyOf(i: number, line: tables.Connection, rules: Rules): Urgency {
    const { status } = line
    if ((status & Status.ended) !== 0) return Urgency.none
    if ((status & Status.synced) !== 0 && this.#isHeard(i, line.expires)) {
      this.#whose[i] = whoseIs(line)
      this.#told[i] = status
      this.#ends[i] = line.expires & ~RETRIES_MASK
      return Urgency.none
    }
    const whose = whoseIs(line)
    const isOther = this.#whose[i] !== whose
    if (isOther) {
      this.#whose[i] = whose
      this.#told[i] = 0
      this.#ends[i] = line.expires
    }
    if ((status & Status.template) !== 0) return this.#urgencyOfTemplate(i, line, rules)
    if (rules.persistentOnly && (status & Status.controlled) !== 0) return Urgency.none
    if (isAtOrAfter(now(), line.expires)) return Urgency.none
    const protocol = status & Status.protocolMask
    const state = (status & Status.stateMask) >>> Status.stateShift
    if (protocol === Protocol.udp) {
      if (this.#told[i] !== 0) return this.#urgencyAgain(i, line, rules)
      if (rules.waitsForSecond && this.#ends[i] === line.expires) return Urgency.none
      return Urgency.now
    }
    const isSctp = protocol === Protocol.sctp
    if ((((isSctp ? SCTP_TOLD : TCP_TOLD) >>> state) & 1) === 0) return Urgency.none
    const told = this.#told[i]!
    const isEstablished = state === (isSctp ? SctpState.established : TcpState.established)
    if (told === 0) return isEstablished ? Urgency.now : Urgency.canWait
    if ((told & Status.stateMask) !== (status & Status.stateMask)) return Urgency.now
    return this.#urgencyAgain(i, line, rules)
  }

  #urgencyOfTemplate(i: number, line: tables.Connection, rules: Rules): Urgency {
    if (line.virtualPort === NOWHERE || !isTemplateAlive(line)) return Urgency.none
    const told = this.#told[i]!
    if (told === 0 || (told & Status.stateMask) !== (line.status & Status.stateMask)) {
      return Urgency.now
    }
    return this.#urgencyAgain(i, line, rules)
  }

  /** Of a line that was told, in the state that it is in still. */
  #urgencyAgain(i: number, line: tables.Connection, rules: Rules): Urgency {
    const ended = this.#ends[i]!
    const moved = Math.abs((line.expires - (ended & ~RETRIES_MASK)) | 0)
    if (moved <= RETRIES_MASK) return Urgency.none
    const lifetime = lifetimeOf(line)
    if (rules.refreshTicks > 0) {
      if (moved >= refreshAfter(lifetime, rules)) return Urgency.canWait
      if ((ended & RETRIES_MASK) >= rules.retries) return Urgency.none
      const toldAt = (ended & ~RETRIES_MASK) - lifetime
      const isSoon = ((now() - toldAt) | 0) < rules.refreshTicks / 8
      return isSoon ? Urgency.none : Urgency.canWait
    }
    if (!rules.periodIsSet) return Urgency.none
    const least = Math.min(rules.againTicks, lifetime / AGAIN_PER_LIFETIME)
    return moved >= least ? Urgency.canWait : Urgency.none
  }

  #note(i: number, line: tables.Connection, rules: Rules): void {
    const ended = this.#ends[i]!
    const moved = Math.abs((line.expires - (ended & ~RETRIES_MASK)) | 0)
    const isSame = this.#told[i] === line.status
    this.#told[i] = line.status
    const isRetry = isSame && moved < refreshAfter(lifetimeOf(line), rules)
    const retries = isRetry ? Math.min((ended & RETRIES_MASK) + 1, RETRIES_MASK) : 0
    this.#ends[i] = (line.expires & ~RETRIES_MASK) | retries
  }
}

/** Client and server, but for coincidence. */
function whoseIs({ owner, server }: tables.Connection): number {
  return (owner ^ Math.imul(server + 1, 0x9e3779b1)) >>> 0
}

/** sync_refresh_period: ticks that an end must have moved for a line to be told again; 0: that is not asked. */
function refreshAfter(lifetime: number, { refreshTicks }: Rules): number {
  return Math.min(refreshTicks, Math.max(lifetime / 2, 10 * TICKS_PER_SECOND))
}

function readRules(): Rules {
  const { connections } = tables.settings.row(0)
  const seconds = connections / AGAIN_PER_SECOND
  return {
    persistentOnly: sysctl('sync_persist_mode') !== 0,
    waitsForSecond: sysctl('sync_threshold') > 1,
    periodIsSet: sysctl('sync_period') > 0,
    refreshTicks: sysctl('sync_refresh_period') * TICKS_PER_SECOND,
    retries: sysctl('sync_retries'),
    againTicks: Math.max(AGAIN_TICKS, Math.round(seconds * TICKS_PER_SECOND)),
  }
}
