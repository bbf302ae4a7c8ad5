/**
 * Short ways to write a frame, for tests and the laboratory:
 *
 *     tcpFrame('10.0.0.10:40000', '10.0.0.100:80', { flags: TcpFlag.syn })
 *     udpFrame('[2001:db8:a::10]:5000', '[2001:db8:a::100]:53', { data: 'hello' })
 *
 * All layers below have defaults, and `over` sets any of theirs: `{ over: { ip: { timeToLive: 1 } } }`.
 */
import { assert } from '../base/assert.ts'
import { familyOf, parseIp } from '../base/ip.ts'
import { emitFrame } from './frame.ts'
import type { FrameSpec, IpLayersSpec, IpSpec } from './frame.ts'
import { IcmpType } from './icmp.ts'
import { Icmpv6Type } from './icmpv6.ts'
import type { SctpPacket } from './sctp.ts'
import { emitTcpOptions } from './tcp.ts'
import type { TcpOption, TcpSegment } from './tcp.ts'
import type { UdpDatagram } from './udp.ts'

/** An address and a port. */
export interface Endpoint {
  readonly ip: string
  readonly port: number
}

/** What may be set of the layers below the transport. */
export interface Over {
  readonly over?: Omit<FrameSpec, keyof IpLayersSpec> & { readonly ip?: Partial<IpSpec> }
}

export interface Data {
  /** Payload; text goes out as UTF-8. */
  readonly data?: Uint8Array | string
}

export interface TcpFrameOptions
  extends Over, Data, Partial<Omit<TcpSegment, 'sourcePort' | 'destinationPort' | 'options'>> {
  readonly options?: readonly TcpOption[]
}
export interface UdpFrameOptions extends Over, Data, Pick<Partial<UdpDatagram>, 'checksum'> {}
export interface SctpFrameOptions
  extends Over, Partial<Omit<SctpPacket, 'sourcePort' | 'destinationPort'>> {}
export interface EchoFrameOptions extends Over, Data {
  readonly identifier?: number
  readonly sequence?: number
  readonly isReply?: boolean
}
export interface IcmpErrorOptions extends Over {
  /** Of `IcmpType` or `Icmpv6Type`, by the family of the addresses. */
  readonly type: number
  readonly code?: number
  /** The four bytes behind the checksum: the MTU, in "fragmentation needed" and "packet too big". */
  readonly rest?: number
  /** The IP packet that caused it, as long as it is to be quoted. */
  readonly quoted: Uint8Array
}

/** A TCP segment from endpoint to endpoint ('10.0.0.1:80', '[2001:db8::1]:80'). */
export function tcpFrame(from: string, to: string, tcp: TcpFrameOptions = {}): Uint8Array {
  const { over, data, options = [], ...segment } = tcp
  const ports = portsOf(from, to)
  const payload = segment.payload ?? bytesOf(data)
  const layer = { ...segment, ...ports, payload, options: emitTcpOptions(options) }
  return emitFrame({ ...below(from, to, over), tcp: layer })
}

/** A UDP datagram from endpoint to endpoint. */
export function udpFrame(from: string, to: string, options: UdpFrameOptions = {}): Uint8Array {
  const { over, data, ...datagram } = options
  const layer = { ...datagram, ...portsOf(from, to), payload: bytesOf(data) }
  return emitFrame({ ...below(from, to, over), udp: layer })
}

/** An SCTP packet from endpoint to endpoint. */
export function sctpFrame(from: string, to: string, options: SctpFrameOptions = {}): Uint8Array {
  const { over, ...packet } = options
  return emitFrame({ ...below(from, to, over), sctp: { ...packet, ...portsOf(from, to) } })
}

/** An ICMP or ICMPv6 echo request or reply, by the family of the addresses. */
export function echoFrame(from: string, to: string, options: EchoFrameOptions = {}): Uint8Array {
  const { over, data, identifier = 1, sequence = 1, isReply = false } = options
  const rest = ((identifier << 16) | sequence) >>> 0
  const base = below(from, to, over)
  const message = { rest, payload: bytesOf(data) }
  if (familyOf(base.ip.source) === 4) {
    const type = isReply ? IcmpType.echoReply : IcmpType.echoRequest
    return emitFrame({ ...base, icmp: { type, ...message } })
  }
  const type = isReply ? Icmpv6Type.echoReply : Icmpv6Type.echoRequest
  return emitFrame({ ...base, icmpv6: { type, ...message } })
}

/** An ICMP or ICMPv6 error, by the family of the addresses. */
export function icmpErrorFrame(from: string, to: string, options: IcmpErrorOptions): Uint8Array {
  const { over, type, code = 0, rest = 0, quoted } = options
  const base = below(from, to, over)
  const message = { type, code, rest, payload: quoted }
  const isIpv4 = familyOf(base.ip.source) === 4
  return emitFrame({ ...base, ...(isIpv4 ? { icmp: message } : { icmpv6: message }) })
}

/** Reads '10.0.0.1:80', '[2001:db8::1]:80' or an address alone (port 0); asserts that it is one. */
export function endpoint(text: string): Endpoint {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text)
  const address = parseIp(match === null ? text : (match[1] ?? match[2] ?? ''))
  const port = Number(match?.[3] ?? 0)
  assert(address !== undefined && port <= 0xffff, `${text} is no endpoint`)
  return { ip: address, port }
}

function portsOf(from: string, to: string): { sourcePort: number; destinationPort: number } {
  return { sourcePort: endpoint(from).port, destinationPort: endpoint(to).port }
}

function below(from: string, to: string, over: Over['over']): FrameSpec & { ip: IpSpec } {
  const ip = { source: endpoint(from).ip, destination: endpoint(to).ip, ...over?.ip }
  return { ...over, ip }
}

function bytesOf(data: Uint8Array | string = ''): Uint8Array {
  return typeof data === 'string' ? new TextEncoder().encode(data) : data
}
