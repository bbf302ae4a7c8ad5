/**
 * Which frames the engine takes from the kernel's own stack: the predicate, as this process computes it.
 *
 * An AF_PACKET socket sees copies; the kernel goes on with the frame. So the nftables table of claim-rules.ts
 * drops, behind the socket's tap, exactly the frames for which `isClaimed` says yes, and the engine leaves
 * alone every other one. That both agree on every frame, whole or mangled, is the invariant: a frame that both
 * take is lost when the engine passes it on unseen, one that neither drops is answered twice.
 *
 * Claimed is what some virtual service, FULLNAT local address or NAT real server could want, by the sets of
 * claim-sets.ts; what the packet path then does not want is given back through a TAP device (tap.ts).
 *
 *   addressed to another station, or tagged with a VLAN          no (the VLAN's own interface sees it again)
 *   to a destination address:   a fragment                       yes
 *                               an ICMP error                    yes
 *                               to a destination's port          yes
 *   the same of an address in a network that rules give marks    yes
 *   from a source address, and not to an address of the host:
 *                               a fragment, an ICMP error,
 *                               from a source's port             yes
 *   an ICMP error, whole, about a packet to a source address,
 *   and not to an address of the host                            yes: a router on the way to a NAT server sent it
 *   an ICMP error, whole, about a packet to a tunnel's end       yes: a router on the way there
 *   else                                                         no: ARP, neighbour discovery, …
 *
 * Details that only have to be the same on both sides follow the kernel's: nf_tables_ipv4.h,
 * nf_tables_ipv6.h (what is a transport header), exthdrs_core.c (the walk through extension headers).
 */
import { EtherType } from '../../wire/ethernet.ts'
import { IcmpType } from '../../wire/icmp.ts'
import { DONT_FRAGMENT } from '../../wire/ipv4.ts'
import { Protocol } from '../../wire/ip-protocol.ts'
import type { ClaimSets, FamilySets } from './claim-sets.ts'
import type { ClaimTable } from './claim-table.ts'

/** ICMP errors that load balancing has to translate. Redirects are the host's. */
export const CLAIMED_ICMP_TYPES: readonly number[] = [
  IcmpType.unreachable,
  IcmpType.sourceQuench,
  IcmpType.timeExceeded,
  IcmpType.parameterProblem,
]
/** Every type below is an error in ICMPv6 (RFC 4443 §2.1); neighbour discovery is 133 … 137. */
export const ICMPV6_ERRORS_END = 128

/** Of a frame's VLAN tag: which VLAN. 0: none, only a priority. */
export const VLAN_ID_MASK = 0x0fff
/** Of `flagsAndOffset`: all but DF and the reserved bit. */
export const FRAGMENT_MASK = 0x7fff & ~DONT_FRAGMENT

/** Of an ICMP error: where the destination address of the packet it quotes is, behind 8 bytes of its own. */
export const QUOTED_4 = 8 + 16
export const QUOTED_6 = 8 + 24

/** `sll_pkttype` of a frame to somebody else's MAC address, seen because the interface listens to all. */
export const PACKET_OTHERHOST = 3

/**
 * Does the ingress rule drop this frame? `length` bytes of Ethernet frame at `start` of `bytes`, without the
 * VLAN tag that the kernel took off, whose tag control is `vlanTci` (0: no tag). Allocates nothing.
 */
export function isClaimed(
  sets: ClaimSets,
  bytes: DataView,
  start: number,
  length: number,
  vlanTci: number,
  packetType: number,
): boolean {
  if (length < 14 || packetType === PACKET_OTHERHOST || (vlanTci & VLAN_ID_MASK) !== 0) return false
  const type = bytes.getUint16(start + 12)
  if (type === EtherType.ipv4) return isClaimed4(sets.v4, bytes, start + 14, length - 14)
  if (type === EtherType.ipv6) return isClaimed6(sets.v6, bytes, start + 14, length - 14)
  return false
}

const V4_MAPPED = 0xffff

function isClaimed4(sets: FamilySets, bytes: DataView, at: number, length: number): boolean {
  if (length < 20) return false
  const source = bytes.getUint32(at + 12)
  const destination = bytes.getUint32(at + 16)
  const to =
    sets.destinations.has(0, 0, V4_MAPPED, destination, 0) ||
    sets.networks.hasAddress(0, 0, V4_MAPPED, destination)
  const from =
    sets.sources.has(0, 0, V4_MAPPED, source, 0) && !sets.own.has(0, 0, V4_MAPPED, destination, 0)
  const protocol = bytes.getUint8(at + 9)
  if (!to && !from && protocol !== Protocol.icmp) return false
  if ((bytes.getUint16(at + 6) & FRAGMENT_MASK) !== 0) return to || from

  // From here on the kernel wants a sound header: nf_tables_ipv4.h
  const versionAndLength = bytes.getUint8(at)
  const headerLength = 4 * (versionAndLength & 15)
  const totalLength = bytes.getUint16(at + 2)
  if (versionAndLength >>> 4 !== 4 || headerLength < 20) return false
  if (totalLength > length || totalLength < headerLength) return false

  const transport = at + headerLength
  const left = length - headerLength // what Ethernet's padding holds counts, as it does for the kernel
  if (protocol === Protocol.icmp && left >= 1) {
    if (CLAIMED_ICMP_TYPES.includes(bytes.getUint8(transport))) {
      if (to || from) return true
      if (left < QUOTED_4 + 4) return false
      const quoted = bytes.getUint32(transport + QUOTED_4)
      if (sets.tunnels.has(0, 0, V4_MAPPED, quoted, 0)) return true
      if (sets.own.has(0, 0, V4_MAPPED, destination, 0)) return false
      return sets.sources.has(0, 0, V4_MAPPED, quoted, 0)
    }
  }
  return (
    (to &&
      isEndpoint(
        sets.destinations,
        0,
        0,
        V4_MAPPED,
        destination,
        protocol,
        bytes,
        transport + 2,
        left - 2,
      )) ||
    (to &&
      sets.networks.has(0, 0, V4_MAPPED, destination, protocol, bytes, transport + 2, left - 2)) ||
    (from && isEndpoint(sets.sources, 0, 0, V4_MAPPED, source, protocol, bytes, transport, left))
  )
}

function isClaimed6(sets: FamilySets, bytes: DataView, at: number, length: number): boolean {
  if (length < 40) return false
  const s0 = bytes.getUint32(at + 8)
  const s1 = bytes.getUint32(at + 12)
  const s2 = bytes.getUint32(at + 16)
  const s3 = bytes.getUint32(at + 20)
  const d0 = bytes.getUint32(at + 24)
  const d1 = bytes.getUint32(at + 28)
  const d2 = bytes.getUint32(at + 32)
  const d3 = bytes.getUint32(at + 36)
  const to = sets.destinations.has(d0, d1, d2, d3, 0) || sets.networks.hasAddress(d0, d1, d2, d3)
  const from = sets.sources.has(s0, s1, s2, s3, 0) && !sets.own.has(d0, d1, d2, d3, 0)
  const protocol = walk(bytes, at, length)
  if (!to && !from && protocol !== Protocol.icmpv6) return false
  if (protocol === Protocol.fragment) return true

  // From here on the kernel wants a sound header: nf_tables_ipv6.h
  if (bytes.getUint8(at) >>> 4 !== 6 || bytes.getUint16(at + 4) + 40 > length) return false
  if (protocol === NO_HEADER) return false
  const transport = at + walkedTo
  const left = length - walkedTo
  if (protocol === Protocol.icmpv6 && left >= 1) {
    if (bytes.getUint8(transport) < ICMPV6_ERRORS_END) {
      if (to || from) return true
      if (left < QUOTED_6 + 16) return false
      if (hasAddress6(sets.tunnels, bytes, transport + QUOTED_6)) return true
      if (sets.own.has(d0, d1, d2, d3, 0)) return false
      return hasAddress6(sets.sources, bytes, transport + QUOTED_6)
    }
  }
  return (
    (to &&
      isEndpoint(sets.destinations, d0, d1, d2, d3, protocol, bytes, transport + 2, left - 2)) ||
    (to && sets.networks.has(d0, d1, d2, d3, protocol, bytes, transport + 2, left - 2)) ||
    (from && isEndpoint(sets.sources, s0, s1, s2, s3, protocol, bytes, transport, left))
  )
}

function hasAddress6(table: ClaimTable, bytes: DataView, at: number): boolean {
  return table.has(
    bytes.getUint32(at),
    bytes.getUint32(at + 4),
    bytes.getUint32(at + 8),
    bytes.getUint32(at + 12),
    0,
  )
}

/** Is the address claimed for the protocol on every port, or on the one at `portAt`, if `left` ≥ 2 bytes are there? */
function isEndpoint(
  table: ClaimTable,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  protocol: number,
  bytes: DataView,
  portAt: number,
  left: number,
): boolean {
  if (protocol === 0) return false // a detail of 0 is the address alone
  if (table.has(w0, w1, w2, w3, protocol << 16)) return true
  return left >= 2 && table.has(w0, w1, w2, w3, (protocol << 16) | bytes.getUint16(portAt))
}

const NO_HEADER = -1
/** Bytes from the IPv6 header's first to the transport header that `walk` found. */
let walkedTo = 0

/**
 * Steps over extension headers: `Protocol.fragment` if there is a fragment header anywhere, else the number
 * of the transport header, which is AH where there is one. `NO_HEADER` if it is cut off.
 */
function walk(bytes: DataView, at: number, length: number): number {
  let next = bytes.getUint8(at + 6)
  let offset = 40
  let transport = NO_HEADER
  // Ends: each round moves `offset` on by at least 8, and not past the frame.
  while (isExtension(next) && next !== Protocol.none) {
    const needed = next === Protocol.fragment || next === Protocol.routing ? 4 : 2
    if (offset + needed > length) return transport
    if (next === Protocol.fragment) return Protocol.fragment
    const size = bytes.getUint8(at + offset + 1)
    if (next === Protocol.ah && transport === NO_HEADER) {
      transport = Protocol.ah
      walkedTo = offset
    }
    const following = bytes.getUint8(at + offset)
    offset += next === Protocol.ah ? 4 * (size + 2) : 8 * (size + 1)
    next = following
  }
  if (transport !== NO_HEADER) return transport
  walkedTo = offset
  return offset > 0xffff ? NO_HEADER : next
}

/** The kernel's ipv6_ext_hdr: what its walk steps over, or stops at because nothing follows. */
function isExtension(header: number): boolean {
  return (
    header === Protocol.hopByHop ||
    header === Protocol.routing ||
    header === Protocol.fragment ||
    header === Protocol.ah ||
    header === Protocol.none ||
    header === Protocol.destinationOptions
  )
}
