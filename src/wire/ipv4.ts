/**
 * IPv4 — RFC 791.
 *
 *      +-------+-------+---------------+-------------------------------+
 *   0  |ver = 4| words |type of service|         total length          |
 *   4  |        identification         |0 DF MF  fragment offset / 8   |
 *   8  | time to live  |   protocol    |        header checksum        |
 *  12  |                        source address                         |
 *  16  |                      destination address                      |
 *  20  |              options, up to 40 bytes, padded to words         |
 *      +---------------------------------------------------------------+
 *
 * `words` counts 32-bit words of header, 5 to 15. Total length counts header and payload; a frame may be
 * longer (Ethernet pads short ones), the rest is none of ours.
 */
import { assert } from '../base/assert.ts'
import { concatBytes, viewOf } from '../base/bytes.ts'
import { ipToWords, wordsToIp } from '../base/ip.ts'
import { header } from '../subset/struct.ts'
import { checksum } from './checksum.ts'
import { formatProtocol } from './ip-protocol.ts'

export const Ipv4 = header('ipv4', {
  versionAndLength: 'u8',
  typeOfService: 'u8',
  totalLength: 'u16',
  identification: 'u16',
  flagsAndOffset: 'u16',
  timeToLive: 'u8',
  protocol: 'u8',
  checksum: 'u16',
  source: 'u32',
  destination: 'u32',
})

/** The same twenty bytes as they are summed. */
export const Ipv4Words = header('ipv4-words', {
  word0: 'u32',
  word1: 'u32',
  word2: 'u32',
  word3: 'u32',
  word4: 'u32',
})

/** `versionAndLength` of a header without options. */
export const IPV4_WITHOUT_OPTIONS = 0x45

/** Of `flagsAndOffset`. */
export const DONT_FRAGMENT = 0x4000
export const MORE_FRAGMENTS = 0x2000
/** Of `flagsAndOffset`: where in the whole packet's payload this fragment begins, in units of 8 bytes. */
export const OFFSET_MASK = 0x1fff

/** A packet as the control plane sees it. */
export interface Ipv4Packet {
  readonly version: 4
  readonly typeOfService: number
  readonly identification: number
  readonly dontFragment: boolean
  readonly moreFragments: boolean
  /** Bytes, a multiple of 8. */
  readonly fragmentOffset: number
  readonly timeToLive: number
  readonly protocol: number
  readonly source: string
  readonly destination: string
  /** As they stand in the header: a multiple of 4 bytes, 40 at most. */
  readonly options: Uint8Array
  readonly payload: Uint8Array
  /** Of the header, as it was found; computed by `emitIpv4` if left out. */
  readonly checksum?: number | undefined
}

/**
 * Undefined if cut or not consistent; a wrong checksum is not judged (`isChecksumRight` over the header is).
 * `mayBeCut`: the payload may end early, as in the packet that an ICMP error quotes.
 */
export function parseIpv4(bytes: Uint8Array, mayBeCut = false): Ipv4Packet | undefined {
  if (bytes.length < Ipv4.size) return undefined
  const ip = Ipv4.view(viewOf(bytes), 0)
  const headerLength = (ip.versionAndLength & 0x0f) * 4
  if (ip.versionAndLength >>> 4 !== 4 || headerLength < Ipv4.size) return undefined
  if (headerLength > ip.totalLength || headerLength > bytes.length) return undefined
  if (ip.totalLength > bytes.length && !mayBeCut) return undefined
  return {
    version: 4,
    typeOfService: ip.typeOfService,
    identification: ip.identification,
    dontFragment: (ip.flagsAndOffset & DONT_FRAGMENT) !== 0,
    moreFragments: (ip.flagsAndOffset & MORE_FRAGMENTS) !== 0,
    fragmentOffset: (ip.flagsAndOffset & OFFSET_MASK) * 8,
    timeToLive: ip.timeToLive,
    protocol: ip.protocol,
    source: wordsToIp(0, 0, 0xffff, ip.source),
    destination: wordsToIp(0, 0, 0xffff, ip.destination),
    options: bytes.subarray(Ipv4.size, headerLength),
    payload: bytes.subarray(headerLength, ip.totalLength),
    checksum: ip.checksum,
  }
}

/** The packet's bytes; asserts that options and lengths are possible. */
export function emitIpv4(packet: Ipv4Packet): Uint8Array {
  const { options, payload, fragmentOffset } = packet
  const headerLength = Ipv4.size + options.length
  assert(options.length % 4 === 0 && options.length <= 40, `${options.length} bytes of options`)
  assert(headerLength + payload.length <= 0xffff, `an IPv4 payload of ${payload.length} bytes`)
  assert(fragmentOffset % 8 === 0 && fragmentOffset <= 0xfff8, `fragment at ${fragmentOffset}`)
  const bytes = concatBytes(new Uint8Array(Ipv4.size), options, payload)
  const ip = Ipv4.view(viewOf(bytes), 0)
  ip.versionAndLength = 0x40 | (headerLength / 4)
  ip.typeOfService = packet.typeOfService
  ip.totalLength = bytes.length
  ip.identification = packet.identification
  ip.flagsAndOffset =
    (packet.dontFragment ? DONT_FRAGMENT : 0) |
    (packet.moreFragments ? MORE_FRAGMENTS : 0) |
    (fragmentOffset / 8)
  ip.timeToLive = packet.timeToLive
  ip.protocol = packet.protocol
  ip.source = ipToWords(packet.source)[3]
  ip.destination = ipToWords(packet.destination)[3]
  ip.checksum = packet.checksum ?? checksum(bytes.subarray(0, headerLength))
  return bytes
}

/** Is it a part of a fragmented packet? */
export function isIpv4Fragment(packet: Ipv4Packet): boolean {
  return packet.moreFragments || packet.fragmentOffset > 0
}

/** One option: `data` is what follows type and length. Types 0 (end) and 1 (no operation) have none. */
export interface Ipv4Option {
  readonly type: number
  readonly data: Uint8Array
}

/** The options up to the end of list; undefined if one reaches beyond. */
export function parseIpv4Options(bytes: Uint8Array): Ipv4Option[] | undefined {
  const options: Ipv4Option[] = []
  for (let at = 0; at < bytes.length;) {
    const type = bytes[at]!
    if (type === OPTION_END) break
    const length = type === OPTION_NOP ? 1 : (bytes[at + 1] ?? 0)
    if ((type !== OPTION_NOP && length < 2) || at + length > bytes.length) return undefined
    options.push({ type, data: bytes.subarray(at + Math.min(length, 2), at + length) })
    at += length
  }
  return options
}

/** The options' bytes, filled up with zeros (end of list) to a multiple of 4. */
export function emitIpv4Options(options: readonly Ipv4Option[]): Uint8Array {
  const parts = options.map(({ type, data }) =>
    type === OPTION_NOP ? Uint8Array.of(type) : Uint8Array.of(type, data.length + 2, ...data),
  )
  const bytes = concatBytes(...parts)
  return concatBytes(bytes, new Uint8Array(-bytes.length & 3))
}

const OPTION_END = 0
const OPTION_NOP = 1

/** 'SOURCE > DESTINATION (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)'. */
export function formatIpv4(packet: Ipv4Packet): string {
  const { source, destination, typeOfService, timeToLive, identification, fragmentOffset } = packet
  const flags = packet.dontFragment ? 'DF' : packet.moreFragments ? '+' : 'none'
  const length = Ipv4.size + packet.options.length + packet.payload.length
  const options = packet.options.length > 0 ? `, options ${packet.options.length} bytes` : ''
  return (
    `${source} > ${destination} (tos 0x${typeOfService.toString(16)}, ttl ${timeToLive}, ` +
    `id ${identification}, offset ${fragmentOffset}, flags [${flags}], ` +
    `proto ${formatProtocol(packet.protocol)}, length ${length}${options})`
  )
}
