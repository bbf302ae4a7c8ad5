/**
 * Neighbour discovery for IPv6 — RFC 4861: what ARP is for IPv4, as ICMPv6 messages.
 *
 *      +---------------+---------------+-------------------------------+
 *   0  | 135 sol 136 adv|   code = 0   |           checksum            |
 *   4  |R|S|O|                      reserved                           |
 *   8  |                     target address (16 bytes)                 |
 *  24  |  options …                                                    |
 *      +---------------------------------------------------------------+
 *
 * and the option that carries a station's address (type 1 its own, in solicitations; 2 the target's):
 *
 *      +---------------+---------------+-------------------------------+
 *   0  |  type 1 or 2  |  length / 8   |    Ethernet address (6) …     |
 *      +---------------+---------------+-------------------------------+
 *
 * Neighbour discovery never crosses a router: whoever reads it checks that the hop limit is 255 (§7.1).
 */
import { assert } from '../base/assert.ts'
import { concatBytes, viewOf } from '../base/bytes.ts'
import { bytesToIp, ipToBytes } from '../base/ip.ts'
import { bytesToMac, macToBytes } from '../base/mac.ts'
import { header } from '../subset/struct.ts'
import { checksum, pseudoHeaderSum } from './checksum.ts'
import { Icmpv6Type } from './icmpv6.ts'
import { Protocol } from './ip-protocol.ts'

/** Neighbour solicitation and advertisement. */
export const Ndp = header('ndp', {
  type: 'u8',
  code: 'u8',
  checksum: 'u16',
  flags: 'u32',
  target0: 'u32',
  target1: 'u32',
  target2: 'u32',
  target3: 'u32',
})

/** Source or target link-layer address option. */
export const NdpLinkLayer = header('ndp-link-layer', {
  type: 'u8',
  length: 'u8',
  macHigh: 'u16',
  macLow: 'u32',
})

/** Of `flags`, in advertisements. */
export const NdpFlag = { router: 0x80000000, solicited: 0x40000000, override: 0x20000000 } as const

export const NdpOptionType = { sourceLinkLayer: 1, targetLinkLayer: 2 } as const

/** A solicitation or advertisement as the control plane sees it. */
export interface NdpMessage {
  /** `Icmpv6Type.neighbourSolicitation` or `neighbourAdvertisement`. */
  readonly type: number
  /** `NdpFlag`s; 0 in solicitations. */
  readonly flags: number
  readonly target: string
  readonly options: readonly NdpOption[]
  /** As it was found; computed by `emitNdp` if left out. */
  readonly checksum?: number | undefined
}

/** One option: `data` is what follows type and length, 6 bytes or 8 more and so on. */
export interface NdpOption {
  readonly type: number
  readonly data: Uint8Array
}

const TARGET_AT = Ndp.offsets.target0

/** Of an ICMPv6 message; undefined if cut, another type, or with an option of impossible length. */
export function parseNdp(bytes: Uint8Array): NdpMessage | undefined {
  if (bytes.length < Ndp.size) return undefined
  const { type, code, flags, checksum } = Ndp.view(viewOf(bytes), 0)
  const isSolicitation = type === Icmpv6Type.neighbourSolicitation
  if (!isSolicitation && type !== Icmpv6Type.neighbourAdvertisement) return undefined
  if (code !== 0) return undefined
  const target = bytesToIp(bytes.subarray(TARGET_AT, Ndp.size))
  const options = parseNdpOptions(bytes.subarray(Ndp.size))
  return options && { type, flags, target, options, checksum }
}

function parseNdpOptions(bytes: Uint8Array): NdpOption[] | undefined {
  const options: NdpOption[] = []
  for (let at = 0; at < bytes.length;) {
    const length = (bytes[at + 1] ?? 0) * 8
    if (length === 0 || at + length > bytes.length) return undefined // RFC 4861 §4.6
    options.push({ type: bytes[at]!, data: bytes.subarray(at + 2, at + length) })
    at += length
  }
  return options
}

/** The ICMPv6 message's bytes; the addresses are for the checksum. */
export function emitNdp(message: NdpMessage, source: string, destination: string): Uint8Array {
  const options = message.options.map(({ type, data }) => {
    assert((data.length + 2) % 8 === 0, `a neighbour discovery option of ${data.length} bytes`)
    return Uint8Array.of(type, (data.length + 2) / 8, ...data)
  })
  const bytes = concatBytes(new Uint8Array(Ndp.size), ...options)
  const ndp = Ndp.view(viewOf(bytes), 0)
  ndp.type = message.type
  ndp.flags = message.flags
  bytes.set(ipToBytes(message.target), TARGET_AT)
  const pseudoSum = pseudoHeaderSum(source, destination, Protocol.icmpv6, bytes.length)
  ndp.checksum = message.checksum ?? checksum(bytes, pseudoSum)
  return bytes
}

/** The option that says at which MAC address to find somebody; `type` of `NdpOptionType`. */
export function linkLayerOption(type: number, mac: string): NdpOption {
  return { type, data: macToBytes(mac) }
}

/** The sender's MAC address in a solicitation, the target's in an advertisement, if it is told. */
export function linkLayerOf(message: NdpMessage): string | undefined {
  const isSolicitation = message.type === Icmpv6Type.neighbourSolicitation
  const type = isSolicitation ? NdpOptionType.sourceLinkLayer : NdpOptionType.targetLinkLayer
  const option = message.options.find((candidate) => candidate.type === type)
  return option?.data.length === 6 ? bytesToMac(option.data) : undefined
}

/** The group that `ip` listens to for solicitations: ff02::1:ff and its last 24 bits (RFC 4291 §2.7.1). */
export function solicitedNodeGroup(ip: string): string {
  const group = ipToBytes('ff02::1:ff00:0')
  group.set(ipToBytes(ip).subarray(13), 13)
  return bytesToIp(group)
}

/** The MAC address of an IPv6 group: 33:33 and its last 32 bits (RFC 2464 §7). */
export function groupMac(ip: string): string {
  return bytesToMac(concatBytes(Uint8Array.of(0x33, 0x33), ipToBytes(ip).subarray(12)))
}

/** 'ICMP6, neighbor solicitation, who has 2001:db8::1, length 32', as tcpdump says it. */
export function formatNdp(message: NdpMessage): string {
  const { type, target, options } = message
  const length = options.reduce((sum, { data }) => sum + data.length + 2, Ndp.size)
  if (type === Icmpv6Type.neighbourSolicitation) {
    return `ICMP6, neighbor solicitation, who has ${target}, length ${length}`
  }
  return `ICMP6, neighbor advertisement, tgt is ${target}, length ${length}`
}
