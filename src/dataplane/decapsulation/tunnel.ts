/**
 * What is found out about one tunnel packet on the way from its envelope to the packet in it.
 *
 *   frame   | … | outer IP header | envelope             | packet                          | padding
 *                                 ^ begin                ^ start                           ^ end
 *                                                        |<--- length -------------------->|   at most to `end`
 */
import { row, type ViewOf } from '../../subset/struct.ts'

export const Tunnel = row('tunnel', {
  /** Where what stands behind the outer IP header begins (of GUE: behind UDP's), and where the outer packet ends. */
  begin: 'u32',
  end: 'u32',
  /** The packet inside. */
  start: 'u32',
  length: 'u32',
  /** Where its partial checksum's sum begins, from `start`, and where the checksum is from there; 0 and 0 without. */
  checksumStart: 'u32',
  checksumOffset: 'u32',
  /** A checksum around it: of everything from `sumStart` on and what `sumBefore` has summed. */
  sumStart: 'u32',
  sumBefore: 'u32',
  /** Of a checksum that is left to us (GUE): where what it covers begins and where it lies, from `start`. */
  remoteStart: 'u32',
  remoteOffset: 'u32',
  /** Of the packet inside: 4 or 6. */
  family: 'u8',
  /** Is there a checksum around it? Is one left to us? 0 or 1. */
  isSummed: 'u8',
  isRemote: 'u8',
  /** The outer header's traffic class, and the one that the packet goes on with. */
  outerClass: 'u8',
  trafficClass: 'u8',
  /** Outcome.ipip, gre or gue. */
  kind: 'u8',
  unused: 'u16',
})
export type Tunnel = ViewOf<typeof Tunnel>

/** Before a packet is looked at. */
export function clearTunnel(tunnel: Tunnel): void {
  tunnel.begin = 0
  tunnel.end = 0
  tunnel.start = 0
  tunnel.length = 0
  tunnel.checksumStart = 0
  tunnel.checksumOffset = 0
  tunnel.sumStart = 0
  tunnel.sumBefore = 0
  tunnel.remoteStart = 0
  tunnel.remoteOffset = 0
  tunnel.family = 0
  tunnel.isSummed = 0
  tunnel.isRemote = 0
  tunnel.outerClass = 0
  tunnel.trafficClass = 0
  tunnel.kind = 0
}
