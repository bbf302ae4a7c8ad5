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
