/**
 * What a stretch of a frame will sum to once its transport checksum is whole.
 *
 * While that is left to hardware, its field holds the sum P of the pseudo-header; finished, it makes everything from
 * the transport header to the end sum to ~P, whatever the payload is. So a checksum around it can be written before
 * (Linux: lco_csum, "local checksum offload"), and no payload needs to be read.
 */
import { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { sumFrame } from '../wire/checksum.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { Tcp } from '../wire/tcp.ts'
import { Udp } from '../wire/udp.ts'
import type { Flow } from './flow.ts'

const tcpAt = Tcp.cursor()
const udpAt = Udp.cursor()

/** The sum, not folded, of `length` bytes from `offset` to the packet's end; `transport`: where its header is now. */
export function sumWhole(
  packet: Packet,
  flow: Flow,
  offset: u32,
  length: u32,
  transport: u32,
): u32 {
  const isTcp: boolean = flow.protocol === Protocol.tcp
  if (!packet.hasPartialChecksum || (!isTcp && flow.protocol !== Protocol.udp)) {
    return sumFrame(packet, offset, length)
  }
  const before: u32 = sumFrame(packet, offset, u32(transport - offset))
  if (isTcp) {
    const tcp = tcpAt.at(packet, transport)
    return tcp === null ? before : u32(before + (tcp.checksum ^ 0xffff))
  }
  const udp = udpAt.at(packet, transport)
  return udp === null ? before : u32(before + (udp.checksum ^ 0xffff))
}
