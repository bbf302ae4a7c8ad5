/**
 * ICMPv6 — RFC 4443. Types 133 to 137 are neighbour discovery: ndp.ts.
 *
 *      +---------------+---------------+-------------------------------+
 *   0  |     type      |     code      |           checksum            |
 *   4  |  rest: echo identifier, sequence; packet too big: the MTU      |
 *   8  |  errors: as much of the packet that caused it as fits into 1280 bytes in all
 *      +---------------------------------------------------------------+
 *
 * Unlike ICMP's, the checksum covers a pseudo-header. Types below 128 are errors.
 */
import { header } from '../subset/struct.ts'

export const Icmpv6 = header('icmpv6', { type: 'u8', code: 'u8', checksum: 'u16', rest: 'u32' })

export const Icmpv6Type = {
  unreachable: 1,
  packetTooBig: 2,
  timeExceeded: 3,
  parameterProblem: 4,
  echoRequest: 128,
  echoReply: 129,
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighbourSolicitation: 135,
  neighbourAdvertisement: 136,
  redirect: 137,
} as const

/** Codes of `Icmpv6Type.unreachable`. */
export const Icmpv6Unreachable = {
  noRoute: 0,
  administrativelyProhibited: 1,
  address: 3,
  port: 4,
} as const
