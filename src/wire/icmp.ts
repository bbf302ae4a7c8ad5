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
import { concatBytes, viewOf } from '../base/bytes.ts'
import { header } from '../subset/struct.ts'
import { checksum } from './checksum.ts'
import { Protocol } from './ip-protocol.ts'
import { parseIpv4 } from './ipv4.ts'
import type { Ipv4Packet } from './ipv4.ts'

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

/** A message as the control plane sees it. */
export interface IcmpMessage {
  readonly type: number
  readonly code: number
  /** The four bytes behind the checksum. */
  readonly rest: number
  /** Echo data, or the packet that an error quotes. */
  readonly payload: Uint8Array
  /** As it was found; computed by `emitIcmp` if left out. */
  readonly checksum?: number | undefined
}

/** Undefined if shorter than a header. */
export function parseIcmp(bytes: Uint8Array): IcmpMessage | undefined {
  if (bytes.length < Icmp.size) return undefined
  const { type, code, rest, checksum } = Icmp.view(viewOf(bytes), 0)
  return { type, code, rest, payload: bytes.subarray(Icmp.size), checksum }
}

/** The message's bytes. */
export function emitIcmp(message: IcmpMessage): Uint8Array {
  const bytes = concatBytes(new Uint8Array(Icmp.size), message.payload)
  const icmp = Icmp.view(viewOf(bytes), 0)
  icmp.type = message.type
  icmp.code = message.code
  icmp.rest = message.rest
  icmp.checksum = message.checksum ?? checksum(bytes)
  return bytes
}

/** Does the message quote a packet that caused it? */
export function isIcmpError(type: number): boolean {
  return (
    type === IcmpType.unreachable ||
    type === IcmpType.sourceQuench ||
    type === IcmpType.redirect ||
    type === IcmpType.timeExceeded ||
    type === IcmpType.parameterProblem
  )
}

/** The packet that an error quotes, its payload cut; undefined if there is none. */
export function quotedIpv4(message: IcmpMessage): Ipv4Packet | undefined {
  return isIcmpError(message.type) ? parseIpv4(message.payload, true) : undefined
}

/** 'ICMP echo request, id 1, seq 2, length 64', as tcpdump says it behind the addresses. */
export function formatIcmp(message: IcmpMessage): string {
  return `ICMP ${describe(message)}, length ${Icmp.size + message.payload.length}`
}

function describe(message: IcmpMessage): string {
  const { type, code, rest } = message
  if (type === IcmpType.echoRequest || type === IcmpType.echoReply) {
    const what = type === IcmpType.echoRequest ? 'request' : 'reply'
    return `echo ${what}, id ${rest >>> 16}, seq ${rest & 0xffff}`
  }
  if (type === IcmpType.unreachable) return describeUnreachable(message)
  if (type === IcmpType.timeExceeded && code === 0) return 'time exceeded in-transit'
  if (type === IcmpType.timeExceeded && code === 1) return 'ip reassembly time exceeded'
  if (type === IcmpType.sourceQuench) return 'source quench'
  return `type-#${type}, code ${code}`
}

/** The protocol and the destination port that an error's quoted packet was for, if it tells. */
function quotedTarget(packet: Ipv4Packet): { protocol: string; port: string } {
  const { protocol, payload } = packet
  const name = protocol === Protocol.tcp ? 'tcp' : protocol === Protocol.udp ? 'udp' : undefined
  const port = payload.length >= 4 ? `${viewOf(payload).getUint16(2)}` : '?'
  return { protocol: name ?? `${protocol}`, port }
}

function describeUnreachable(message: IcmpMessage): string {
  const { code, rest } = message
  const quoted = quotedIpv4(message)
  if (quoted === undefined) return `unreachable - #${code}`
  const { destination } = quoted
  const { protocol, port } = quotedTarget(quoted)
  switch (code) {
    case IcmpUnreachable.network:
      return `net ${destination} unreachable`
    case IcmpUnreachable.host:
      return `host ${destination} unreachable`
    case IcmpUnreachable.protocol:
      return `${destination} protocol ${quoted.protocol} unreachable`
    case IcmpUnreachable.port:
      return `${destination} ${protocol} port ${port} unreachable`
    case IcmpUnreachable.fragmentationNeeded: {
      const mtu = rest & 0xffff
      return `${destination} unreachable - need to frag${mtu === 0 ? '' : ` (mtu ${mtu})`}`
    }
    case IcmpUnreachable.administrativelyProhibited:
      return `host ${destination} unreachable - admin prohibited filter`
    default:
      return `${destination} unreachable - #${code}`
  }
}
