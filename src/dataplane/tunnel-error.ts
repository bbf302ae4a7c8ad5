/**
 * ICMP errors about our own tunnel packets, from routers on the way to a real server, or from the server's host.
 *
 *   in    | Ethernet | IP router → DIP | ICMP | IP DIP → RIP | GRE, UDP and GUE | IP CIP → VIP, cut … |
 *   out   | Ethernet | IP VIP → CIP    | ICMP |                                   IP CIP → VIP, cut … |
 *
 * The client hears of it as if the way inside the tunnel were one hop, and of what is too large by how much fits
 * through it; path-mtu.ts remembers that, and packets that are too large are answered here from then on
 * (ip_vs_in_icmp).
 * Differs from IPVS: of IPv6 in IPv6 it is told on as well; what is too large for an IPv6 tunnel, or for one across the
 * families, is noted and heeded with the next packet. Linux forgets both, and packets vanish.
 */
import { u32, type u8 } from '../subset/integers.ts'
import { Decapsulation, type Packet } from '../subset/packet.ts'
import { Icmp } from '../wire/icmp.ts'
import { writeIpv4Error, writeIpv6Error } from './answer.ts'
import { findRequest, forwardingOf } from './connection.ts'
import { Direction, type Flow } from './flow.ts'
import { isIcmpSumRight } from './icmp.ts'
import { ICMP_ERROR_MAX, ICMPV6_ERROR_MAX } from './limits.ts'
import { mtuOf, sendTo } from './next-hop.ts'
import { IPV4_MTU_MIN, IPV6_MTU_MIN } from './passage.ts'
import { notePathMtu, pathMtuOf } from './path-mtu.ts'
import { hopToClient, hopToServer } from './route.ts'
import { countReply } from './state.ts'
import { connections, Forwarding, NONE, servers, type Connection, type Server } from './tables.ts'
import { bytesBetween } from './tunnel-header.ts'
import { isQuoteTo, quote, readTunnelQuote } from './tunnel-quote.ts'
import { Reason } from './verdict.ts'

/** Linux believes no router that takes less (ip_rt_min_pmtu). */
const IPV4_PATH_MTU_MIN = 552
/** IP and ICMP header of what the client is told. */
const TOLD_BYTES_4 = 28
const TOLD_BYTES_6 = 48

const icmpAt = Icmp.cursor()
const lineAt = connections.cursor()
const serverAt = servers.cursor()

/** What becomes of an ICMP error that quotes no packet of a connection: perhaps it quotes one in a tunnel. @apart */
export function forwardTunnelError(packet: Packet, flow: Flow): u32 {
  const icmp = icmpAt.at(packet, flow.transport)
  // No ICMP error leaves its checksum to hardware.
  if (icmp === null || packet.hasPartialChecksum) return Reason.icmpUnrelated
  const type: u8 = icmp.type
  const code: u8 = icmp.code
  const rest: u32 = icmp.rest
  if (!readTunnelQuote(packet, flow)) return Reason.icmpUnrelated
  flow.connection = findRequest(flow)
  const line = lineAt.at(flow.connection)
  if (line === null || forwardingOf(line) !== Forwarding.tunnel) return Reason.icmpUnrelated
  const server = serverAt.at(line.server)
  if (server === null || server.service === NONE || !isQuoteTo(server)) return Reason.icmpUnrelated
  flow.server = line.server
  flow.service = server.service
  flow.direction = Direction.request
  if (!isIcmpSumRight(packet, flow)) return Reason.icmpChecksum
  if (!isTooBig(type, code)) {
    if (quote.family !== quote.innerFamily) return Reason.icmpUnrelated
    return tellClient(packet, flow, line, server, type, code, rest)
  }
  const told: u32 = noteTooBig(flow, server, quote.family === 4 ? rest & 0xffff : rest)
  if (quote.family !== quote.innerFamily || flow.dontFragment === 0) return Reason.icmpNoted
  return tellClient(packet, flow, line, server, type, code, told)
}

function isTooBig(type: u8, code: u8): boolean {
  return quote.family === 4 ? type === 3 && code === 4 : type === 2
}

/** Remembers what the way takes; what of that is left for a packet in the tunnel. */
function noteTooBig(flow: Flow, server: Server, mtu: u32): u32 {
  const isIpv4: boolean = quote.family === 4
  const outer: u32 = u32(bytesBetween(server) + (isIpv4 ? 20 : 40))
  const least: u32 = isIpv4 ? IPV4_PATH_MTU_MIN : IPV6_MTU_MIN
  const linkMtu: u32 = mtuOf(hopToServer(flow, server))
  const told: u32 = notePathMtu(server, linkMtu, mtu, least)
  const way: u32 = isIpv4 ? told : pathMtuOf(server, linkMtu)
  const left: u32 = way > IPV4_MTU_MIN + outer ? u32(way - outer) : way
  return quote.innerFamily === 6 && left < IPV6_MTU_MIN ? IPV6_MTU_MIN : left
}

/** The quoted packet becomes what an error to its sender, from the VIP, quotes. */
function tellClient(
  packet: Packet,
  flow: Flow,
  line: Connection,
  server: Server,
  type: u8,
  code: u8,
  rest: u32,
): u32 {
  flow.length = u32(flow.network + flow.length - quote.inner)
  countReply(flow, server)
  const isIpv4: boolean = quote.family === 4
  const headers: u32 = isIpv4 ? TOLD_BYTES_4 : TOLD_BYTES_6
  const room: u32 = u32((isIpv4 ? ICMP_ERROR_MAX : ICMPV6_ERROR_MAX) - headers)
  const quoted: u32 = flow.length < room ? flow.length : room
  if (!packet.adjustTail(quote.inner + quoted - packet.length)) return Reason.noRoom
  const removed: u32 = u32(quote.inner - flow.network - headers)
  if (!packet.decapsulate(removed, Decapsulation.sameFamily)) return Reason.noRoom
  const isWritten: boolean = isIpv4
    ? writeIpv4Error(packet, flow, type, code, rest, quoted)
    : writeIpv6Error(packet, flow, type, code, rest, quoted)
  if (!isWritten) return Reason.noRoom
  // Counted as what came, and once more as what leaves: IPVS sees its own errors go.
  flow.length = u32(headers + quoted)
  countReply(flow, server)
  const hop: u32 = hopToClient(flow, line)
  return sendTo(packet, flow, hop, Reason.icmpToClient)
}
