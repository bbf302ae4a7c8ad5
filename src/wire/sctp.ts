/**
 * SCTP — RFC 9260: a common header, then chunks.
 *
 *      +-------------------------------+-------------------------------+
 *   0  |          source port          |       destination port        |
 *   4  |                       verification tag                        |
 *   8  |            checksum (CRC32c, least significant byte first)    |
 *      +---------------------------------------------------------------+
 *
 *      +---------------+---------------+-------------------------------+
 *   0  |  chunk type   |     flags     |   length, with these 4 bytes  |
 *   4  |  value, then 0 to 3 bytes of padding that length does not count
 *      +---------------------------------------------------------------+
 *
 * The CRC covers ports and payload but no pseudo-header: a NAT that changes ports computes it anew.
 */
import { header } from '../subset/struct.ts'

export const Sctp = header('sctp', {
  sourcePort: 'u16',
  destinationPort: 'u16',
  tag: 'u32',
  checksum: 'u32',
})

export const SctpChunk = header('sctp-chunk', { type: 'u8', flags: 'u8', length: 'u16' })

export const SctpChunkType = {
  data: 0,
  init: 1,
  initAck: 2,
  sack: 3,
  heartbeat: 4,
  heartbeatAck: 5,
  abort: 6,
  shutdown: 7,
  shutdownAck: 8,
  error: 9,
  cookieEcho: 10,
  cookieAck: 11,
  ecne: 12,
  cwr: 13,
  shutdownComplete: 14,
} as const
