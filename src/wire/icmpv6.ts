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
import { concatBytes, viewOf } from '../base/bytes.ts'
import { header } from '../subset/struct.ts'
import { checksum, pseudoHeaderSum } from './checksum.ts'
import { Protocol } from './ip-protocol.ts'
import { parseIpv6 } from './ipv6.ts'
import type { Ipv6Packet } from './ipv6.ts'

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

/** A message as the control plane sees it. */
export interface Icmpv6Message {
  readonly type: number
  readonly code: number
  /** The four bytes behind the checksum. */
  readonly rest: number
  /** Echo data, or the packet that an error quotes. */
  readonly payload: Uint8Array
  /** As it was found; computed by `emitIcmpv6` if left out. */
  readonly checksum?: number | undefined
}

/** Undefined if shorter than a header. */
export function parseIcmpv6(bytes: Uint8Array): Icmpv6Message | undefined {
  if (bytes.length < Icmpv6.size) return undefined
  const { type, code, rest, checksum } = Icmpv6.view(viewOf(bytes), 0)
  return { type, code, rest, payload: bytes.subarray(Icmpv6.size), checksum }
}

/** The message's bytes; the addresses are for the checksum. */
export function emitIcmpv6(
  message: Icmpv6Message,
  source: string,
  destination: string,
): Uint8Array {
  const bytes = concatBytes(new Uint8Array(Icmpv6.size), message.payload)
  const icmp = Icmpv6.view(viewOf(bytes), 0)
  icmp.type = message.type
  icmp.code = message.code
  icmp.rest = message.rest
  const pseudoSum = pseudoHeaderSum(source, destination, Protocol.icmpv6, bytes.length)
  icmp.checksum = message.checksum ?? checksum(bytes, pseudoSum)
  return bytes
}

/** Does the message quote a packet that caused it? */
export function isIcmpv6Error(type: number): boolean {
  return type < 128
}

/** The packet that an error quotes, its payload cut; undefined if there is none. */
export function quotedIpv6(message: Icmpv6Message): Ipv6Packet | undefined {
  return isIcmpv6Error(message.type) ? parseIpv6(message.payload, true) : undefined
}

/** 'ICMP6, echo request, id 1, seq 2, length 64', as tcpdump says it behind the addresses. */
export function formatIcmpv6(message: Icmpv6Message): string {
  return `ICMP6, ${describe(message)}, length ${Icmpv6.size + message.payload.length}`
}

function describe(message: Icmpv6Message): string {
  const { type, code, rest } = message
  switch (type) {
    case Icmpv6Type.echoRequest:
      return `echo request, id ${rest >>> 16}, seq ${rest & 0xffff}`
    case Icmpv6Type.echoReply:
      return `echo reply, id ${rest >>> 16}, seq ${rest & 0xffff}`
    case Icmpv6Type.packetTooBig:
      return `packet too big, mtu ${rest}`
    case Icmpv6Type.timeExceeded:
      return describeTimeExceeded(message)
    case Icmpv6Type.unreachable:
      return describeUnreachable(message)
    case Icmpv6Type.parameterProblem:
      return `parameter problem, code ${code}, pointer ${rest}`
    case Icmpv6Type.routerSolicitation:
      return 'router solicitation'
    case Icmpv6Type.routerAdvertisement:
      return 'router advertisement'
    default:
      return `type ${type}, code ${code}`
  }
}

function describeTimeExceeded(message: Icmpv6Message): string {
  const destination = quotedIpv6(message)?.destination ?? '?'
  if (message.code === 0) return `time exceeded in-transit for ${destination}`
  return `ip reassembly time exceeded for ${destination}`
}

function describeUnreachable(message: Icmpv6Message): string {
  const quoted = quotedIpv6(message)
  const destination = quoted?.destination ?? '?'
  switch (message.code) {
    case Icmpv6Unreachable.noRoute:
      return `destination unreachable, unreachable route ${destination}`
    case Icmpv6Unreachable.administrativelyProhibited:
      return `destination unreachable, unreachable prohibited ${destination}`
    case Icmpv6Unreachable.address:
      return `destination unreachable, unreachable address ${destination}`
    case Icmpv6Unreachable.port:
      return `destination unreachable, unreachable port, ${destination} ${quotedTarget(quoted)}`
    default:
      return `destination unreachable, code ${message.code}`
  }
}

function quotedTarget(quoted: Ipv6Packet | undefined): string {
  if (quoted === undefined || quoted.payload.length < 4) return 'port ?'
  const { protocol } = quoted
  const name = protocol === Protocol.tcp ? 'tcp' : protocol === Protocol.udp ? 'udp' : `${protocol}`
  return `${name} port ${viewOf(quoted.payload).getUint16(2)}`
}
