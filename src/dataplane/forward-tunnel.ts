/**
 * TUN, IP tunnel (`-i`): the whole packet travels inside another one, addressed to the real server, which may
 * be anywhere, takes it out, has the VIP too and answers the client itself (ip_vs_tunnel_xmit).
 *
 *   | Ethernet | CIP → VIP … |   becomes   | Ethernet | DIP → RIP, protocol 4 or 41 | CIP → VIP … |
 *
 * IPIP, RFC 2003, and its IPv6 kin, RFC 2473 and 4213, in all four mixtures. The outer header takes time to live and
 * traffic class from the inner one, and DF while pmtu_disc is on. GRE and GUE have their place here.
 */
import { u32, u8, u16 } from '../subset/integers.ts'
import { random } from '../subset/clock.ts'
import { Encapsulation, type Packet } from '../subset/packet.ts'
import { row, type ViewOf } from '../subset/struct.ts'
import { fold, sumFrame } from '../wire/checksum.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { DONT_FRAGMENT, Ipv4 } from '../wire/ipv4.ts'
import { Ipv6 } from '../wire/ipv6.ts'
import type { Flow } from './flow.ts'
import { sendTo, setEtherType } from './next-hop.ts'
import { checkPassage, PASSES } from './passage.ts'
import { hopToServer } from './route.ts'
import { hops, settings, Switch, type Server } from './tables.ts'
import { countHop } from './translate.ts'
import { Reason } from './verdict.ts'

/** IP_VS_CONN_F_TUNNEL_TYPE_IPIP. */
const TUNNEL_IPIP = 0

/** Our end of the tunnel. */
const Ends = row('ends', {
  own0: 'u32',
  own1: 'u32',
  own2: 'u32',
  own3: 'u32',
})
type Ends = ViewOf<typeof Ends>

const ends = Ends.local()
const hopAt = hops.cursor()
const settingsAt = settings.cursor()
const ipv4At = Ipv4.cursor()
const ipv6At = Ipv6.cursor()

export function forwardTunnel(packet: Packet, flow: Flow, server: Server): u32 {
  if (server.tunnelType !== TUNNEL_IPIP) return Reason.unsupported
  const row: u32 = hopToServer(flow, server)
  const hop = hopAt.at(row)
  if (flow.egress === 0 || hop === null) return Reason.noRoute
  const outer: u32 = server.family === 4 ? 20 : 40
  const passage: u32 = checkPassage(packet, flow, row, outer)
  if (passage !== PASSES) return passage
  ends.own0 = hop.own0
  ends.own1 = hop.own1
  ends.own2 = hop.own2
  ends.own3 = hop.own3
  countHop(packet, flow)
  if (!makeRoom(packet, flow, server, outer)) return Reason.noRoom
  if (server.family === 4) writeOuterIpv4(packet, flow, server)
  else writeOuterIpv6(packet, flow, server)
  flow.outerBytes = u8(outer)
  setEtherType(packet, server.family)
  return sendTo(packet, flow, row, Reason.toServer)
}

/** Cuts Ethernet's padding off and opens `outer` bytes of room for the outer header. */
function makeRoom(packet: Packet, flow: Flow, server: Server, outer: u32): boolean {
  const end: u32 = u32(flow.network + flow.length)
  if (end < packet.length && !packet.adjustTail(end - packet.length)) return false
  return packet.encapsulate(outer, server.family === 4 ? Encapsulation.ipv4 : Encapsulation.ipv6)
}

/** Is DF copied to the outer header? */
function copiesDontFragment(flow: Flow): boolean {
  const common = settingsAt.at(0)
  if (common === null) return false
  return flow.dontFragment !== 0 && (common.switches & Switch.pathMtuDiscovery) !== 0
}

function writeOuterIpv4(packet: Packet, flow: Flow, server: Server): void {
  const ip = ipv4At.at(packet, flow.network)
  if (ip === null) return
  const dontFragment: boolean = copiesDontFragment(flow)
  ip.versionAndLength = 0x45
  ip.typeOfService = flow.trafficClass
  ip.totalLength = u16(flow.length + 20)
  ip.identification = dontFragment ? 0 : u16(random())
  ip.flagsAndOffset = dontFragment ? DONT_FRAGMENT : 0
  ip.timeToLive = u8(flow.timeToLive - 1)
  ip.protocol = flow.family === 4 ? Protocol.ipip : Protocol.ipv6
  ip.checksum = 0
  ip.source = ends.own3
  ip.destination = server.address3
  ip.checksum = fold(sumFrame(packet, flow.network, 20)) ^ 0xffff
}

function writeOuterIpv6(packet: Packet, flow: Flow, server: Server): void {
  const ip = ipv6At.at(packet, flow.network)
  if (ip === null) return
  ip.versionClassFlow = u32(0x60000000 | (flow.trafficClass << 20))
  ip.payloadLength = u16(flow.length)
  ip.nextHeader = flow.family === 4 ? Protocol.ipip : Protocol.ipv6
  ip.hopLimit = u8(flow.timeToLive - 1)
  ip.source0 = ends.own0
  ip.source1 = ends.own1
  ip.source2 = ends.own2
  ip.source3 = ends.own3
  ip.destination0 = server.address0
  ip.destination1 = server.address1
  ip.destination2 = server.address2
  ip.destination3 = server.address3
}
