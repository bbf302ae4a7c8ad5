/**
 * ICMP — RFC 792. Fragmentation needed with the next hop's MTU: RFC 1191.
 *
 *      +---------------+---------------+-------------------------------+
 *   0  |     type      |     code      |           checksum            |
 *   4  |  rest: echo identifier, sequence; unreachable code 4: 0, MTU   |
 *   8  |  errors: the packet that caused it, its IPv4 header and ≥ 8 bytes of payload
 *      +---------------------------------------------------------------+
 *
 * The checksum covers all of the message and no pseudo-header.
 */
import { header } from '../subset/struct.ts'

export const Icmp = header('icmp', { type: 'u8', code: 'u8', checksum: 'u16', rest: 'u32' })

export const IcmpType = {
  echoReply: 0,
  unreachable: 3,
  sourceQuench: 4,
  redirect: 5,
  echoRequest: 8,
  timeExceeded: 11,
  parameterProblem: 12,
  timestampRequest: 13,
  timestampReply: 14,
} as const

/** Codes of `IcmpType.unreachable`. */
export const IcmpUnreachable = {
  network: 0,
  host: 1,
  protocol: 2,
  port: 3,
  fragmentationNeeded: 4,
  administrativelyProhibited: 13,
} as const
