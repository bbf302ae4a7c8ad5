/**
 * The last step: a frame, rewritten, gets its MAC addresses and an interface to leave by.
 *
 * A hop whose MAC address is not known yet does not cost the frame: its verdict is `hold`, the engine asks the
 * kernel to resolve `flow.next…` on `flow.egress` and sends the frame then.
 */
import { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { Ethernet, EtherType } from '../wire/ethernet.ts'
import type { Flow } from './flow.ts'
import { ETHERNET_BYTES, leaveLong, waitLong } from './oversize.ts'
import { hops, NONE, type Hop } from './tables.ts'
import { isResolved } from './route.ts'
import { Reason } from './verdict.ts'

const ethernetAt = Ethernet.cursor()
const typeAt = Ethernet.cursor()
const hopAt = hops.cursor()
const mtuHopAt = hops.cursor()

/** Writes the frame's MAC addresses for row `row` of `hops`. `reason` if it can leave, else nextHopUnresolved. */
export function sendTo(packet: Packet, flow: Flow, row: u32, reason: u32): u32 {
  if (flow.egress === 0) return Reason.noRoute
  const hop = hopAt.at(row)
  if (hop === null || !isResolved(hop)) return waitLong(packet, flow, row)
  if (!writeMacs(packet, hop)) return Reason.noRoom
  flow.egress = hop.interface
  flow.hop = row
  flow.mtu = hop.mtu === 0 ? NONE : hop.mtu
  if (u32(packet.length - ETHERNET_BYTES) > flow.mtu) return leaveLong(packet, flow, row, reason)
  return reason
}

/** The MAC addresses of the hop and of the interface to it. */
export function writeMacs(packet: Packet, hop: Hop): boolean {
  const ethernet = ethernetAt.at(packet, 0)
  if (ethernet === null) return false
  ethernet.destinationHigh = hop.macHigh
  ethernet.destinationLow = hop.macLow
  ethernet.sourceHigh = hop.sourceHigh
  ethernet.sourceLow = hop.sourceLow
  return true
}

/** After the outer header changed family, the frame's EtherType says so. */
export function setEtherType(packet: Packet, family: u32): void {
  const ethernet = typeAt.at(packet, 0)
  if (ethernet === null) return
  ethernet.type = family === 4 ? EtherType.ipv4 : EtherType.ipv6
}

/** Bytes of IP packet that the hop takes; NONE if the hop is not known yet. */
export function mtuOf(row: u32): u32 {
  const hop = mtuHopAt.at(row)
  return hop === null || hop.mtu === 0 ? NONE : hop.mtu
}
