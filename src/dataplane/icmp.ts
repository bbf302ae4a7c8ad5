/**
 * ICMP errors about connections: found by the packet they quote, translated like it, and sent on.
 *
 *   | IP, from whom it likes | ICMP type code sum | rest | the IP packet it is about, cut off … |
 *        `outer`                                          `quoted`, in `flow` turned round
 *
 * The quoted packet went the other way. Turned round, its addresses and ports look like a packet of the connection
 * going the way of this error; so they find it by the usual lookups, and the same translation serves, mirrored.
 * Types as in IPVS (ip_vs_in_icmp, ip_vs_out_icmp): unreachable, source quench, time exceeded; of ICMPv6 every error.
 * RFC 5508 says what a NAT must do with them.
 */
import { u16, u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { header } from '../subset/struct.ts'
import {
  applyDelta,
  fold,
  replace16,
  replace32,
  sumFrame,
  SUM_FRAME_MAX,
} from '../wire/checksum.ts'
import { Icmp } from '../wire/icmp.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { Ipv4 } from '../wire/ipv4.ts'
import { Ipv6 } from '../wire/ipv6.ts'
import { FragmentKind, type Flow } from './flow.ts'
import { isMapped } from './parse.ts'
import { Reason } from './verdict.ts'
import { addressDelta, countHop, Tuple } from './translate.ts'

/** Not reasons: the flow now describes the packet in question; or that may be in a tunnel. */
export const QUOTED = 0xff
export const PERHAPS_TUNNELLED = 0xfe

const Ports = header('ports', { sourcePort: 'u16', destinationPort: 'u16' })

const icmpAt = Icmp.cursor()
const quotedIpv4At = Ipv4.cursor()
const quotedIpv6At = Ipv6.cursor()
const portsAt = Ports.cursor()

/** The outer addresses, while `flow` holds the inner ones. */
const outer = Tuple.local()

/** What the outer and the quoted packet shall have instead. */
export const outerTo = Tuple.local()

/** If this is an ICMP error, describes in `flow` the packet it quotes, turned round: QUOTED. Else a reason to pass. */
export function readIcmpError(packet: Packet, flow: Flow): u32 {
  if (flow.fragment !== FragmentKind.none) return Reason.icmpUnrelated
  const icmp = icmpAt.at(packet, flow.transport)
  if (icmp === null) return Reason.truncated
  flow.icmpType = icmp.type
  if (flow.family === 4) {
    if (icmp.type === 5 || icmp.type === 12) return Reason.icmpNotTranslated
    if (icmp.type !== 3 && icmp.type !== 4 && icmp.type !== 11) return Reason.icmpQuery
  } else {
    if (icmp.type >= 128) return Reason.icmpQuery
  }
  rememberOuter(flow)
  flow.icmpError = 1
  return flow.family === 4 ? readQuotedIpv4(packet, flow) : readQuotedIpv6(packet, flow)
}

function rememberOuter(flow: Flow): void {
  outer.source0 = flow.source0
  outer.source1 = flow.source1
  outer.source2 = flow.source2
  outer.source3 = flow.source3
  outer.destination0 = flow.destination0
  outer.destination1 = flow.destination1
  outer.destination2 = flow.destination2
  outer.destination3 = flow.destination3
}

function readQuotedIpv4(packet: Packet, flow: Flow): u32 {
  const ip = quotedIpv4At.at(packet, flow.transport + 8)
  if (ip === null) return Reason.truncated
  const headerBytes: u32 = (ip.versionAndLength & 0x0f) * 4
  if (ip.versionAndLength >>> 4 !== 4 || headerBytes < 20) return Reason.malformed
  if ((ip.flagsAndOffset & 0x1fff) !== 0) return Reason.icmpUnrelated
  flow.protocol = ip.protocol
  flow.source3 = ip.destination
  flow.destination3 = ip.source
  return readPorts(packet, flow, flow.transport + 8 + headerBytes)
}

function readQuotedIpv6(packet: Packet, flow: Flow): u32 {
  const ip = quotedIpv6At.at(packet, flow.transport + 8)
  if (ip === null) return Reason.truncated
  if (ip.versionClassFlow >>> 28 !== 6) return Reason.malformed
  if (isMapped(ip.source0, ip.source1, ip.source2)) return Reason.malformed
  if (isMapped(ip.destination0, ip.destination1, ip.destination2)) return Reason.malformed
  flow.protocol = ip.nextHeader
  flow.source0 = ip.destination0
  flow.source1 = ip.destination1
  flow.source2 = ip.destination2
  flow.source3 = ip.destination3
  flow.destination0 = ip.source0
  flow.destination1 = ip.source1
  flow.destination2 = ip.source2
  flow.destination3 = ip.source3
  return readPorts(packet, flow, flow.transport + 48)
}

function readPorts(packet: Packet, flow: Flow, offset: u32): u32 {
  if (flow.protocol === Protocol.ipip || flow.protocol === Protocol.ipv6) return PERHAPS_TUNNELLED
  if (flow.protocol === Protocol.gre) return PERHAPS_TUNNELLED
  const isCarried: boolean =
    flow.protocol === Protocol.tcp ||
    flow.protocol === Protocol.udp ||
    flow.protocol === Protocol.sctp
  if (!isCarried) return Reason.icmpUnrelated
  const ports = portsAt.at(packet, offset)
  if (ports === null || offset + 4 > flow.network + flow.length) return Reason.truncated
  flow.sourcePort = ports.destinationPort
  flow.destinationPort = ports.sourcePort
  return QUOTED
}

/** Is the error's own checksum right? Afterwards all views into the frame are stale. */
export function isIcmpSumRight(packet: Packet, flow: Flow): boolean {
  const bytes: u32 = u32(flow.network + flow.length - flow.transport)
  if (bytes > SUM_FRAME_MAX) return false
  if (!packet.makeReadable()) return false
  let sum: u32 = sumFrame(packet, flow.transport, bytes)
  if (flow.family === 6) {
    sum = u32(sum + sumFrame(packet, flow.network + 8, 32) + bytes + Protocol.icmpv6)
  }
  return fold(sum) === 0xffff
}

/** Is this the address that the error itself is sent to? */
export function isSentTo(address0: u32, address1: u32, address2: u32, address3: u32): boolean {
  return (
    outer.destination3 === address3 &&
    outer.destination2 === address2 &&
    outer.destination1 === address1 &&
    outer.destination0 === address0
  )
}

/** Gives `flow` the error's own addresses and protocol back: for forwarding it whole. */
export function restoreOuter(flow: Flow): void {
  flow.protocol = flow.family === 4 ? Protocol.icmp : Protocol.icmpv6
  flow.source0 = outer.source0
  flow.source1 = outer.source1
  flow.source2 = outer.source2
  flow.source3 = outer.source3
  flow.destination0 = outer.destination0
  flow.destination1 = outer.destination1
  flow.destination2 = outer.destination2
  flow.destination3 = outer.destination3
}

/** The error keeps the source it has. */
export function keepOuterSource(): void {
  outerTo.source0 = outer.source0
  outerTo.source1 = outer.source1
  outerTo.source2 = outer.source2
  outerTo.source3 = outer.source3
}

const icmpSumAt = Icmp.cursor()
const outerIpv4At = Ipv4.cursor()
const outerIpv6At = Ipv6.cursor()

/**
 * Rewrites outer and quoted addresses and ports. `flow` (turned round) is what the quoted packet has, `to` what
 * its connection's packets have on the other side, in the flow's direction; `outerTo` the error's new addresses.
 */
export function translateIcmp(packet: Packet, flow: Flow, to: Tuple): void {
  let delta: u32 = replace16(0, flow.sourcePort, to.sourcePort)
  delta = replace16(delta, flow.destinationPort, to.destinationPort)
  if (flow.family === 4) {
    delta = u32(delta + rewriteQuotedIpv4(packet, flow, to))
  } else {
    rewriteQuotedIpv6(packet, flow, to)
    // The quoted addresses have no checksum of their own to make up for them, and the outer ones are in the
    // pseudo-header.
    delta = u32(delta + addressDelta(flow, to))
  }
  restoreOuter(flow)
  const outerDelta: u32 = addressDelta(flow, outerTo)
  if (flow.family === 6) delta = u32(delta + outerDelta)
  const icmp = icmpSumAt.at(packet, flow.transport)
  if (icmp !== null) icmp.checksum = applyDelta(icmp.checksum, delta)
  rewriteOuter(packet, flow, outerDelta)
  countHop(packet, flow)
}

const innerIpv4At = Ipv4.cursor()
const innerIpv6At = Ipv6.cursor()
const innerPortsAt = Ports.cursor()

/** The delta of its header: none, unless its checksum was wrong and now is right (ip_vs_nat_icmp). */
function rewriteQuotedIpv4(packet: Packet, flow: Flow, to: Tuple): u32 {
  const ip = innerIpv4At.at(packet, flow.transport + 8)
  if (ip === null) return 0
  const was: u16 = ip.checksum
  let delta: u32 = replace32(0, ip.source, to.destination3)
  delta = replace32(delta, ip.destination, to.source3)
  ip.source = to.destination3
  ip.destination = to.source3
  const headerBytes: u32 = (ip.versionAndLength & 0x0f) * 4
  ip.checksum = 0
  const is: u16 = fold(sumFrame(packet, flow.transport + 8, headerBytes)) ^ 0xffff
  ip.checksum = is
  rewritePorts(packet, flow.transport + 8 + headerBytes, to)
  return replace16(delta, was, is)
}

function rewriteQuotedIpv6(packet: Packet, flow: Flow, to: Tuple): void {
  const ip = innerIpv6At.at(packet, flow.transport + 8)
  if (ip === null) return
  ip.source0 = to.destination0
  ip.source1 = to.destination1
  ip.source2 = to.destination2
  ip.source3 = to.destination3
  ip.destination0 = to.source0
  ip.destination1 = to.source1
  ip.destination2 = to.source2
  ip.destination3 = to.source3
  rewritePorts(packet, flow.transport + 48, to)
}

function rewritePorts(packet: Packet, offset: u32, to: Tuple): void {
  const ports = innerPortsAt.at(packet, offset)
  if (ports === null) return
  ports.sourcePort = u16(to.destinationPort)
  ports.destinationPort = u16(to.sourcePort)
}

function rewriteOuter(packet: Packet, flow: Flow, delta: u32): void {
  if (flow.family === 4) {
    const ip = outerIpv4At.at(packet, flow.network)
    if (ip === null) return
    ip.source = outerTo.source3
    ip.destination = outerTo.destination3
    ip.checksum = applyDelta(ip.checksum, delta)
    return
  }
  const ip = outerIpv6At.at(packet, flow.network)
  if (ip === null) return
  ip.source0 = outerTo.source0
  ip.source1 = outerTo.source1
  ip.source2 = outerTo.source2
  ip.source3 = outerTo.source3
  ip.destination0 = outerTo.destination0
  ip.destination1 = outerTo.destination1
  ip.destination2 = outerTo.destination2
  ip.destination3 = outerTo.destination3
}
