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
import { header } from '../subset/struct.ts'

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
