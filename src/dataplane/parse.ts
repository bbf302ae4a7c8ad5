/**
 * From frame to flow: Ethernet, IPv4 or IPv6 with its extension headers, TCP, UDP, SCTP or ICMP.
 *
 * Everything here is reading; a frame that this file refuses leaves untouched for the host's own stack, whose
 * business malformed frames are. `PARSED` means: addresses, protocol and (unless a later fragment) ports in
 * `flow` are right, and the headers at `flow.network` and `flow.transport` lie inside the frame.
 *
 * In three steps, so that a frame which is none of ours is left alone after two: Ethernet, the IP header, the rest.
 */
import type { Packet } from '../subset/packet.ts'
import { u8, u16, u32 } from '../subset/integers.ts'
import { fold, sumFrame, sumTwenty } from '../wire/checksum.ts'
import { Ethernet, EtherType } from '../wire/ethernet.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { Ipv4 } from '../wire/ipv4.ts'
import { Ipv6, Ipv6Extension, Ipv6Fragment } from '../wire/ipv6.ts'
import { Sctp } from '../wire/sctp.ts'
import { Tcp } from '../wire/tcp.ts'
import { Udp } from '../wire/udp.ts'
import { FragmentKind, type Flow } from './flow.ts'
import { IPV6_EXTENSIONS_MAX } from './limits.ts'
import { firstChunk } from './sctp.ts'
import { interfaces } from './tables.ts'
import { Reason } from './verdict.ts'

/** Not a reason: parsing went well. */
export const PARSED = 0xff
/** No reason either: it is an IP packet, whose addresses, protocol and offsets are in `flow`. */
export const IS_IP = 0xfe

const ETHERNET_BYTES = 14
const HOP_BY_HOP = 0
const ROUTING = 43
const FRAGMENT = 44
const DESTINATION_OPTIONS = 60

const ethernetAt = Ethernet.cursor()
const ipv4At = Ipv4.cursor()
const ipv6At = Ipv6.cursor()
const extensionAt = Ipv6Extension.cursor()
const fragmentAt = Ipv6Fragment.cursor()
const tcpAt = Tcp.cursor()
const udpAt = Udp.cursor()
const sctpAt = Sctp.cursor()
const ingressAt = interfaces.cursor()

/** Fills `flow` from the frame, all steps at once: PARSED, or the reason to pass it. */
export function parse(packet: Packet, flow: Flow): u32 {
  const type: u32 = readEthernet(packet)
  let read: u32 = type
  if (type === EtherType.ipv4) read = readIpv4(packet, flow)
  else if (type === EtherType.ipv6) read = readIpv6(packet, flow)
  return read === IS_IP ? readRest(packet, flow) : read
}

/** EtherType.ipv4 or ipv6; or the reason to pass a frame that is for another host or no IP. */
export function readEthernet(packet: Packet): u32 {
  const ethernet = ethernetAt.at(packet, 0)
  if (ethernet === null) return Reason.truncated
  if (!isForHost(packet.ingress, ethernet.destinationHigh, ethernet.destinationLow)) {
    return Reason.otherHost
  }
  const type: u16 = ethernet.type
  if (type === EtherType.ipv4 || type === EtherType.ipv6) return type
  return type === EtherType.vlan || type === EtherType.qinq ? Reason.tagged : Reason.notIp
}

/** Is a MAC address the ingress interface's own? An interface without a row takes every unicast address. */
export function isForHost(ingress: u32, high: u16, low: u32): boolean {
  if ((high & 0x0100) !== 0) return false // group bit: broadcast and multicast
  const own = ingressAt.at(ingress)
  if (own === null) return true
  if (own.macHigh === 0 && own.macLow === 0) return true
  return own.macHigh === high && own.macLow === low
}

/** The IPv4 header, but for its checksum: IS_IP, or the reason to pass the frame. */
export function readIpv4(packet: Packet, flow: Flow): u32 {
  const ip = ipv4At.at(packet, ETHERNET_BYTES)
  if (ip === null) return Reason.truncated
  const headerBytes: u32 = (ip.versionAndLength & 0x0f) * 4
  if (ip.versionAndLength >>> 4 !== 4 || headerBytes < 20) return Reason.malformed
  if (ip.totalLength < headerBytes) return Reason.malformed
  if (ETHERNET_BYTES + ip.totalLength > packet.length) return Reason.truncated
  flow.family = 4
  flow.source0 = 0
  flow.source1 = 0
  flow.source2 = 0xffff
  flow.source3 = ip.source
  flow.destination0 = 0
  flow.destination1 = 0
  flow.destination2 = 0xffff
  flow.destination3 = ip.destination
  flow.protocol = ip.protocol
  flow.length = ip.totalLength
  flow.identification = ip.identification
  flow.timeToLive = ip.timeToLive
  flow.trafficClass = ip.typeOfService
  flow.network = ETHERNET_BYTES
  flow.transport = u16(ETHERNET_BYTES + headerBytes)
  const fragment: u16 = ip.flagsAndOffset
  flow.dontFragment = u8((fragment >>> 14) & 1)
  if ((fragment & 0x3fff) !== 0) {
    flow.fragment = (fragment & 0x1fff) !== 0 ? FragmentKind.later : FragmentKind.first
  }
  return IS_IP
}

/**
 * Is the IPv4 header's checksum right? RFC 1812 5.2.2: a router verifies it. Later it is only patched: a wrong one
 * would open connections.
 */
function isSumRight(packet: Packet, flow: Flow): boolean {
  const headerBytes: u32 = u32(flow.transport - ETHERNET_BYTES)
  const sum: u32 =
    headerBytes === 20
      ? sumTwenty(packet, ETHERNET_BYTES)
      : sumFrame(packet, ETHERNET_BYTES, headerBytes)
  return fold(sum) === 0xffff
}

/** The IPv6 header and its extensions: IS_IP, or the reason to pass the frame. */
export function readIpv6(packet: Packet, flow: Flow): u32 {
  const ip = ipv6At.at(packet, ETHERNET_BYTES)
  if (ip === null) return Reason.truncated
  if (ip.versionClassFlow >>> 28 !== 6) return Reason.malformed
  if (ETHERNET_BYTES + 40 + ip.payloadLength > packet.length) return Reason.truncated
  flow.family = 6
  if (flow.family !== 6) return Reason.notOurs // in a program for IPv4 alone it cannot be written
  flow.source0 = ip.source0
  flow.source1 = ip.source1
  flow.source2 = ip.source2
  flow.source3 = ip.source3
  flow.destination0 = ip.destination0
  flow.destination1 = ip.destination1
  flow.destination2 = ip.destination2
  flow.destination3 = ip.destination3
  // Inside they would be IPv4 addresses; on the wire they have no business (RFC 4038 4.2).
  if (isMapped(ip.source0, ip.source1, ip.source2)) return Reason.malformed
  if (isMapped(ip.destination0, ip.destination1, ip.destination2)) return Reason.malformed
  flow.length = 40 + ip.payloadLength
  flow.identification = 0
  flow.timeToLive = ip.hopLimit
  flow.trafficClass = u8(ip.versionClassFlow >>> 20)
  flow.dontFragment = 1
  flow.network = ETHERNET_BYTES
  if (isExtension(ip.nextHeader)) return walkExtensions(packet, flow, ip.nextHeader)
  flow.protocol = ip.nextHeader
  flow.transport = ETHERNET_BYTES + 40
  return IS_IP
}

function isExtension(header: u8): boolean {
  return (
    header === HOP_BY_HOP ||
    header === ROUTING ||
    header === FRAGMENT ||
    header === DESTINATION_OPTIONS
  )
}

/** Do these words begin a v4-mapped IPv6 address, ::ffff:0:0/96? */
export function isMapped(address0: u32, address1: u32, address2: u32): boolean {
  return address0 === 0 && address1 === 0 && address2 === 0xffff
}

/**
 * IPv6 extension headers (RFC 8200 section 4), as many as IPV6_EXTENSIONS_MAX, to the transport header.
 *
 * @apart
 */
function walkExtensions(packet: Packet, flow: Flow, first: u8): u32 {
  let next: u8 = first
  let offset: u32 = ETHERNET_BYTES + 40
  for (let i: u32 = 0; i < IPV6_EXTENSIONS_MAX; i++) {
    if (next === FRAGMENT) {
      const fragment = fragmentAt.at(packet, offset)
      if (fragment === null) return Reason.truncated
      next = fragment.nextHeader
      offset = u32(offset + 8)
      flow.identification = fragment.identification
      if ((fragment.offsetAndFlags & 0xfff8) !== 0) {
        flow.fragment = FragmentKind.later
        flow.protocol = next
        flow.transport = u16(offset)
        return IS_IP
      }
      if ((fragment.offsetAndFlags & 1) !== 0) flow.fragment = FragmentKind.first
    } else if (next === HOP_BY_HOP || next === ROUTING || next === DESTINATION_OPTIONS) {
      const extension = extensionAt.at(packet, offset)
      if (extension === null) return Reason.truncated
      next = extension.nextHeader
      offset = u32(offset + 8 + extension.length * 8)
    } else {
      flow.protocol = next
      flow.transport = u16(offset)
      return offset > ETHERNET_BYTES + flow.length ? Reason.malformed : IS_IP
    }
  }
  return Reason.malformed
}

function parseSctp(packet: Packet, flow: Flow, end: u32): u32 {
  const sctp = sctpAt.at(packet, flow.transport)
  if (sctp === null || flow.transport + 12 > end) return Reason.truncated
  flow.sourcePort = sctp.sourcePort
  flow.destinationPort = sctp.destinationPort
  flow.tcpFlags = firstChunk(packet, u32(flow.transport + 12), end)
  return PARSED
}

/**
 * Checks what `readIpv4` left, and reads ports and TCP flags: PARSED, or the reason to pass the frame. A header that
 * runs past the IP packet's own end is cut off, whatever padding follows.
 */
export function readRest(packet: Packet, flow: Flow): u32 {
  if (flow.family === 4 && !isSumRight(packet, flow)) return Reason.malformed
  if (flow.fragment === FragmentKind.later) return PARSED
  const end: u32 = u32(ETHERNET_BYTES + flow.length)
  if (flow.protocol === Protocol.tcp) {
    const tcp = tcpAt.at(packet, flow.transport)
    if (tcp === null || flow.transport + 20 > end) return Reason.truncated
    flow.sourcePort = tcp.sourcePort
    flow.destinationPort = tcp.destinationPort
    flow.tcpFlags = u8(tcp.offsetAndFlags)
    if (tcp.offsetAndFlags >>> 12 < 5) return Reason.malformed
    if (flow.transport + (tcp.offsetAndFlags >>> 12) * 4 > end) return Reason.malformed
    return PARSED
  }
  if (flow.protocol === Protocol.udp) {
    const udp = udpAt.at(packet, flow.transport)
    if (udp === null || flow.transport + 8 > end) return Reason.truncated
    flow.sourcePort = udp.sourcePort
    flow.destinationPort = udp.destinationPort
    return PARSED
  }
  return flow.protocol === Protocol.sctp ? parseSctp(packet, flow, end) : PARSED
}
