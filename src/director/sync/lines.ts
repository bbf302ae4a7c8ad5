/**
 * Lines of the connection table as records of connection synchronisation: which line a record is about, how long its
 * state lasts, and what a line says.
 */
import { isAtOrAfter } from '../../subset/integers.ts'
import { now, TICKS_PER_SECOND } from '../../subset/clock.ts'
import { Protocol } from '../../wire/ip-protocol.ts'
import { SyncFlag, type SyncRecord } from '../../wire/sync-message.ts'
import { forwardingOf, hashClient } from '../../dataplane/connection.ts'
import { PROBES_MAX } from '../../dataplane/limits.ts'
import * as tables from '../../dataplane/tables.ts'
import { isTemplateAlive } from '../../dataplane/template.ts'
import { timeoutOf, TimeoutRow } from '../../dataplane/timeout.ts'
import { listedPortOf } from '../listing.ts'

const { Forwarding, NONE, Status } = tables
const KIND_MASK = Status.protocolMask | Status.template | Status.ended
/** Of `Status`, 16 bits down, what IPVS's flags have, too. */
const FLAGS = SyncFlag.noOutput | SyncFlag.inactive | SyncFlag.template
const V4_MAPPED = 0xffff
/** An idle connection's time left is told; of one that had a packet lately, what it lasts without any. */
const LATELY_TICKS = 3 * TICKS_PER_SECOND

/** Where the search for a record's line begins. */
export function hashOf({ client, clientPort, protocol }: SyncRecord): number {
  const { hashSeed } = tables.settings.row(0)
  return hashClient(hashSeed, client[0], client[1], client[2], client[3], clientPort, protocol)
}

/** The live line of this connection or template, or NONE. */
export function findLine(record: SyncRecord, hash: number): number {
  const home = (hash & tables.settings.row(0).connectionMask) >>> 0
  const { reach } = tables.connections.row(home)
  for (let i = 0; i < PROBES_MAX && i <= (reach & 0xff); i++) {
    const line = tables.connections.row(home + i)
    if (line.owner === hash && isOf(line, record)) return home + i
  }
  return NONE
}

function isOf(line: tables.Connection, record: SyncRecord): boolean {
  const { client, virtual, protocol } = record
  const isTemplate = (record.flags & SyncFlag.template) !== 0
  if ((line.status & KIND_MASK) !== ((isTemplate ? Status.template : 0) | protocol)) return false
  if (line.clientPort !== record.clientPort || line.virtualPort !== record.virtualPort) return false
  const isIt =
    line.client3 === client[3] &&
    line.virtual3 === virtual[3] &&
    line.client2 === client[2] &&
    line.virtual2 === virtual[2] &&
    line.client1 === client[1] &&
    line.virtual1 === virtual[1] &&
    line.client0 === client[0] &&
    line.virtual0 === virtual[0]
  if (!isIt) return false
  return isTemplate ? isTemplateAlive(line) : !isAtOrAfter(now(), line.expires)
}

/** Ticks that a line in its state lasts without a packet. */
export function lifetimeOf({ status, clientHop }: tables.Connection): number {
  if ((status & Status.template) !== 0) return clientHop
  return stateTicks(status & Status.protocolMask, (status & Status.stateMask) >>> Status.stateShift)
}

/** Ticks that a connection lasts in a state. */
export function stateTicks(protocol: number, state: number): number {
  if (protocol === Protocol.tcp) return timeoutOf(TimeoutRow.tcp + state)
  return timeoutOf(protocol === Protocol.sctp ? TimeoutRow.sctp + state : TimeoutRow.udp)
}

/**
 * What a live line says; undefined for what the protocol has no words for: FULLNAT, what goes past all servers, and
 * templates of calls, whose numbers are our own.
 */
export function recordOf(line: tables.Connection): SyncRecord | undefined {
  const { status, client0, client1, client2, client3 } = line
  const server = tables.servers.row(line.server)
  const isTemplate = (status & Status.template) !== 0
  if (isTemplate && line.clientPort !== 0) return undefined // of a call: engine sip
  const forwarding = isTemplate ? server.forwarding : forwardingOf(line)
  if (forwarding === Forwarding.fullnat || forwarding === Forwarding.bypass) return undefined
  const family = client0 === 0 && client1 === 0 && client2 === V4_MAPPED ? 4 : 6
  if (server.family !== family) return undefined
  const own = isTemplate ? templateFlags(forwarding) : 0
  return {
    family,
    protocol: status & Status.protocolMask,
    flags: ((status >>> 16) & FLAGS) | own | forwarding,
    state: (status & Status.stateMask) >>> Status.stateShift,
    client: [client0, client1, client2, client3],
    clientPort: line.clientPort,
    virtual: [line.virtual0, line.virtual1, line.virtual2, line.virtual3],
    virtualPort: line.virtualPort,
    server: [server.address0, server.address1, server.address2, server.address3],
    serverPort: listedPortOf(server, line),
    firewallMark: markOf(line.server),
    timeoutS: secondsOf(line, isTemplate),
  }
}

/** As IPVS has it: a template is inactive, and of one side unless masqueraded. */
function templateFlags(forwarding: number): number {
  return SyncFlag.inactive | (forwarding === Forwarding.masquerade ? 0 : SyncFlag.noOutput)
}

function markOf(server: number): number {
  const { protocol, family, address3 } = tables.serverOrigins.row(server)
  return protocol === 0 && family !== 0 ? address3 : 0
}

function secondsOf(line: tables.Connection, isTemplate: boolean): number {
  const lifetime = lifetimeOf(line)
  const left = Math.max((line.expires - now()) | 0, 0)
  const isTold = isTemplate || lifetime - left < LATELY_TICKS
  return Math.max(1, Math.ceil((isTold ? lifetime : left) / TICKS_PER_SECOND))
}
