/**
 * What stands between the outer IP header and the packet in a tunnel: nothing, GRE, or UDP and GUE.
 *
 *   IPIP   nothing                                              RFC 2003, 2473, 4213
 *   GRE    flags, EtherType (4); with checksum 8                RFC 2784
 *   GUE    UDP (8), GUE version 0 without extensions (4)        wire/gue.ts
 *
 * As ipvs_gre_encap and ipvs_gue_encap write them (net/netfilter/ipvs/ip_vs_xmit.c). A checksum of a frame that stands
 * for segments is left to whoever cuts it: each segment needs its own.
 *
 * Differs from IPVS: with `--tun-remcsum` it tells the server by an option to compute the inner checksum, where the
 * frame comes from a host of its own that left it to hardware. Here such a frame goes like all others, its inner
 * checksum finished; what came over a wire is the same in both.
 */
import { u16, u32, type u8 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { row, type ViewOf } from '../subset/struct.ts'
import { add32, fold, SUM_FRAME_MAX } from '../wire/checksum.ts'
import { EtherType } from '../wire/ethernet.ts'
import { Gre, GreChecksum, GreFlag } from '../wire/gre.ts'
import { Gue } from '../wire/gue.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { Udp } from '../wire/udp.ts'
import type { Flow } from './flow.ts'
import { TunnelFlag, TunnelType, type Server } from './tables.ts'
import { sumWhole } from './whole-sum.ts'

/** IANA's dynamic ports, from which the source port tells flows apart (RFC 7605). */
const SOURCE_PORTS = 0xc000
const SOURCE_PORT_BITS = 0x3fff

/** Our end of the tunnel, read before the frame is moved. */
export const TunnelSource = row('tunnelSource', {
  address0: 'u32',
  address1: 'u32',
  address2: 'u32',
  address3: 'u32',
})
export type TunnelSource = ViewOf<typeof TunnelSource>

const greAt = Gre.cursor()
const greChecksumAt = GreChecksum.cursor()
const greSumAt = GreChecksum.cursor()
const udpAt = Udp.cursor()
const udpSumAt = Udp.cursor()
const gueAt = Gue.cursor()

export function hasChecksum(server: Server): boolean {
  return (server.tunnelFlags & (TunnelFlag.checksum | TunnelFlag.remoteChecksum)) !== 0
}

/** Bytes between the two IP headers. */
export function bytesBetween(server: Server): u32 {
  if (server.tunnelType === TunnelType.ipip) return 0
  if (server.tunnelType === TunnelType.gue) return 12
  return hasChecksum(server) ? 8 : 4
}

/** Can the checksum, if there is to be one, be computed? Not over more than `sumFrame` sums. */
export function canSum(packet: Packet, flow: Flow, server: Server): boolean {
  if (server.tunnelType === TunnelType.ipip || !hasChecksum(server)) return true
  return packet.segmentSize !== 0 || flow.length + 12 <= SUM_FRAME_MAX
}

/**
 * Writes it at `offset`, with the packet right behind it; `outer` bytes were put in front of that in all. The protocol
 * number by which the outer IP header announces it.
 */
export function writeBetween(
  packet: Packet,
  flow: Flow,
  server: Server,
  source: TunnelSource,
  offset: u32,
  outer: u32,
): u8 {
  const transport: u32 = u32(flow.transport + outer)
  if (server.tunnelType === TunnelType.gre) {
    writeGre(packet, flow, hasChecksum(server), offset, transport)
    return Protocol.gre
  }
  writeGue(packet, flow, server, offset)
  if (hasChecksum(server)) writeUdpChecksum(packet, flow, server, source, offset, transport)
  return Protocol.udp
}

function writeGre(
  packet: Packet,
  flow: Flow,
  isSummed: boolean,
  offset: u32,
  transport: u32,
): void {
  const gre = greAt.at(packet, offset)
  if (gre === null) return
  gre.flagsAndVersion = isSummed ? GreFlag.checksum : 0
  gre.protocol = flow.family === 4 ? EtherType.ipv4 : EtherType.ipv6
  if (!isSummed) return
  const blank = greChecksumAt.at(packet, u32(offset + 4))
  if (blank === null) return
  blank.checksum = 0
  blank.reserved = 0
  if (packet.segmentSize !== 0) return
  const sum: u32 = sumWhole(packet, flow, offset, u32(8 + flow.length), transport)
  const field = greSumAt.at(packet, u32(offset + 4))
  if (field !== null) field.checksum = complementOf(sum)
}

function writeGue(packet: Packet, flow: Flow, server: Server, offset: u32): void {
  const udp = udpAt.at(packet, offset)
  if (udp === null) return
  udp.sourcePort = u16(SOURCE_PORTS | (flow.hash & SOURCE_PORT_BITS))
  udp.destinationPort = server.tunnelPort
  udp.length = u16(12 + flow.length)
  udp.checksum = 0
  const gue = gueAt.at(packet, u32(offset + 8))
  if (gue === null) return
  gue.control = 0
  gue.protocol = flow.family === 4 ? Protocol.ipip : Protocol.ipv6
  gue.flags = 0
}

/** UDP's, over the outer addresses, too; where there are segments, only that there is to be one. */
function writeUdpChecksum(
  packet: Packet,
  flow: Flow,
  server: Server,
  source: TunnelSource,
  offset: u32,
  transport: u32,
): void {
  const bytes: u32 = u32(12 + flow.length)
  let sum: u32 = 0
  if (packet.segmentSize === 0) {
    sum = sumWhole(packet, flow, offset, bytes, transport)
    sum = add32(sum, u32(Protocol.udp + bytes))
    sum = add32(add32(sum, source.address3), server.address3)
    if (server.family === 6) {
      sum = add32(add32(add32(sum, source.address0), source.address1), source.address2)
      sum = add32(add32(add32(sum, server.address0), server.address1), server.address2)
    }
  }
  const udp = udpSumAt.at(packet, offset)
  if (udp !== null) udp.checksum = complementOf(sum)
}

/** Of the two zeros the one that says something (Linux: CSUM_MANGLED_0). */
function complementOf(sum: u32): u16 {
  const checksum: u16 = fold(sum) ^ 0xffff
  return checksum === 0 ? 0xffff : checksum
}
