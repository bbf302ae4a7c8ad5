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
import { header } from '../subset/struct.ts'

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
