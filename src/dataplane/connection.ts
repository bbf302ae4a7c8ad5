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
 * An expired line is invisible at once and taken out by the control plane's sweep.
 */
import { isAtOrAfter, u16, u32 } from '../subset/integers.ts'
import { now } from '../subset/clock.ts'
import type { Flow } from './flow.ts'
import { hashAddress } from './hash.ts'
import { PROBES_MAX } from './limits.ts'
import type { Connection, Server } from './tables.ts'
import {
  ConnectionFlag,
  connections,
  Forwarding,
  NONE,
  ServerFlag,
  servers,
  settings,
} from './tables.ts'
import { updateOverload } from './server.ts'

/** `owner` of a line being written. */
export const BUSY = 1

const requestLineAt = connections.cursor()
const replyLineAt = connections.cursor()
const freeLineAt = connections.cursor()
const homeLineAt = connections.cursor()
const replyServerAt = servers.cursor()
const requestSettingsAt = settings.cursor()
const replySettingsAt = settings.cursor()
const insertSettingsAt = settings.cursor()
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
  let reach: u32 = 0
  for (let i: u32 = 0; i < PROBES_MAX; i++) {
    if (i > reach) break
    const line = requestLineAt.at(home + i)
    if (line === null) break
    if (i === 0) reach = line.reach & 0xff
    if (line.owner === hash && isRequestOf(line, flow)) return u32(home + i)
  }
  return NONE
}

function isRequestOf(line: Connection, flow: Flow): boolean {
  return (
    line.client3 === flow.source3 &&
    line.virtual3 === flow.destination3 &&
    line.clientPort === flow.sourcePort &&
    line.virtualPort === flow.destinationPort &&
    line.protocol === flow.protocol &&
    line.client2 === flow.source2 &&
    line.virtual2 === flow.destination2 &&
    line.client1 === flow.source1 &&
    line.virtual1 === flow.destination1 &&
    line.client0 === flow.source0 &&
    line.virtual0 === flow.destination0 &&
    (line.flags & ConnectionFlag.template) === 0 &&
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
  let reach: u32 = 0
  for (let i: u32 = 0; i < PROBES_MAX; i++) {
    if (i > reach) break
    const line = replyLineAt.at(home + i)
    if (line === null) break
    if (i === 0) reach = line.reach & 0xff
    if (line.owner === hash && isReplyOf(line, flow)) return u32(home + i)
  }
  return NONE
}

function isReplyOf(line: Connection, flow: Flow): boolean {
  if (
    line.client3 !== flow.destination3 ||
    line.clientPort !== flow.destinationPort ||
    line.protocol !== flow.protocol ||
    line.client2 !== flow.destination2 ||
    line.client1 !== flow.destination1 ||
    line.client0 !== flow.destination0 ||
    (line.flags & ConnectionFlag.template) !== 0 ||
    isAtOrAfter(now(), line.expires)
  ) {
    return false
  }
  if (forwardingOf(line) !== Forwarding.masquerade) return false
  const server = replyServerAt.at(line.server)
  if (server === null) return false
  return isFromServer(server, line, flow)
}

/** Does the flow come from this connection's server and port? */
export function isFromServer(server: Server, line: Connection, flow: Flow): boolean {
  const port: u32 = server.port === 0 ? line.virtualPort : server.port
  return (
    server.address3 === flow.source3 &&
    port === flow.sourcePort &&
    server.address2 === flow.source2 &&
    server.address1 === flow.source1 &&
    server.address0 === flow.source0
  )
}

/**
 * A new line for the request in `flow` (its hash from `findRequest`), bound to row `serverIndex`; state 0,
 * expiring `ticks` from now. NONE when the neighbourhood or the table is full. The line's FULLNAT fields are 0.
 */
export function insertConnection(flow: Flow, serverIndex: u32, server: Server, ticks: u32): u32 {
  const common = insertSettingsAt.at(0)
  if (common === null) return NONE
  if (common.connections >= common.connectionsMax) return NONE
  const home: u32 = u32(flow.hash & common.connectionMask)
  for (let i: u32 = 0; i < PROBES_MAX; i++) {
    const line = freeLineAt.at(home + i)
    if (line === null) return NONE
    if (line.owner !== 0) continue
    if (!line.swapOwner(0, BUSY)) continue
    writeLine(line, flow, serverIndex, ticks)
    line.flags = u16(firstFlags(server.forwarding))
    extendReach(home, i)
    line.owner = flow.hash
    common.addConnections(1)
    server.addInactive(1)
    updateOverload(server)
    return u32(home + i)
  }
  return NONE
}

function firstFlags(forwarding: u32): u32 {
  const isTwoSided: boolean =
    forwarding === Forwarding.masquerade || forwarding === Forwarding.fullnat
  const flags: u32 = ConnectionFlag.inactive | (isTwoSided ? 0 : ConnectionFlag.noOutput)
  return u32(flags | forwarding)
}

/** How the connection's packets are forwarded: as its server said when it was opened. */
export function forwardingOf(line: Connection): u32 {
  return line.flags & ConnectionFlag.forwardingMask
}

function writeLine(line: Connection, flow: Flow, serverIndex: u32, ticks: u32): void {
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
  line.protocol = flow.protocol
  line.state = 0
  line.expires = u32(now() + ticks)
  line.local = 0
  line.localPort = 0
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

/** Frees a line and takes it off its server's counts. `server` is null when the row is gone (never, in order). */
export function releaseConnection(line: Connection, server: Server | null): void {
  const common = releaseSettingsAt.at(0)
  if (common === null) return
  if (server !== null && (line.flags & ConnectionFlag.template) === 0) {
    if ((line.flags & ConnectionFlag.inactive) !== 0) server.addInactive(NONE)
    else server.addActive(NONE)
    updateOverload(server)
  }
  line.owner = 0
  common.addConnections(NONE) // adds 2^32 - 1: takes one away
}

/** Counts the connection as active or inactive, as its state asks, if it is counted as the other now. */
export function countActivity(line: Connection, server: Server, isActive: boolean): void {
  const isInactive: boolean = (line.flags & ConnectionFlag.inactive) !== 0
  if (isActive === !isInactive) return
  if (isActive) {
    line.flags = line.flags & ~ConnectionFlag.inactive & 0xffff
    server.addInactive(NONE)
    server.addActive(1)
  } else {
    line.flags = line.flags | ConnectionFlag.inactive
    server.addActive(NONE)
    server.addInactive(1)
  }
}

/** Is the server still in its service? A connection may outlive that. */
export function isAvailable(server: Server): boolean {
  return (server.flags & ServerFlag.available) !== 0
}
