/**
 * Ethernet II frames — IEEE 802.3, RFC 894.
 *
 *      +-------------------------------+-------------------------------+
 *   0  |           destination address (6 bytes: high 2, low 4)        |
 *   6  |              source address (6 bytes: high 2, low 4)          |
 *  12  |   type (0x0800 IPv4, …)       |  payload from byte 14 …
 *      +-------------------------------+
 *
 * A type below 0x0600 would be an 802.3 length (LLC frames: spanning tree and the like); nothing here
 * reads further into those. Frames come without preamble and frame check sequence.
 */
import { assert } from '../base/assert.ts'
import { concatBytes, viewOf } from '../base/bytes.ts'
import { macToParts, partsToMac } from '../base/mac.ts'
import { header } from '../subset/struct.ts'

export const Ethernet = header('ethernet', {
  destinationHigh: 'u16',
  destinationLow: 'u32',
  sourceHigh: 'u16',
  sourceLow: 'u32',
  type: 'u16',
})

/** What an Ethernet frame, a VLAN tag or a GRE header carries (IEEE 802 numbers). */
export const EtherType = {
  ipv4: 0x0800,
  arp: 0x0806,
  /** 802.1Q tag. */
  vlan: 0x8100,
  ipv6: 0x86dd,
  /** 802.1ad service tag, the outer one of two. */
  qinq: 0x88a8,
} as const

/** A frame as the control plane sees it. */
export interface EthernetFrame {
  readonly destination: string
  readonly source: string
  readonly type: number
  /** With whatever Ethernet padded it. */
  readonly payload: Uint8Array
}

/** Undefined if shorter than a header. */
export function parseEthernet(bytes: Uint8Array): EthernetFrame | undefined {
  if (bytes.length < Ethernet.size) return undefined
  const ethernet = Ethernet.view(viewOf(bytes), 0)
  return {
    destination: partsToMac(ethernet.destinationHigh, ethernet.destinationLow),
    source: partsToMac(ethernet.sourceHigh, ethernet.sourceLow),
    type: ethernet.type,
    payload: bytes.subarray(Ethernet.size),
  }
}

/** The frame's bytes, not padded to Ethernet's minimum of 60: the sender's card does that. */
export function emitEthernet(frame: EthernetFrame): Uint8Array {
  assert(frame.type <= 0xffff, `an EtherType of ${frame.type}`)
  const bytes = concatBytes(new Uint8Array(Ethernet.size), frame.payload)
  const ethernet = Ethernet.view(viewOf(bytes), 0)
  const destination = macToParts(frame.destination)
  const source = macToParts(frame.source)
  ethernet.destinationHigh = destination.high
  ethernet.destinationLow = destination.low
  ethernet.sourceHigh = source.high
  ethernet.sourceLow = source.low
  ethernet.type = frame.type
  return bytes
}

const ETHER_TYPE_NAMES: Readonly<Record<number, string>> = {
  [EtherType.ipv4]: 'IPv4',
  [EtherType.arp]: 'ARP',
  [EtherType.vlan]: '802.1Q',
  [EtherType.ipv6]: 'IPv6',
  [EtherType.qinq]: '802.1Q-QinQ',
}

/** 'ethertype IPv4 (0x0800)', as tcpdump -e says it. */
export function formatEtherType(type: number): string {
  const digits = type.toString(16).padStart(4, '0')
  return `ethertype ${ETHER_TYPE_NAMES[type] ?? 'Unknown'} (0x${digits})`
}

/** 'SOURCE > DESTINATION, ethertype …, length …', as tcpdump -e begins a line. */
export function formatEthernet(frame: EthernetFrame): string {
  const length = Ethernet.size + frame.payload.length
  return `${frame.source} > ${frame.destination}, ${formatEtherType(frame.type)}, length ${length}`
}
