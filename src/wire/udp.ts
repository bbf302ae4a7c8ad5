/**
 * UDP — RFC 768; over IPv6 RFC 8200 §8.1.
 *
 *      +-------------------------------+-------------------------------+
 *   0  |          source port          |       destination port        |
 *   4  |            length             |           checksum            |
 *      +-------------------------------+-------------------------------+
 *
 * Length counts header and payload. Checksum 0 means "none" (over IPv6 only tunnels may, RFC 6935), so a
 * sum that comes out as 0 is sent as 0xffff.
 */
import { header } from '../subset/struct.ts'

export const Udp = header('udp', {
  sourcePort: 'u16',
  destinationPort: 'u16',
  length: 'u16',
  checksum: 'u16',
})
