/**
 * The packet in a tunnel packet: is it for us, and how does it go on?
 *
 * - Only what is addressed to one of the VIPs comes out of the tunnel.
 * - Congestion marks of the outer header go over to the inner one: RFC 6040 §4.2. Nothing else is changed.
 * - The kernel may have put TCP segments together (GRO), or not yet have finished the sender's work (veth): then the
 *   transport checksum is partial, which looks so: the field holds just the sum of the pseudo-header. A raw socket does
 *   not tell; the stack must be told, or it would drop the packet. Whole ones it verifies itself. (One whole checksum
 *   in 65536 looks partial; then it goes unverified.) UDP datagrams put together, for a socket with UDP_GRO, cannot be
 *   taken apart again.
 */
import { u32, type u16, type u8 } from '../../subset/integers.ts'
import type { Packet } from '../../subset/packet.ts'
import { header } from '../../subset/struct.ts'
import { add32, applyDelta, fold, replace16, SUM_FRAME_MAX, sumFrame } from '../../wire/checksum.ts'
import { Protocol } from '../../wire/ip-protocol.ts'
import { Ipv4, MORE_FRAGMENTS, OFFSET_MASK } from '../../wire/ipv4.ts'
import { Ipv6 } from '../../wire/ipv6.ts'
import { hasRole } from './addresses.ts'
import { STRETCHES_MAX } from './limits.ts'
import { OPENED, Outcome } from './outcome.ts'
import { HostRole, tunnelSettings } from './tables.ts'
import type { Tunnel } from './tunnel.ts'

const V4_MAPPED = 0xffff
const IPV4_BYTES = 20
const IPV6_BYTES = 40
const FRAGMENT_BITS = MORE_FRAGMENTS | OFFSET_MASK
/** Of the checksum in its header. */
const TCP_CHECKSUM = 16
const UDP_CHECKSUM = 6
const NO_CHECKSUM = 0

/** Of a traffic class. */
const Ecn = { mask: 3, notCapable: 0, capable1: 1, capable0: 2, congested: 3 } as const
const WITHOUT_ECN = 0xfc

const Checksum = header('transport-checksum', { value: 'u16' })

const ipv4At = Ipv4.cursor()
const ipv6At = Ipv6.cursor()
const marked4At = Ipv4.cursor()
const marked6At = Ipv6.cursor()
const transportAt = Checksum.cursor()
const partialAt = Checksum.cursor()
const settingsAt = tunnelSettings.cursor()
const mergedSettingsAt = tunnelSettings.cursor()

/** Of an opened envelope: OPENED if the packet may go on, and `tunnel` tells of it. */
export function readInner(packet: Packet, tunnel: Tunnel): u32 {
  const read: u32 = tunnel.family === 4 ? readInner4(packet, tunnel) : readInner6(packet, tunnel)
  if (read !== OPENED) return read
  if (tunnel.isSummed !== 0 && !isSumRight(packet, tunnel)) return Outcome.wrongChecksum
  if (tunnel.isRemote !== 0 && !isRemoteChecksum(tunnel)) return Outcome.otherTunnel
  return passCongestion(tunnel)
}

function readInner4(packet: Packet, tunnel: Tunnel): u32 {
  const ip = ipv4At.at(packet, tunnel.start)
  if (ip === null || ip.versionAndLength >>> 4 !== 4) return Outcome.malformed
  const headerBytes: u32 = (ip.versionAndLength & 0x0f) * 4
  const length: u16 = ip.totalLength
  if (headerBytes < IPV4_BYTES || headerBytes > length) return Outcome.malformed
  if (u32(tunnel.start + length) > tunnel.end) return Outcome.malformed
  if (!hasRole(0, 0, V4_MAPPED, ip.destination, HostRole.vip)) return Outcome.otherDestination
  tunnel.length = length
  tunnel.trafficClass = ip.typeOfService
  if ((ip.flagsAndOffset & FRAGMENT_BITS) !== 0) return OPENED
  const addresses: u32 = add32(add32(0, ip.source), ip.destination)
  return findPartialChecksum(packet, tunnel, ip.protocol, headerBytes, addresses)
}

function readInner6(packet: Packet, tunnel: Tunnel): u32 {
  const ip = ipv6At.at(packet, tunnel.start)
  if (ip === null || ip.versionClassFlow >>> 28 !== 6) return Outcome.malformed
  const length: u32 = IPV6_BYTES + ip.payloadLength
  if (u32(tunnel.start + length) > tunnel.end) return Outcome.malformed
  const word0: u32 = ip.destination0
  const word1: u32 = ip.destination1
  const word2: u32 = ip.destination2
  const word3: u32 = ip.destination3
  if (!hasRole(word0, word1, word2, word3, HostRole.vip)) return Outcome.otherDestination
  tunnel.length = length
  tunnel.trafficClass = (ip.versionClassFlow >>> 20) & 0xff
  let addresses: u32 = add32(add32(add32(add32(0, word0), word1), word2), word3)
  addresses = add32(add32(addresses, ip.source0), ip.source1)
  addresses = add32(add32(addresses, ip.source2), ip.source3)
  // Behind extension headers no checksum is looked for: what is put together or left to the wire has none.
  return findPartialChecksum(packet, tunnel, ip.nextHeader, IPV6_BYTES, addresses)
}

/** `addresses` is the sum of both, not folded. */
function findPartialChecksum(
  packet: Packet,
  tunnel: Tunnel,
  protocol: u8,
  transport: u32,
  addresses: u32,
): u32 {
  let offset: u32 = NO_CHECKSUM
  if (protocol === Protocol.tcp) offset = TCP_CHECKSUM
  else if (protocol === Protocol.udp) offset = UDP_CHECKSUM
  if (offset === NO_CHECKSUM) return OPENED
  const last: u32 = u32(transport + offset + 2)
  const field = transportAt.at(packet, u32(tunnel.start + transport + offset))
  if (field === null || last > tunnel.length) return OPENED
  const bytes: u32 = u32(tunnel.length - transport)
  if (field.value !== fold(u32(addresses + protocol + bytes))) return OPENED
  const common = settingsAt.at(0)
  if (common === null) return OPENED
  if (protocol === Protocol.udp && tunnel.length > common.datagramMax) {
    return Outcome.mergedDatagrams
  }
  tunnel.checksumStart = transport
  tunnel.checksumOffset = offset
  return OPENED
}

/**
 * Does the checksum around the packet fit? What hardware would still finish counts as finished; what was put together
 * of several packets the kernel has verified, and kept the first one's checksum.
 */
function isSumRight(packet: Packet, tunnel: Tunnel): boolean {
  if (packet.segmentSize !== 0) return true
  const common = mergedSettingsAt.at(0)
  if (common === null) return false
  if (tunnel.checksumOffset !== 0 && tunnel.length > common.datagramMax) return true
  if (!packet.makeReadable()) return false
  let bytes: u32 = u32(tunnel.end - tunnel.sumStart)
  let sum: u32 = tunnel.sumBefore
  if (tunnel.checksumOffset !== 0) {
    const transport: u32 = u32(tunnel.start + tunnel.checksumStart)
    bytes = u32(transport - tunnel.sumStart)
    const field = partialAt.at(packet, u32(transport + tunnel.checksumOffset))
    if (field === null) return false
    sum = u32(sum + (field.value ^ 0xffff))
  }
  return fold(sumStretches(packet, tunnel.sumStart, bytes, sum)) === 0xffff
}

/** `sum` and the sum of `length` bytes from `offset`, not folded. */
function sumStretches(packet: Packet, offset: u32, length: u32, sum: u32): u32 {
  let all: u32 = sum
  let at: u32 = offset
  let left: u32 = length
  for (let i: u32 = 0; i < STRETCHES_MAX; i++) {
    if (left === 0) break
    const bytes: u32 = left < SUM_FRAME_MAX ? left : SUM_FRAME_MAX
    all = u32(all + sumFrame(packet, at, bytes))
    at = u32(at + bytes)
    left = u32(left - bytes)
  }
  return all
}

/** Is the checksum that the sender left to us, says GUE, the one that looks so? */
function isRemoteChecksum(tunnel: Tunnel): boolean {
  return (
    tunnel.checksumOffset !== 0 &&
    tunnel.checksumStart === tunnel.remoteStart &&
    u32(tunnel.checksumStart + tunnel.checksumOffset) === tunnel.remoteOffset
  )
}

/** The inner traffic class becomes what the outer one says of congestion. RFC 6040, figure 4. */
function passCongestion(tunnel: Tunnel): u32 {
  const outer: u32 = tunnel.outerClass & Ecn.mask
  const inner: u32 = tunnel.trafficClass & Ecn.mask
  if (inner === Ecn.notCapable) return outer === Ecn.congested ? Outcome.congested : OPENED
  if (outer === Ecn.congested) {
    tunnel.trafficClass = (tunnel.trafficClass & WITHOUT_ECN) + Ecn.congested
  } else if (outer === Ecn.capable1 && inner === Ecn.capable0) {
    tunnel.trafficClass = (tunnel.trafficClass & WITHOUT_ECN) + Ecn.capable1
  }
  return OPENED
}

/** The packet, which begins at `offset` by now, gets the traffic class it goes on with. */
export function writeClass(packet: Packet, tunnel: Tunnel, offset: u32): void {
  if (tunnel.family === 4) {
    const ip = marked4At.at(packet, offset)
    if (ip === null || ip.typeOfService === tunnel.trafficClass) return
    // Both are low halves of their word.
    const delta: u32 = replace16(0, ip.typeOfService, tunnel.trafficClass)
    ip.typeOfService = tunnel.trafficClass
    ip.checksum = applyDelta(ip.checksum, delta)
    return
  }
  const ip = marked6At.at(packet, offset)
  if (ip === null) return
  const was: u8 = (ip.versionClassFlow >>> 20) & 0xff
  if (was === tunnel.trafficClass) return
  ip.versionClassFlow = u32(ip.versionClassFlow ^ ((was ^ tunnel.trafficClass) << 20))
}
