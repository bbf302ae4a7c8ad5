/**
 * TUN, IP tunnel (`-i`): the whole packet travels inside another one, addressed to the real server, which may
 * be anywhere, takes it out, has the VIP too and answers the client itself (ip_vs_tunnel_xmit).
 *
 *   | Ethernet | CIP → VIP … |   becomes   | Ethernet | DIP → RIP | GRE, or UDP and GUE, or nothing | CIP → VIP … |
 *
 * Outer and inner packet may be of different families, in all four mixtures. The outer header takes time to live and
 * traffic class from the inner one, and DF, from IPv4 to IPv4, while pmtu_disc is on.
 */
import { sumHalves, u32, u8, u16 } from '../subset/integers.ts'
import { random } from '../subset/clock.ts'
import { Encapsulation, type Packet } from '../subset/packet.ts'
import { fold } from '../wire/checksum.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { DONT_FRAGMENT, Ipv4Words } from '../wire/ipv4.ts'
import { Ipv6 } from '../wire/ipv6.ts'
import type { Flow } from './flow.ts'
import { sendTo, setEtherType } from './next-hop.ts'
import { leaveUnsummed } from './oversize.ts'
import { checkPassage, IPV4_MTU_MIN, IPV6_MTU_MIN, PASSES, stay } from './passage.ts'
import { applyPathMtu } from './path-mtu.ts'
import { hopToServer } from './route.ts'
import { Switch } from './switch.ts'
import { hops, NONE, settings, TunnelType, type Hop, type Server } from './tables.ts'
import { countHop } from './translate.ts'
import { bytesBetween, canSum, hasChecksum, TunnelSource, writeBetween } from './tunnel-header.ts'
import { Reason } from './verdict.ts'

/** A bit that tc does not know, and so refuses: where nobody else cuts, the engine has to, and tc cannot. */
const REFUSED_BY_TC = 0x8000

const source = TunnelSource.local()
const hopAt = hops.cursor()
const settingsAt = settings.cursor()
const roomSettingsAt = settings.cursor()
const headerSettingsAt = settings.cursor()
const ipv4At = Ipv4Words.cursor()
const ipv6At = Ipv6.cursor()

export function forwardTunnel(packet: Packet, flow: Flow, server: Server): u32 {
  const row: u32 = hopToServer(flow, server)
  const hop = hopAt.at(row)
  if (flow.egress === 0 || hop === null) return stay(packet, flow, row, false)
  const between: u32 = bytesBetween(server)
  const outer: u32 = server.family === 4 ? u32(20 + between) : u32(40 + between)
  const inside: u32 = mtuInside(flow, server, hop, outer)
  const passage: u32 = checkPassage(packet, flow, inside)
  if (passage !== PASSES) return passage
  if (inside < IPV4_MTU_MIN || !canSum(packet, flow, server)) return Reason.tooBig
  source.address0 = hop.own0
  source.address1 = hop.own1
  source.address2 = hop.own2
  source.address3 = hop.own3
  countHop(packet, flow)
  if (!makeRoom(packet, flow, server, outer)) return refusalOf(packet, server)
  let protocol: u8 = flow.family === 4 ? Protocol.ipip : Protocol.ipv6
  if (between !== 0) {
    const offset: u32 = u32(flow.network + outer - between)
    protocol = writeBetween(packet, flow, server, source, offset, outer)
  }
  const bytes: u32 = u32(flow.length + between)
  writeOuter(packet, flow, server, protocol, bytes)
  flow.outerBytes = u8(outer)
  setEtherType(packet, server.family)
  const left: u32 = sendTo(packet, flow, row, Reason.toServer)
  if (packet.segmentSize === 0 || between === 0 || !hasChecksum(server)) return left
  return leaveUnsummed(packet, flow, row, left)
}

/** Bytes of packet that fit in the tunnel; NONE: as many as there are, they may be cut on the way. */
function mtuInside(flow: Flow, server: Server, hop: Hop, outer: u32): u32 {
  const common = settingsAt.at(0)
  if (common === null) return 0
  if (flow.family === 4 && (common.switches & Switch.pathMtuDiscovery) === 0) return NONE
  const mtu: u32 = applyPathMtu(server, hop.mtu === 0 ? NONE : hop.mtu)
  if (mtu === NONE) return NONE
  const inside: u32 = mtu > outer ? u32(mtu - outer) : 0
  // IPv6 must not be asked for less (RFC 8200 section 5), and an IPv4 packet around it may be cut.
  if (flow.family === 6 && server.family === 4 && inside < IPV6_MTU_MIN) return IPV6_MTU_MIN
  return inside
}

/** Cuts Ethernet's padding off and opens `outer` bytes of room for the outer headers. */
function makeRoom(packet: Packet, flow: Flow, server: Server, outer: u32): boolean {
  let kind: u32 = server.family === 4 ? Encapsulation.ipv4 : Encapsulation.ipv6
  let isSummed: boolean = false
  if (server.tunnelType !== TunnelType.ipip) {
    kind = u32(
      kind | (server.tunnelType === TunnelType.gre ? Encapsulation.gre : Encapsulation.udp),
    )
    isSummed = hasChecksum(server)
  }
  const end: u32 = u32(flow.network + flow.length)
  if (packet.segmentSize !== 0) {
    if (end !== packet.length) return false
    if (isSummed) {
      const common = roomSettingsAt.at(0)
      if (common === null || common.cutter === NONE) return false
      if (common.cutter === 0) kind = u32(kind | REFUSED_BY_TC)
    }
  } else if (isSummed || end < packet.length) {
    // Also makes the frame readable to its end, for the checksum.
    if (!packet.adjustTail(end - packet.length)) return false
  }
  return packet.encapsulate(outer, kind)
}

function refusalOf(packet: Packet, server: Server): u32 {
  if (packet.segmentSize === 0 || server.tunnelType === TunnelType.ipip) return Reason.noRoom
  return hasChecksum(server) ? Reason.largeFrame : Reason.noRoom
}

/** Is DF copied to the outer header? */
function copiesDontFragment(flow: Flow): boolean {
  const common = headerSettingsAt.at(0)
  if (common === null || flow.family !== 4) return false
  return flow.dontFragment !== 0 && (common.switches & Switch.pathMtuDiscovery) !== 0
}

/** The inner traffic class; "congestion experienced" becomes "capable" (RFC 3168 section 9.1.1, full functionality). */
function outerClass(flow: Flow): u8 {
  return (flow.trafficClass & 3) === 3 ? u8(flow.trafficClass & 0xfe) : flow.trafficClass
}

/** @apart */
function writeOuter(packet: Packet, flow: Flow, server: Server, protocol: u8, bytes: u32): void {
  if (server.family === 4) writeOuterIpv4(packet, flow, server, source, protocol, bytes)
  else writeOuterIpv6(packet, flow, server, protocol, bytes)
}

/** Around `bytes` bytes. */
export function writeOuterIpv4(
  packet: Packet,
  flow: Flow,
  server: Server,
  from: TunnelSource,
  protocol: u8,
  bytes: u32,
): void {
  const ip = ipv4At.at(packet, flow.network)
  if (ip === null) return
  // Not as fields: what is written in parts and read as a whole makes the processor wait.
  const word1: u32 = copiesDontFragment(flow) ? DONT_FRAGMENT : u32(u16(random()) * 0x10000)
  const word0: u32 = 0x45000000 + outerClass(flow) * 0x10000 + u16(bytes + 20)
  ip.word0 = word0
  ip.word1 = word1
  const word2: u32 = u32(u8(flow.timeToLive - 1) * 0x1000000 + protocol * 0x10000)
  const sum: u32 = sumHalves(word0, word1, word2, from.address3, server.address3)
  ip.word2 = u32(word2 + (fold(sum) ^ 0xffff))
  ip.word3 = from.address3
  ip.word4 = server.address3
}

function writeOuterIpv6(
  packet: Packet,
  flow: Flow,
  server: Server,
  protocol: u8,
  bytes: u32,
): void {
  const ip = ipv6At.at(packet, flow.network)
  if (ip === null) return
  ip.versionClassFlow = u32(0x60000000 | (outerClass(flow) << 20))
  ip.payloadLength = u16(bytes)
  ip.nextHeader = protocol
  ip.hopLimit = u8(flow.timeToLive - 1)
  ip.source0 = source.address0
  ip.source1 = source.address1
  ip.source2 = source.address2
  ip.source3 = source.address3
  ip.destination0 = server.address0
  ip.destination1 = server.address1
  ip.destination2 = server.address2
  ip.destination3 = server.address3
}
