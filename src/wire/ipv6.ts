/**
 * IPv6 and its extension headers — RFC 8200.
 *
 *      +-------+---------------+---------------------------------------+
 *   0  |ver = 6| traffic class |              flow label               |
 *   4  |        payload length         |  next header  |   hop limit   |
 *   8  |                    source address (16 bytes)                  |
 *  24  |                  destination address (16 bytes)               |
 *      +---------------------------------------------------------------+
 *
 * Between it and the transport header may lie extension headers, each naming the next. All begin alike:
 *
 *      +---------------+---------------+-------------------------------+
 *   0  |  next header  |  length / 8   | … (length does not count the first 8 bytes; AH counts 4-byte words)
 *      +---------------+---------------+-------------------------------+
 *
 * and the fragment header (8 bytes) is
 *
 *      +---------------+---------------+-------------------------+--+--+
 *   0  |  next header  |   reserved    |  fragment offset / 8    |0 |MF|
 *   4  |                        identification                         |
 *      +---------------------------------------------------------------+
 *
 * Whoever walks the chain stops after IPV6_EXTENSIONS_MAX headers, and behind the fragment header of any but
 * the first fragment: what lies there is no header.
 */
import { assert } from '../base/assert.ts'
import { concatBytes, viewOf } from '../base/bytes.ts'
import { bytesToIp, ipToBytes } from '../base/ip.ts'
import { header } from '../subset/struct.ts'
import { formatProtocol, Protocol } from './ip-protocol.ts'

export const Ipv6 = header('ipv6', {
  versionClassFlow: 'u32',
  payloadLength: 'u16',
  nextHeader: 'u8',
  hopLimit: 'u8',
  source0: 'u32',
  source1: 'u32',
  source2: 'u32',
  source3: 'u32',
  destination0: 'u32',
  destination1: 'u32',
  destination2: 'u32',
  destination3: 'u32',
})

/** How every extension header begins. */
export const Ipv6Extension = header('ipv6-extension', { nextHeader: 'u8', length: 'u8' })

export const Ipv6Fragment = header('ipv6-fragment', {
  nextHeader: 'u8',
  reserved: 'u8',
  offsetAndFlags: 'u16',
  identification: 'u32',
})

/** Extension headers that we follow; RFC 8200 §4.1 knows seven in a sensible packet. */
export const IPV6_EXTENSIONS_MAX = 8

/** Of `offsetAndFlags`: the fragment's offset in bytes, as it stands there (its low three bits are flags). */
export const IPV6_OFFSET_MASK = 0xfff8
export const IPV6_MORE_FRAGMENTS = 0x0001

/** A packet as the control plane sees it. */
export interface Ipv6Packet {
  readonly version: 6
  readonly trafficClass: number
  /** 20 bits. */
  readonly flowLabel: number
  readonly hopLimit: number
  readonly source: string
  readonly destination: string
  /** In order, IPV6_EXTENSIONS_MAX at most. */
  readonly extensions: readonly Ipv6ExtensionHeader[]
  /** What the payload is; in a fragment but the first, what the whole packet's is. */
  readonly protocol: number
  readonly payload: Uint8Array
}

/** One extension header: `data` is what follows its first two bytes. */
export interface Ipv6ExtensionHeader {
  readonly type: number
  readonly data: Uint8Array
}

/** What a fragment header says. */
export interface Ipv6FragmentInfo {
  /** Bytes, a multiple of 8. */
  readonly offset: number
  readonly moreFragments: boolean
  readonly identification: number
}

const ADDRESSES_AT = Ipv6.offsets.source0

/**
 * Undefined if cut, not consistent, or with more than IPV6_EXTENSIONS_MAX extension headers. `mayBeCut`: the
 * payload (not the extension headers) may end early, as in the packet that an ICMPv6 error quotes.
 */
export function parseIpv6(bytes: Uint8Array, mayBeCut = false): Ipv6Packet | undefined {
  if (bytes.length < Ipv6.size) return undefined
  const ip = Ipv6.view(viewOf(bytes), 0)
  const end = Ipv6.size + ip.payloadLength
  if (ip.versionClassFlow >>> 28 !== 6 || (end > bytes.length && !mayBeCut)) return undefined
  const chain = walkExtensions(ip.nextHeader, bytes.subarray(Ipv6.size, end))
  if (chain === undefined) return undefined
  return {
    version: 6,
    trafficClass: (ip.versionClassFlow >>> 20) & 0xff,
    flowLabel: ip.versionClassFlow & 0xfffff,
    hopLimit: ip.hopLimit,
    source: bytesToIp(bytes.subarray(ADDRESSES_AT, ADDRESSES_AT + 16)),
    destination: bytesToIp(bytes.subarray(ADDRESSES_AT + 16, Ipv6.size)),
    ...chain,
  }
}

function walkExtensions(
  first: number,
  bytes: Uint8Array,
): Pick<Ipv6Packet, 'extensions' | 'protocol' | 'payload'> | undefined {
  const extensions: Ipv6ExtensionHeader[] = []
  let protocol = first
  let payload = bytes
  while (isIpv6Extension(protocol)) {
    if (extensions.length === IPV6_EXTENSIONS_MAX || payload.length < 8) return undefined
    const length = extensionLength(protocol, payload[1]!)
    if (length > payload.length) return undefined
    const extension = { type: protocol, data: payload.subarray(2, length) }
    extensions.push(extension)
    protocol = payload[0]!
    payload = payload.subarray(length)
    if ((fragmentIn(extension)?.offset ?? 0) > 0) break
  }
  return { extensions, protocol, payload }
}

/** Is this next-header value one that we look behind? (Not ESP: what it hides nobody can read.) */
export function isIpv6Extension(type: number): boolean {
  return (
    type === Protocol.hopByHop ||
    type === Protocol.routing ||
    type === Protocol.fragment ||
    type === Protocol.ah ||
    type === Protocol.destinationOptions ||
    type === Protocol.mobility
  )
}

/** Bytes of an extension header whose length field is `length`. */
function extensionLength(type: number, length: number): number {
  if (type === Protocol.fragment) return Ipv6Fragment.size
  if (type === Protocol.ah) return Math.max((length + 2) * 4, 8) // RFC 4302 §2.2
  return (length + 1) * 8
}

/** The packet's bytes; asserts that lengths and extension headers are possible. */
export function emitIpv6(packet: Ipv6Packet): Uint8Array {
  const { extensions } = packet
  const next = [...extensions.map(({ type }) => type), packet.protocol]
  const headers = extensions.map((extension, i) => emitExtension(extension, next[i + 1]!))
  const bytes = concatBytes(new Uint8Array(Ipv6.size), ...headers, packet.payload)
  assert(bytes.length - Ipv6.size <= 0xffff, `an IPv6 packet of ${bytes.length} bytes`)
  assert(extensions.length <= IPV6_EXTENSIONS_MAX, `${extensions.length} extension headers`)
  const ip = Ipv6.view(viewOf(bytes), 0)
  ip.versionClassFlow = ((6 << 28) | (packet.trafficClass << 20) | packet.flowLabel) >>> 0
  ip.payloadLength = bytes.length - Ipv6.size
  ip.nextHeader = next[0]!
  ip.hopLimit = packet.hopLimit
  bytes.set(ipToBytes(packet.source), ADDRESSES_AT)
  bytes.set(ipToBytes(packet.destination), ADDRESSES_AT + 16)
  return bytes
}

function emitExtension(extension: Ipv6ExtensionHeader, nextHeader: number): Uint8Array {
  const { type, data } = extension
  const size = data.length + 2
  const length = type === Protocol.fragment ? 0 : type === Protocol.ah ? size / 4 - 2 : size / 8 - 1
  const isPossible = Number.isInteger(length) && extensionLength(type, length) === size
  assert(isPossible, `an extension header ${type} of ${size} bytes`)
  return Uint8Array.of(nextHeader, length, ...data)
}

/** What the packet's fragment header says; undefined if it has none. */
export function fragmentOf(packet: Ipv6Packet): Ipv6FragmentInfo | undefined {
  return packet.extensions.map(fragmentIn).find((fragment) => fragment !== undefined)
}

function fragmentIn({ type, data }: Ipv6ExtensionHeader): Ipv6FragmentInfo | undefined {
  if (type !== Protocol.fragment) return undefined
  const view = viewOf(data)
  return {
    offset: view.getUint16(0) & IPV6_OFFSET_MASK,
    moreFragments: (view.getUint16(0) & IPV6_MORE_FRAGMENTS) !== 0,
    identification: view.getUint32(2),
  }
}

/** A fragment header, to put among a packet's `extensions`. */
export function fragmentExtension(fragment: Ipv6FragmentInfo): Ipv6ExtensionHeader {
  assert(fragment.offset % 8 === 0 && fragment.offset <= 0xfff8, `fragment at ${fragment.offset}`)
  const data = new Uint8Array(Ipv6Fragment.size - 2)
  const view = viewOf(data)
  view.setUint16(0, fragment.offset | (fragment.moreFragments ? IPV6_MORE_FRAGMENTS : 0))
  view.setUint32(2, fragment.identification)
  return { type: Protocol.fragment, data }
}

/** 'SOURCE > DESTINATION (hlim 64, class 0x00, flow 0x00000, next-header TCP (6), payload length 40)'. */
export function formatIpv6(packet: Ipv6Packet): string {
  const { source, destination, hopLimit, trafficClass, flowLabel, extensions } = packet
  const first = extensions[0]?.type ?? packet.protocol
  const length = extensions.reduce((sum, { data }) => sum + data.length + 2, packet.payload.length)
  return (
    `${source} > ${destination} (hlim ${hopLimit}, class 0x${trafficClass.toString(16).padStart(2, '0')}, ` +
    `flow 0x${flowLabel.toString(16).padStart(5, '0')}, next-header ${formatProtocol(first)}, ` +
    `payload length ${length})`
  )
}
