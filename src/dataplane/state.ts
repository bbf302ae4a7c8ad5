/**
 * What a packet does to its connection: state, activity, time left, counters.
 *
 * Follows set_tcp_state and ip_vs_in_stats, ip_vs_out_stats, ip_vs_conn_stats (net/netfilter/ipvs). Bytes are those
 * of the IP packet.
 */
import { u32, type u8 } from '../subset/integers.ts'
import { now } from '../subset/clock.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { countActivity, isAvailable } from './connection.ts'
import { FragmentKind, type Flow } from './flow.ts'
import { ConnectionFlag, services, type Connection, type Server } from './tables.ts'
import { isActiveTcpState, nextTcpState, TcpSide } from './tcp.ts'
import { timeoutOf, timeoutRow } from './timeout.ts'

const requestServiceAt = services.cursor()
const replyServiceAt = services.cursor()
const openedServiceAt = services.cursor()

/** A packet from the client. */
export function advanceRequest(flow: Flow, line: Connection, server: Server): void {
  const isOneSided: boolean = (line.flags & ConnectionFlag.noOutput) !== 0
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
    line.expires = u32(now() + timeoutOf(timeoutRow(false, 0)))
    return
  }
  if (flow.fragment !== FragmentKind.later) {
    const state: u8 = nextTcpState(side, flow.tcpFlags, line.state)
    if (state !== line.state) {
      line.state = state
      countActivity(line, server, isActiveTcpState(state))
    }
  }
  line.expires = u32(now() + timeoutOf(timeoutRow(true, line.state)))
}
