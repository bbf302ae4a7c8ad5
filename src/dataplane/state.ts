/**
 * What a packet does to its connection: state, activity, time left, counters.
 *
 * Follows set_tcp_state, set_sctp_state, udp_state_transition, ip_vs_in_stats, ip_vs_out_stats and ip_vs_conn_stats
 * (net/netfilter/ipvs). Bytes are those of the IP packet.
 *
 * State and activity change in one step of compare-and-swap, and only who made it counts it at the server: two CPUs
 * that see both sides of a connection at once never count it twice. A packet that changes nothing writes `expires`
 * alone.
 */
import { u32 } from '../subset/integers.ts'
import { now } from '../subset/clock.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { isAvailable } from './connection.ts'
import { FragmentKind, type Flow } from './flow.ts'
import { STATUS_TRIES_MAX } from './limits.ts'
import { nextSctpState, SctpState } from './sctp.ts'
import { NONE, services, Status, type Connection, type Server } from './tables.ts'
import { isActiveTcpState, nextTcpState, TcpSide, TcpState } from './tcp.ts'
import { assureTemplate } from './template.ts'
import { timeoutOf, TimeoutRow } from './timeout.ts'

const requestServiceAt = services.cursor()
const replyServiceAt = services.cursor()
const openedServiceAt = services.cursor()

/** A packet from the client. */
export function advanceRequest(flow: Flow, line: Connection, server: Server): void {
  const isOneSided: boolean = (line.status & Status.noOutput) !== 0
  advance(flow, line, server, isOneSided ? TcpSide.inputOnly : TcpSide.input)
  countRequest(flow, server)
}

/** Counts a packet towards the server; a removed one counts no more. */
export function countRequest(flow: Flow, server: Server): void {
  if (!isAvailable(server)) return
  server.addInPackets(1)
  server.addInBytes(flow.length)
  const service = requestServiceAt.at(server.service)
  if (service === null) return
  service.addInPackets(1)
  service.addInBytes(flow.length)
}

/** A packet from the server. */
export function advanceReply(flow: Flow, line: Connection, server: Server): void {
  advance(flow, line, server, TcpSide.output)
  countReply(flow, server)
}

/** Counts a packet towards the client; a removed server's no more. */
export function countReply(flow: Flow, server: Server): void {
  if (!isAvailable(server)) return
  server.addOutPackets(1)
  server.addOutBytes(flow.length)
  const service = replyServiceAt.at(server.service)
  if (service === null) return
  service.addOutPackets(1)
  service.addOutBytes(flow.length)
}

/** One more connection for server and service. */
export function countOpened(server: Server): void {
  server.addConnections(1)
  const service = openedServiceAt.at(server.service)
  if (service !== null) service.addConnections(1)
}

function advance(flow: Flow, line: Connection, server: Server, side: u32): void {
  if (flow.protocol !== Protocol.tcp) {
    advanceOther(flow, line, server, side)
    return
  }
  if (flow.fragment !== FragmentKind.later) advanceTcp(flow, line, server, side)
  const state: u32 = (line.status & Status.stateMask) >>> Status.stateShift
  line.expires = u32(now() + timeoutOf(TimeoutRow.tcp + state))
}

/** Not TCP. @apart */
function advanceOther(flow: Flow, line: Connection, server: Server, side: u32): void {
  if (flow.protocol === Protocol.sctp) {
    if (flow.fragment !== FragmentKind.later) advanceSctp(flow, line, server, side)
    const state: u32 = (line.status & Status.stateMask) >>> Status.stateShift
    line.expires = u32(now() + timeoutOf(TimeoutRow.sctp + state))
    return
  }
  if (side === TcpSide.output) assureTemplate(flow.connection, line)
  line.expires = u32(now() + timeoutOf(TimeoutRow.udp))
}

function advanceSctp(flow: Flow, line: Connection, server: Server, side: u32): void {
  for (let i: u32 = 0; i < STATUS_TRIES_MAX; i++) {
    const was: u32 = line.status
    const state: u32 = (was & Status.stateMask) >>> Status.stateShift
    const next: u32 = nextSctpState(side, flow.tcpFlags, state)
    if (next === state || (was & Status.ended) !== 0) return
    const isActive: boolean = next === SctpState.established
    if (!changeState(line, server, was, next, isActive)) continue
    if (isActive) assureTemplate(flow.connection, line)
    return
  }
}

/** Most segments change nothing. */
function advanceTcp(flow: Flow, line: Connection, server: Server, side: u32): void {
  const state: u32 = (line.status & Status.stateMask) >>> Status.stateShift
  if (nextTcpState(side, flow.tcpFlags, state) !== state) changeTcpState(flow, line, server, side)
}

/** @apart */
function changeTcpState(flow: Flow, line: Connection, server: Server, side: u32): void {
  for (let i: u32 = 0; i < STATUS_TRIES_MAX; i++) {
    const was: u32 = line.status
    const state: u32 = (was & Status.stateMask) >>> Status.stateShift
    const next: u32 = nextTcpState(side, flow.tcpFlags, state)
    if (next === state || (was & Status.ended) !== 0) return
    if (!changeState(line, server, was, next, isActiveTcpState(next))) continue
    if (next === TcpState.established) assureTemplate(flow.connection, line)
    return
  }
}

/** Gives the connection state `next`, among the active or not. False, and nothing done: its status is `was` no more. */
function changeState(
  line: Connection,
  server: Server,
  was: u32,
  next: u32,
  isActive: boolean,
): boolean {
  const rest: u32 = u32(was & ~(Status.stateMask | Status.inactive))
  const status: u32 = u32(rest | (next << Status.stateShift) | (isActive ? 0 : Status.inactive))
  if (!line.swapStatus(was, status)) return false
  const wasActive: boolean = (was & Status.inactive) === 0
  if (isActive && !wasActive) {
    server.addInactive(NONE)
    server.addActive(1)
  } else if (!isActive && wasActive) {
    server.addActive(NONE)
    server.addInactive(1)
  }
  return true
}
