/**
 * The end of the director's tunnels as the kernel calls it: a frame in; the packet in it, or the frame as it was, on to
 * the host's stack.
 *
 *   Ethernet ─► outer IP: whole, for this host, of a tunnel? ─► envelope ─► packet inside ─► headers out
 *                                      │                            │
 *                                      └──────────── no ────────────┴──► as it came: firewall and sockets
 *
 * Whatever is not quite as a director sends it stays as it came; where `sluice realserver` runs, its sockets get it
 * from the stack, and take it out or refuse it themselves: outer packets in fragments (reassembled then), checksums
 * left to us. The one exception is what RFC 6040 tells to drop.
 */
import { drop, noteReason, pass } from '../../subset/action.ts'
import { u32, type u16, type u8 } from '../../subset/integers.ts'
import { Decapsulation, type Packet } from '../../subset/packet.ts'
import { add32, fold, sumTwenty } from '../../wire/checksum.ts'
import { Ethernet, EtherType } from '../../wire/ethernet.ts'
import { Protocol } from '../../wire/ip-protocol.ts'
import { Ipv4, IPV4_WITHOUT_OPTIONS, MORE_FRAGMENTS, OFFSET_MASK } from '../../wire/ipv4.ts'
import { Ipv6 } from '../../wire/ipv6.ts'
import { Udp } from '../../wire/udp.ts'
import { hasRole } from './addresses.ts'
import { openEnvelope } from './envelope.ts'
import { readInner, writeClass } from './inner.ts'
import { OPENED, Outcome } from './outcome.ts'
import { HostRole, outcomes, tunnelSettings } from './tables.ts'
import { clearTunnel, Tunnel } from './tunnel.ts'

const V4_MAPPED = 0xffff
const ETHERNET_BYTES = 14
const IPV4_BYTES = 20
const IPV6_BYTES = 40
const UDP_BYTES = 8
const FRAGMENT_BITS = MORE_FRAGMENTS | OFFSET_MASK

/** What was found out about the tunnel packet last seen. */
export const tunnel = Tunnel.local()

const outcomeAt = outcomes.cursor()
const ethernetAt = Ethernet.cursor()
const typeAt = Ethernet.cursor()
const ipv4At = Ipv4.cursor()
const ipv6At = Ipv6.cursor()
const udpAt = Udp.cursor()
const datagramAt = Udp.cursor()
const settingsAt = tunnelSettings.cursor()
const portSettingsAt = tunnelSettings.cursor()

/** What the program gives back to the kernel. */
export function endTunnel(packet: Packet): u32 {
  const outcome: u32 = decapsulate(packet)
  noteReason(outcome)
  return outcome === Outcome.congested ? drop() : pass()
}

/** Takes the packet out of its tunnel, if it is in one that ends here. What became of it, which is counted. */
export function decapsulate(packet: Packet): u32 {
  const outcome: u32 = takeOut(packet)
  if (outcome === Outcome.notTunnel) return outcome
  const counter = outcomeAt.at(outcome)
  if (counter !== null) counter.addPackets(1)
  return outcome
}

function takeOut(packet: Packet): u32 {
  const ethernet = ethernetAt.at(packet, 0)
  if (ethernet === null) return Outcome.notTunnel
  const type: u16 = ethernet.type
  if (type === EtherType.ipv4) return takeOutOf4(packet)
  return type === EtherType.ipv6 ? takeOutOf6(packet) : Outcome.notTunnel
}

/** A header with options is the host's: no director sends one. */
function takeOutOf4(packet: Packet): u32 {
  const ip = ipv4At.at(packet, ETHERNET_BYTES)
  if (ip === null || ip.versionAndLength !== IPV4_WITHOUT_OPTIONS) return Outcome.notTunnel
  const protocol: u8 = ip.protocol
  if (!isOfTunnels(packet, protocol, ETHERNET_BYTES + IPV4_BYTES)) return Outcome.notTunnel
  if (!hasRole(0, 0, V4_MAPPED, ip.destination, HostRole.local)) return Outcome.notTunnel
  if (ip.totalLength < IPV4_BYTES) return Outcome.malformed
  if ((ip.flagsAndOffset & FRAGMENT_BITS) !== 0) return Outcome.fragment
  if (fold(sumTwenty(packet, ETHERNET_BYTES)) !== 0xffff) return Outcome.malformed
  if (checksSource() && !hasRole(0, 0, V4_MAPPED, ip.source, HostRole.director)) {
    return Outcome.stranger
  }
  clearTunnel(tunnel)
  tunnel.begin = ETHERNET_BYTES + IPV4_BYTES
  tunnel.end = ETHERNET_BYTES + ip.totalLength
  tunnel.outerClass = ip.typeOfService
  tunnel.sumBefore = add32(add32(0, ip.source), ip.destination)
  return finish(packet, protocol, 4)
}

function takeOutOf6(packet: Packet): u32 {
  const ip = ipv6At.at(packet, ETHERNET_BYTES)
  if (ip === null || ip.versionClassFlow >>> 28 !== 6) return Outcome.notTunnel
  const protocol: u8 = ip.nextHeader
  if (!isOfTunnels(packet, protocol, ETHERNET_BYTES + IPV6_BYTES)) return Outcome.notTunnel
  const to0: u32 = ip.destination0
  const to1: u32 = ip.destination1
  const to2: u32 = ip.destination2
  const to3: u32 = ip.destination3
  if (!hasRole(to0, to1, to2, to3, HostRole.local)) return Outcome.notTunnel
  const from0: u32 = ip.source0
  const from1: u32 = ip.source1
  const from2: u32 = ip.source2
  const from3: u32 = ip.source3
  if (checksSource() && !hasRole(from0, from1, from2, from3, HostRole.director)) {
    return Outcome.stranger
  }
  clearTunnel(tunnel)
  tunnel.begin = ETHERNET_BYTES + IPV6_BYTES
  tunnel.end = ETHERNET_BYTES + IPV6_BYTES + ip.payloadLength
  tunnel.outerClass = (ip.versionClassFlow >>> 20) & 0xff
  const from: u32 = add32(add32(add32(add32(0, from0), from1), from2), from3)
  tunnel.sumBefore = add32(add32(add32(add32(from, to0), to1), to2), to3)
  return finish(packet, protocol, 6)
}

/** Does an outer header that announces this protocol belong to a tunnel, as far as can be told? */
function isOfTunnels(packet: Packet, protocol: u8, offset: u32): boolean {
  if (protocol === Protocol.ipip || protocol === Protocol.ipv6) return true
  if (protocol === Protocol.gre) return true
  if (protocol !== Protocol.udp) return false
  const udp = udpAt.at(packet, offset)
  const common = portSettingsAt.at(0)
  return udp !== null && common !== null && udp.destinationPort === common.guePort
}

function checksSource(): boolean {
  const common = settingsAt.at(0)
  return common !== null && common.checksSource !== 0
}

/** From the envelope on: `tunnel` tells of the outer header, of which family that is. */
function finish(packet: Packet, protocol: u8, outerFamily: u8): u32 {
  if (tunnel.end > packet.length) return Outcome.malformed
  const isUdp: boolean = protocol === Protocol.udp
  if (isUdp) {
    const datagram: u32 = readDatagram(packet)
    if (datagram !== OPENED) return datagram
  }
  const opened: u32 = openEnvelope(packet, tunnel, protocol)
  if (opened !== OPENED) return opened
  if (!isUdp) tunnel.sumBefore = 0
  if (tunnel.isRemote !== 0) return Outcome.remoteChecksum
  const inner: u32 = readInner(packet, tunnel)
  if (inner !== OPENED) return inner
  let kind: u32 = Decapsulation.sameFamily
  if (tunnel.family !== outerFamily) {
    kind = tunnel.family === 4 ? Decapsulation.toIpv4 : Decapsulation.toIpv6
  }
  if (tunnel.kind !== Outcome.gue && tunnel.isSummed === 0) {
    kind = u32(kind | Decapsulation.keepsChecksum)
  }
  const bytes: u32 = u32(tunnel.start - ETHERNET_BYTES)
  if (!packet.decapsulate(bytes, kind)) return Outcome.noRoom
  const ethernet = typeAt.at(packet, 0)
  if (ethernet === null) return Outcome.noRoom
  ethernet.type = tunnel.family === 4 ? EtherType.ipv4 : EtherType.ipv6
  writeClass(packet, tunnel, ETHERNET_BYTES)
  return tunnel.kind
}

/** UDP's header: what is behind it, and whether there is a checksum. */
function readDatagram(packet: Packet): u32 {
  const udp = datagramAt.at(packet, tunnel.begin)
  const length: u32 = u32(tunnel.end - tunnel.begin)
  if (udp === null || udp.length !== length || length < UDP_BYTES) return Outcome.malformed
  if (udp.checksum !== 0) {
    tunnel.isSummed = 1
    tunnel.sumStart = tunnel.begin
    tunnel.sumBefore = u32(tunnel.sumBefore + Protocol.udp + length)
  }
  tunnel.begin = u32(tunnel.begin + UDP_BYTES)
  return OPENED
}
