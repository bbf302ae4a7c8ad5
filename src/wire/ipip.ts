/**
 * IP packets of either version, and one inside the other — RFC 2003 (IPv4 in IPv4), RFC 2473 (anything in
 * IPv6), RFC 4213 (IPv6 in IPv4).
 *
 *      +---------------------+---------------------------------------+
 *      |   outer IP header   |  inner IP packet, header and all      |
 *      +---------------------+---------------------------------------+
 *        protocol 4: the inner packet is IPv4;  41: it is IPv6
 *
 * There is no header between them; which version the inner packet has is said twice, and must agree.
 */
import { Protocol } from './ip-protocol.ts'
import { emitIpv4, formatIpv4, isIpv4Fragment, parseIpv4 } from './ipv4.ts'
import type { Ipv4Packet } from './ipv4.ts'
import { emitIpv6, formatIpv6, fragmentOf, parseIpv6 } from './ipv6.ts'
import type { Ipv6Packet } from './ipv6.ts'

/** An IP packet of either version; `version` tells which. */
export type IpPacket = Ipv4Packet | Ipv6Packet

/** A packet in a packet. The outer one's payload is the inner one's bytes. */
export interface IpipPacket {
  readonly outer: IpPacket
  readonly inner: IpPacket
}

/** By its version; undefined if cut or not consistent. `mayBeCut`: see `parseIpv4`. */
export function parseIpPacket(bytes: Uint8Array, mayBeCut = false): IpPacket | undefined {
  const version = (bytes[0] ?? 0) >>> 4
  if (version === 4) return parseIpv4(bytes, mayBeCut)
  return version === 6 ? parseIpv6(bytes, mayBeCut) : undefined
}

/** The packet's bytes. */
export function emitIpPacket(packet: IpPacket): Uint8Array {
  return packet.version === 4 ? emitIpv4(packet) : emitIpv6(packet)
}

/** One line about its header. */
export function formatIpPacket(packet: IpPacket): string {
  return packet.version === 4 ? formatIpv4(packet) : formatIpv6(packet)
}

/** Is it a part of a fragmented packet? (A lone fragment, with offset 0 and no more to come, is whole.) */
export function isFragment(packet: IpPacket): boolean {
  if (packet.version === 4) return isIpv4Fragment(packet)
  const fragment = fragmentOf(packet)
  return fragment !== undefined && (fragment.moreFragments || fragment.offset > 0)
}

/** The protocol number by which an outer header announces `inner`. */
export function tunnelProtocolOf(inner: IpPacket): number {
  return inner.version === 4 ? Protocol.ipip : Protocol.ipv6
}

/** Undefined if `bytes` is no whole packet that carries, unfragmented, a whole packet. */
export function parseIpip(bytes: Uint8Array): IpipPacket | undefined {
  const outer = parseIpPacket(bytes)
  if (outer === undefined || isFragment(outer)) return undefined
  const inner = parseIpPacket(outer.payload)
  if (inner === undefined || outer.protocol !== tunnelProtocolOf(inner)) return undefined
  return { outer, inner }
}

/** The bytes of `inner` in `outer`, whose payload and protocol are set accordingly. */
export function emitIpip(outer: IpPacket, inner: IpPacket): Uint8Array {
  const payload = emitIpPacket(inner)
  return emitIpPacket({ ...outer, payload, protocol: tunnelProtocolOf(inner) })
}

/** Both headers, the outer one first. */
export function formatIpip(packet: IpipPacket): string {
  return `${formatIpPacket(packet.outer)}: ${formatIpPacket(packet.inner)}`
}
