/**
 * Rewriting addresses and ports: what NAT and FULLNAT, there and back, have in common.
 *
 * Checksums change by the difference only (RFC 1624): a frame whose checksum was wrong stays wrong, and payload is not
 * read. A UDP datagram without a checksum gets one, as udp_dnat_handler and udp_snat_handler give it
 * (net/netfilter/ipvs/ip_vs_proto_udp.c), if it is whole and short enough. In a later fragment there is no transport
 * header to change; the first fragment's checksum covers the addresses of all.
 */
import { u8, u16, u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { row, type ViewOf } from '../subset/struct.ts'
import {
  add32,
  applyDelta,
  applyDeltaPartial,
  applyDeltaUdp,
  fold,
  replace16,
  replace32,
  SUM_FRAME_MAX,
  sumFrame,
} from '../wire/checksum.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { Ipv4 } from '../wire/ipv4.ts'
import { Ipv6 } from '../wire/ipv6.ts'
import { Sctp } from '../wire/sctp.ts'
import { Tcp } from '../wire/tcp.ts'
import { Udp } from '../wire/udp.ts'
import { checksumDelta } from './crc32c.ts'
import { FragmentKind, type Flow } from './flow.ts'
import { Status, type Connection, type Local, type Server } from './tables.ts'

/** The addresses and ports a packet shall have. */
export const Tuple = row('tuple', {
  source0: 'u32',
  source1: 'u32',
  source2: 'u32',
  source3: 'u32',
  destination0: 'u32',
  destination1: 'u32',
  destination2: 'u32',
  destination3: 'u32',
  sourcePort: 'u16',
  destinationPort: 'u16',
})
export type Tuple = ViewOf<typeof Tuple>

const ipv4At = Ipv4.cursor()
const ipv6At = Ipv6.cursor()
const tcpAt = Tcp.cursor()
const udpAt = Udp.cursor()
const unsummedAt = Udp.cursor()
const sctpAt = Sctp.cursor()

/** What the packet in hand has now. */
export function copyTuple(tuple: Tuple, flow: Flow): void {
  tuple.source0 = flow.source0
  tuple.source1 = flow.source1
  tuple.source2 = flow.source2
  tuple.source3 = flow.source3
  tuple.destination0 = flow.destination0
  tuple.destination1 = flow.destination1
  tuple.destination2 = flow.destination2
  tuple.destination3 = flow.destination3
  tuple.sourcePort = flow.sourcePort
  tuple.destinationPort = flow.destinationPort
}

export function setDestinationServer(tuple: Tuple, server: Server, line: Connection): void {
  tuple.destination0 = server.address0
  tuple.destination1 = server.address1
  tuple.destination2 = server.address2
  tuple.destination3 = server.address3
  tuple.destinationPort = (line.status & Status.keepsPort) !== 0 ? line.virtualPort : server.port
}

export function setSourceLocal(tuple: Tuple, local: Local, line: Connection): void {
  tuple.source0 = local.address0
  tuple.source1 = local.address1
  tuple.source2 = local.address2
  tuple.source3 = local.address3
  tuple.sourcePort = line.binding >>> 16
}

export function setSourceVirtual(tuple: Tuple, line: Connection): void {
  tuple.source0 = line.virtual0
  tuple.source1 = line.virtual1
  tuple.source2 = line.virtual2
  tuple.source3 = line.virtual3
  tuple.sourcePort = line.virtualPort
}

export function setDestinationClient(tuple: Tuple, line: Connection): void {
  tuple.destination0 = line.client0
  tuple.destination1 = line.client1
  tuple.destination2 = line.client2
  tuple.destination3 = line.client3
  tuple.destinationPort = line.clientPort
}

/** The checksum difference of the addresses alone, from the flow's to the tuple's. */
export function addressDelta(flow: Flow, to: Tuple): u32 {
  let delta: u32 = 0
  if (to.source3 !== flow.source3) delta = replace32(delta, flow.source3, to.source3)
  if (to.destination3 !== flow.destination3) {
    delta = replace32(delta, flow.destination3, to.destination3)
  }
  if (flow.family === 4) return delta
  delta = replace32(delta, flow.source0, to.source0)
  delta = replace32(delta, flow.source1, to.source1)
  delta = replace32(delta, flow.source2, to.source2)
  delta = replace32(delta, flow.destination0, to.destination0)
  delta = replace32(delta, flow.destination1, to.destination1)
  return replace32(delta, flow.destination2, to.destination2)
}

/** Gives the packet the tuple's addresses and ports, and one hop less to live. */
export function translate(packet: Packet, flow: Flow, to: Tuple): void {
  const delta: u32 = addressDelta(flow, to)
  if (flow.family === 4) translateIpv4(packet, flow, to, delta)
  else translateIpv6(packet, flow, to)
  if (flow.fragment === FragmentKind.later) return
  if (flow.protocol === Protocol.tcp) translateTcp(packet, flow, to, delta)
  else if (flow.protocol === Protocol.udp) translateUdp(packet, flow, to, delta)
  else translateSctp(packet, flow, to)
}

/** What one hop less to live adds to the difference: ~0x0100, since it is the high half of its word. */
const ONE_HOP = 0xfeff

function translateIpv4(packet: Packet, flow: Flow, to: Tuple, delta: u32): void {
  const ip = ipv4At.at(packet, flow.network)
  if (ip === null) return
  const timeToLive: u8 = u8(ip.timeToLive - 1)
  ip.timeToLive = timeToLive
  if (to.source3 !== flow.source3) ip.source = to.source3
  if (to.destination3 !== flow.destination3) ip.destination = to.destination3
  ip.checksum = applyDelta(ip.checksum, u32(delta + ONE_HOP))
}

function translateIpv6(packet: Packet, flow: Flow, to: Tuple): void {
  const ip = ipv6At.at(packet, flow.network)
  if (ip === null) return
  ip.hopLimit = u8(ip.hopLimit - 1)
  ip.source0 = to.source0
  ip.source1 = to.source1
  ip.source2 = to.source2
  ip.source3 = to.source3
  ip.destination0 = to.destination0
  ip.destination1 = to.destination1
  ip.destination2 = to.destination2
  ip.destination3 = to.destination3
}

/** The ports' part of a transport checksum; a partial one covers addresses only. */
function withPorts(delta: u32, flow: Flow, to: Tuple): u32 {
  let sum: u32 = delta
  if (to.sourcePort !== flow.sourcePort) sum = replace16(sum, flow.sourcePort, to.sourcePort)
  if (to.destinationPort === flow.destinationPort) return sum
  return replace16(sum, flow.destinationPort, to.destinationPort)
}

function translateTcp(packet: Packet, flow: Flow, to: Tuple, delta: u32): void {
  const tcp = tcpAt.at(packet, flow.transport)
  if (tcp === null) return
  if (to.sourcePort !== flow.sourcePort) tcp.sourcePort = to.sourcePort
  if (to.destinationPort !== flow.destinationPort) tcp.destinationPort = to.destinationPort
  if (packet.hasPartialChecksum) tcp.checksum = applyDeltaPartial(tcp.checksum, delta)
  else tcp.checksum = applyDelta(tcp.checksum, withPorts(delta, flow, to))
}

function translateUdp(packet: Packet, flow: Flow, to: Tuple, delta: u32): void {
  const udp = udpAt.at(packet, flow.transport)
  if (udp === null) return
  udp.sourcePort = to.sourcePort
  udp.destinationPort = to.destinationPort
  const checksum: u16 = udp.checksum
  if (packet.hasPartialChecksum) udp.checksum = applyDeltaPartial(checksum, delta)
  else if (checksum === 0) sumUdp(packet, flow, to)
  else udp.checksum = applyDeltaUdp(checksum, u32(withPorts(delta, flow, to)))
}

/** Gives a datagram that had none a checksum. @apart */
function sumUdp(packet: Packet, flow: Flow, to: Tuple): void {
  const end: u32 = u32(flow.network + flow.length)
  const bytes: u32 = u32(end - flow.transport)
  if (flow.fragment !== FragmentKind.none || packet.segmentSize !== 0) return
  // Cuts Ethernet's padding off, and makes the frame readable to its end.
  if (bytes > SUM_FRAME_MAX || !packet.adjustTail(end - packet.length)) return
  let sum: u32 = add32(sumFrame(packet, flow.transport, bytes), u32(Protocol.udp + bytes))
  sum = add32(add32(sum, to.source3), to.destination3)
  if (flow.family === 6) {
    sum = add32(add32(add32(sum, to.source0), to.source1), to.source2)
    sum = add32(add32(add32(sum, to.destination0), to.destination1), to.destination2)
  }
  const whole: u32 = fold(sum) ^ 0xffff
  const udp = unsummedAt.at(packet, flow.transport)
  if (udp !== null) udp.checksum = whole === 0 ? 0xffff : u16(whole)
}

/** Addresses are not in SCTP's checksum, and what the ports do to it depends on how much follows them. */
function translateSctp(packet: Packet, flow: Flow, to: Tuple): void {
  const sctp = sctpAt.at(packet, flow.transport)
  if (sctp === null) return
  const sources: u32 = u32(flow.sourcePort ^ to.sourcePort)
  const destinations: u32 = u32(flow.destinationPort ^ to.destinationPort)
  if (sources === 0 && destinations === 0) return
  sctp.sourcePort = to.sourcePort
  sctp.destinationPort = to.destinationPort
  if (packet.hasPartialChecksum) return
  const length: u32 = u32(flow.network + flow.length - flow.transport)
  const delta: u32 = checksumDelta(u32((sources << 16) | destinations), length)
  sctp.checksum = u32(sctp.checksum ^ delta)
}

const hopIpv4At = Ipv4.cursor()
const hopIpv6At = Ipv6.cursor()

/** One hop less to live, which it has, and nothing else: for DR and TUN, whose packets keep their addresses. */
export function countHop(packet: Packet, flow: Flow): void {
  if (flow.family === 4) {
    const ip = hopIpv4At.at(packet, flow.network)
    if (ip === null) return
    ip.timeToLive = u8(ip.timeToLive - 1)
    ip.checksum = applyDelta(ip.checksum, ONE_HOP)
    return
  }
  const ip = hopIpv6At.at(packet, flow.network)
  if (ip !== null) ip.hopLimit = u8(ip.hopLimit - 1)
}
