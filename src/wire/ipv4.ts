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
import { header } from '../subset/struct.ts'

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

/** `versionAndLength` of a header without options. */
export const IPV4_WITHOUT_OPTIONS = 0x45

/** Of `flagsAndOffset`. */
export const DONT_FRAGMENT = 0x4000
export const MORE_FRAGMENTS = 0x2000
/** Of `flagsAndOffset`: where in the whole packet's payload this fragment begins, in units of 8 bytes. */
export const OFFSET_MASK = 0x1fff
