/**
 * The connection table: lookup, insertion, release.
 *
 * Open addressing. A connection's home line is the hash of its client's side (protocol, client address and
 * port), which requests and NAT answers both carry; it stands there or on one of the PROBES_MAX - 1 lines behind.
 * How far one has to look is written in the home line itself, `reach`: the common lookup, hit or miss, touches one
 * cache line.
 *
 *     home line          +1             +2
 *   | reach = 2 |···| reach = 0 |···| reach = 0 |     a connection that belongs to `home` may stand on any of
 *   | owner, …  |   | owner, …  |   | owner, …  |     these three lines; on none further on
 *
 * `owner` is 0 for a free line, BUSY while somebody writes it, else the connection's hash (never below 2), by
 * which most strangers are told apart without comparing keys. Lines are claimed by compare-and-swap. Nothing
 * is ever evicted; a full neighbourhood or the cap refuses the new connection, counted.
 *
 * Several CPUs and the control plane work on the table at once. Protocol, state and flags are one word, `status`,
 * changed by compare-and-swap (state.ts); whoever sets `ended` in it, and nobody else, takes the connection off its
 * server's counts. An expired line is invisible at once; the control plane's sweep ends it, and frees it one pass
 * later, when no packet that found it alive can still be on its way.
 */
import { isAtOrAfter, u32 } from '../subset/integers.ts'
import { now } from '../subset/clock.ts'
import type { Flow } from './flow.ts'
import { hashAddress } from './hash.ts'
import { PROBES_MAX, STATUS_TRIES_MAX } from './limits.ts'
import type { Connection, Server } from './tables.ts'
import { connections, Forwarding, NONE, ServerFlag, servers, settings, Status } from './tables.ts'
import { updateOverload } from './server.ts'

/** `owner` of a line being written. */
export const BUSY = 1

/** What of `status` says whether a line can be a request's: protocol, and that it is a connection and alive. */
export const REQUEST_MASK = Status.protocolMask | Status.template | Status.ended
/** The same for an answer's: NAT's alone come back under the client's address. */
export const REPLY_MASK = REQUEST_MASK | Status.forwardingMask

const requestHomeAt = connections.cursor()
const replyHomeAt = connections.cursor()
const requestLineAt = connections.cursor()
const replyLineAt = connections.cursor()
const freeLineAt = connections.cursor()
const homeLineAt = connections.cursor()
const replyServerAt = servers.cursor()
const requestSettingsAt = settings.cursor()
const replySettingsAt = settings.cursor()
const insertSettingsAt = settings.cursor()
const claimSettingsAt = settings.cursor()
const insertedLineAt = connections.cursor()
const borrowedLineAt = connections.cursor()
const releaseSettingsAt = settings.cursor()

/** What identifies a client: protocol, address, port. Never 0 or BUSY. */
export function hashClient(
  seed: u32,
  address0: u32,
  address1: u32,
  address2: u32,
  address3: u32,
  port: u32,
  protocol: u32,
): u32 {
  const hash: u32 = hashAddress(
    seed,
    address0,
    address1,
    address2,
    address3,
    u32((port << 8) | protocol),
  )
  return hash < 2 ? u32(hash + 2) : hash
}

/** The line of the connection whose request this is, or NONE; leaves the client's hash in `flow.hash`. */
export function findRequest(flow: Flow): u32 {
  const common = requestSettingsAt.at(0)
  if (common === null) return NONE
  const hash: u32 = hashClient(
    common.hashSeed,
    flow.source0,
    flow.source1,
    flow.source2,
    flow.source3,
    flow.sourcePort,
    flow.protocol,
  )
  flow.hash = hash
  const home: u32 = u32(hash & common.connectionMask)
  const line = requestHomeAt.at(home)
  if (line === null) return NONE
  if (line.owner === hash && isRequestOf(line, flow)) return home
  const reach: u32 = line.reach & 0xff
  return reach === 0 ? NONE : searchRequest(flow, hash, home, reach)
}

/** The lines behind its home. @apart */
function searchRequest(flow: Flow, hash: u32, home: u32, reach: u32): u32 {
  for (let i: u32 = 1; i < PROBES_MAX; i++) {
    if (i > reach) break
    const line = requestLineAt.at(u32(home + i))
    if (line === null) break
    if (line.owner === hash && isRequestOf(line, flow)) return u32(home + i)
  }
  return NONE
}

export function isRequestOf(line: Connection, flow: Flow): boolean {
  return (
    line.client3 === flow.source3 &&
    line.virtual3 === flow.destination3 &&
    line.clientPort === flow.sourcePort &&
    line.virtualPort === flow.destinationPort &&
    (line.status & REQUEST_MASK) === flow.protocol &&
    line.client2 === flow.source2 &&
    line.virtual2 === flow.destination2 &&
    line.client1 === flow.source1 &&
    line.virtual1 === flow.destination1 &&
    line.client0 === flow.source0 &&
    line.virtual0 === flow.destination0 &&
    !isAtOrAfter(now(), line.expires)
  )
}

/** The line of the NAT connection whose answer this is, or NONE. */
export function findReply(flow: Flow): u32 {
  const common = replySettingsAt.at(0)
  if (common === null) return NONE
  const hash: u32 = hashClient(
    common.hashSeed,
    flow.destination0,
    flow.destination1,
    flow.destination2,
    flow.destination3,
    flow.destinationPort,
    flow.protocol,
  )
  const home: u32 = u32(hash & common.connectionMask)
  const line = replyHomeAt.at(home)
  if (line === null) return NONE
  if (line.owner === hash && isReplyOf(line, flow)) return home
  const reach: u32 = line.reach & 0xff
  return reach === 0 ? NONE : searchReply(flow, hash, home, reach)
}

/** The lines behind its home. @apart */
function searchReply(flow: Flow, hash: u32, home: u32, reach: u32): u32 {
  for (let i: u32 = 1; i < PROBES_MAX; i++) {
    if (i > reach) break
    const line = replyLineAt.at(u32(home + i))
    if (line === null) break
    if (line.owner === hash && isReplyOf(line, flow)) return u32(home + i)
  }
  return NONE
}

export function isReplyOf(line: Connection, flow: Flow): boolean {
  if (
    line.client3 !== flow.destination3 ||
    line.clientPort !== flow.destinationPort ||
    (line.status & REPLY_MASK) !== (Forwarding.masquerade | flow.protocol) ||
    line.client2 !== flow.destination2 ||
    line.client1 !== flow.destination1 ||
    line.client0 !== flow.destination0 ||
    isAtOrAfter(now(), line.expires)
  ) {
    return false
  }
  const server = replyServerAt.at(line.server)
  if (server === null) return false
  return isFromServer(server, line, flow)
}

/** The port that a connection's server is sent to. */
export function serverPortOf(server: Server, line: Connection): u32 {
  return (line.status & Status.keepsPort) !== 0 ? line.virtualPort : server.port
}

/** Does the flow come from this connection's server and port? */
export function isFromServer(server: Server, line: Connection, flow: Flow): boolean {
  const port: u32 = (line.status & Status.keepsPort) !== 0 ? line.virtualPort : server.port
  return (
    server.address3 === flow.source3 &&
    port === flow.sourcePort &&
    server.address2 === flow.source2 &&
    server.address1 === flow.source1 &&
    server.address0 === flow.source0
  )
}

/**
 * A new line for the request in `flow` (its hash from `findRequest`), bound to row `serverIndex` and to the template
 * `flow.template`; state 0, expiring `ticks` from now. NONE when the neighbourhood or the table is full. A FULLNAT
 * line's binding is 0: `bindLocalPort` writes it.
 */
export function insertConnection(flow: Flow, serverIndex: u32, server: Server, ticks: u32): u32 {
  const common = insertSettingsAt.at(0)
  if (common === null) return NONE
  if (common.connections >= common.connectionsMax) return NONE
  const row: u32 = claimLine(flow.hash)
  const line = insertedLineAt.at(row)
  if (line === null) return NONE
  writeLine(line, flow, serverIndex, server)
  line.expires = u32(now() + ticks)
  line.swapOwner(BUSY, flow.hash) // an atomic step: what stands above is seen before
  common.addConnections(1)
  server.addInactive(1)
  updateOverload(server)
  return row
}

/**
 * A line for one packet (one-packet scheduling), which nobody else can find and nothing counts; `returnLine` when the
 * packet is on its way. NONE when the neighbourhood is full.
 */
export function borrowLine(flow: Flow, serverIndex: u32, server: Server): u32 {
  const row: u32 = claimLine(flow.hash)
  const line = borrowedLineAt.at(row)
  if (line === null) return NONE
  writeLine(line, flow, serverIndex, server)
  return row
}

export function returnLine(line: Connection): void {
  line.owner = 0
}

/** Frees the line of a connection that has been ended; unless the sweep, which comes by at any time, already did. */
export function freeLine(line: Connection, hash: u32): void {
  line.swapOwner(hash, 0)
}

/** A free line near the home of `hash`, for the caller alone: its owner is BUSY. NONE: there is none. */
export function claimLine(hash: u32): u32 {
  const common = claimSettingsAt.at(0)
  if (common === null) return NONE
  const home: u32 = u32(hash & common.connectionMask)
  for (let i: u32 = 0; i < PROBES_MAX; i++) {
    const line = freeLineAt.at(home + i)
    if (line === null) return NONE
    if (line.owner !== 0) continue
    if (!line.swapOwner(0, BUSY)) continue
    extendReach(home, i)
    return u32(home + i)
  }
  return NONE
}

/** Protocol, state 0 and the flags of a connection that begins. */
function firstStatus(flow: Flow, server: Server): u32 {
  const forwarding: u32 = server.forwarding & 7
  const isTwoSided: boolean =
    forwarding === Forwarding.masquerade ||
    forwarding === Forwarding.fullnat ||
    forwarding === Forwarding.bypass
  const kind: u32 = (forwarding << Status.forwardingShift) | flow.protocol | Status.inactive
  const side: u32 = isTwoSided ? 0 : Status.noOutput
  const control: u32 = flow.template === NONE ? 0 : Status.controlled
  const port: u32 = flow.keepsPort === 0 ? 0 : Status.keepsPort
  return u32(u32(u32(kind | side) | control) | port)
}

/** How the connection's packets are forwarded: as its server said when it was opened. */
export function forwardingOf(line: Connection): u32 {
  return (line.status & Status.forwardingMask) >>> Status.forwardingShift
}

function writeLine(line: Connection, flow: Flow, serverIndex: u32, server: Server): void {
  line.client0 = flow.source0
  line.client1 = flow.source1
  line.client2 = flow.source2
  line.client3 = flow.source3
  line.virtual0 = flow.destination0
  line.virtual1 = flow.destination1
  line.virtual2 = flow.destination2
  line.virtual3 = flow.destination3
  line.clientPort = flow.sourcePort
  line.virtualPort = flow.destinationPort
  line.server = serverIndex
  line.status = firstStatus(flow, server)
  line.binding = server.forwarding === Forwarding.fullnat ? 0 : u32(flow.template + 1)
  line.clientHop = 0
}

/** A line `distance` behind its home was taken: whoever looks for it must look that far. */
function extendReach(home: u32, distance: u32): void {
  if (distance === 0) return
  const line = homeLineAt.at(home)
  if (line === null) return
  for (let i: u32 = 0; i < PROBES_MAX; i++) {
    const was: u32 = line.reach
    const reach: u32 = (was & 0xff) < distance ? distance : was & 0xff
    // The count in the upper bits tells the sweep that somebody came: it must not lower the reach then.
    if (line.swapReach(was, u32((u32(was & 0xffffff00) + 0x100) | reach))) return
  }
}

/**
 * Ends a connection or template: from here on it is found by nobody and counted nowhere; its line is still taken, until
 * `freeLine`. False: somebody else did it, or does it now.
 */
export function unbindLine(line: Connection, server: Server): boolean {
  const common = releaseSettingsAt.at(0)
  const status: u32 = sealStatus(line)
  if (common === null || status === ENDED_BEFORE) return false
  if ((status & Status.template) !== 0) server.addPersistent(NONE)
  else if ((status & Status.inactive) !== 0) server.addInactive(NONE)
  else server.addActive(NONE)
  updateOverload(server)
  common.addConnections(NONE) // adds 2^32 - 1: takes one away
  return true
}

/** No status: 1 is ICMP, which has no connections. */
const ENDED_BEFORE = 1

/** Sets `ended`; the status before, or ENDED_BEFORE if that was not for the caller to set. */
function sealStatus(line: Connection): u32 {
  for (let i: u32 = 0; i < STATUS_TRIES_MAX; i++) {
    const was: u32 = line.status
    if ((was & Status.ended) !== 0) return ENDED_BEFORE
    if (line.swapStatus(was, u32(was | Status.ended))) return was
  }
  return ENDED_BEFORE
}

/** Is the server still in its service? A connection may outlive that. */
export function isAvailable(server: Server): boolean {
  return (server.flags & ServerFlag.available) !== 0
}
