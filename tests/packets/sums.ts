/**
 * Checksums of frames, looked at from outside: by a walk of its own, with nothing of the packet path's.
 *
 * A packet that is translated keeps its sum: that over addresses, transport header and payload is, modulo 0xffff, after
 * the translation what it was before, if the checksum was patched rightly; whether it was right or not.
 */
import { fold } from '../../src/wire/checksum.ts'

const ETHERNET = 14
const ADDRESSES = { 4: { at: 12, bytes: 8 }, 6: { at: 8, bytes: 32 } } as const
const TCP = 6
const UDP = 17
const ICMP = 1
const ICMPV6 = 58

/** What of a packet matters here; places are bytes into the frame. */
export interface Layout {
  readonly family: 4 | 6
  /** Of the IP header, and of the IP packet's end. */
  readonly network: number
  readonly end: number
  readonly protocol: number
  readonly transport: number
  /** In the middle of a datagram: what is at `transport` is no header. */
  readonly isLater: boolean
  readonly isFragment: boolean
}

/** Where things are in the IP packet at `network`; it must be well-formed. */
export function layoutOf(bytes: Uint8Array, network = ETHERNET): Layout {
  const word = (at: number) => (bytes[network + at]! << 8) | bytes[network + at + 1]!
  if (bytes[network]! >>> 4 === 4) {
    const fragment = word(6) & 0x3fff
    return {
      family: 4,
      network,
      end: network + word(2),
      protocol: bytes[network + 9]!,
      transport: network + (bytes[network]! & 15) * 4,
      isLater: (fragment & 0x1fff) !== 0,
      isFragment: fragment !== 0,
    }
  }
  let protocol = bytes[network + 6]!
  let at = 40
  let fragment = 0
  while (protocol === 0 || protocol === 43 || protocol === 44 || protocol === 60) {
    if (protocol === 44) fragment = word(at + 2) & 0xfff9
    const length = protocol === 44 ? 8 : 8 + bytes[network + at + 1]! * 8
    protocol = bytes[network + at]!
    at += length
    if (fragment > 7) break
  }
  return {
    family: 6,
    network,
    end: network + 40 + word(4),
    protocol,
    transport: network + at,
    isLater: fragment > 7,
    isFragment: fragment !== 0,
  }
}

/** The one's-complement sum of a stretch, 0 … 0xfffe. */
function sumOf(bytes: Uint8Array, from: number, end: number): number {
  let sum = 0
  for (let i = from; i + 1 < end; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!
  if ((end - from) % 2 === 1) sum += bytes[end - 1]! << 8
  return sum % 0xffff
}

function addressSum(bytes: Uint8Array, { family, network }: Layout): number {
  const { at, bytes: length } = ADDRESSES[family]
  return sumOf(bytes, network + at, network + at + length)
}

/** Is the IPv4 header's checksum right? IPv6 has none. */
export function isHeaderRight(bytes: Uint8Array, { family, network }: Layout): boolean {
  return family === 6 || sumOf(bytes, network, network + (bytes[network]! & 15) * 4) === 0
}

/** What a right translation keeps of a packet; `isPartial`: its checksum covers the addresses only. */
export function keptSum(bytes: Uint8Array, layout: Layout, isPartial: boolean): number {
  const { protocol, transport, end, isLater } = layout
  if (isLater) return sumOf(bytes, transport, end)
  if (protocol === ICMP) return sumOf(bytes, transport, end)
  const isTransport = protocol === TCP || protocol === UDP || protocol === ICMPV6
  if (!isTransport) return sumOf(bytes, transport, end)
  const checksumAt = transport + (protocol === TCP ? 16 : protocol === UDP ? 6 : 2)
  const addresses = addressSum(bytes, layout)
  if (protocol !== ICMPV6 && isPartial) {
    const checksum = (bytes[checksumAt]! << 8) | bytes[checksumAt + 1]!
    return (checksum + 0xffff - addresses) % 0xffff
  }
  // Without a checksum there is nothing to keep but the payload.
  if (isUnsummed(bytes, layout)) return sumOf(bytes, transport + 4, end)
  return (addresses + sumOf(bytes, transport, end)) % 0xffff
}

/** A UDP datagram, or the first of its fragments, without a checksum? */
export function isUnsummed(bytes: Uint8Array, { protocol, transport, isLater }: Layout): boolean {
  return protocol === UDP && !isLater && bytes[transport + 6] === 0 && bytes[transport + 7] === 0
}

/** Is the transport checksum (UDP's may be missing) right? Fragments have none that can be checked. */
export function isTransportRight(bytes: Uint8Array, layout: Layout): boolean {
  const { protocol, transport, end, isFragment, family } = layout
  if (isFragment || isUnsummed(bytes, layout)) return true
  const sum = sumOf(bytes, transport, end)
  if (protocol === ICMP && family === 4) return sum === 0
  return (sum + addressSum(bytes, layout) + protocol + (end - transport)) % 0xffff === 0
}

/** Leaves the transport checksum to hardware: the field holds the sum of the pseudo-header. */
export function setPartialSum(bytes: Uint8Array, layout: Layout): void {
  const { transport, protocol, end } = layout
  const at = transport + (protocol === TCP ? 16 : 6)
  const sum = fold(addressSum(bytes, layout) + protocol + (end - transport))
  bytes[at] = sum >>> 8
  bytes[at + 1] = sum & 0xff
}

/** Does what hardware does about a partial checksum of the packet `layout` describes: sums to the frame's end. */
export function finishSum(bytes: Uint8Array, { transport, protocol }: Layout): void {
  const at = transport + (protocol === TCP ? 16 : 6)
  const sum = 0xffff - sumOf(bytes, transport, bytes.length)
  bytes[at] = sum >>> 8
  bytes[at + 1] = sum & 0xff
}

/** Makes IPv4 header and transport checksum right, where they lie inside the frame. */
export function repairSums(bytes: Uint8Array, length: number): void {
  const layout = layoutOf(bytes)
  const { family, network, transport, protocol } = layout
  const set = (at: number, value: number) => {
    bytes[at] = value >>> 8
    bytes[at + 1] = value & 0xff
  }
  if (family === 4 && transport <= length) {
    set(network + 10, 0)
    set(network + 10, 0xffff - sumOf(bytes, network, transport))
  }
  const end = Math.min(layout.end, length)
  const places: Record<number, number> = { [TCP]: 16, [UDP]: 6, [ICMP]: 2, [ICMPV6]: 2 }
  const place = places[protocol]
  if (place === undefined || layout.isLater || transport + place + 2 > end) return
  set(transport + place, 0)
  const pseudo = protocol === ICMP ? 0 : addressSum(bytes, layout) + protocol + (end - transport)
  set(transport + place, 0xffff - fold(pseudo + sumOf(bytes, transport, end)))
}
