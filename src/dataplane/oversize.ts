/**
 * Frames that are longer than their way takes, and that may be cut: IPv4 without DF, and tunnel packets of our own.
 *
 * The packet path cannot make two frames of one. An engine that can says so (`settings.cutter` is 0); else it names
 * a device of its own by which such frames leave, and cuts what comes there (src/engine/cutter.ts). Which way they were
 * to go then stands in the place of the MAC addresses, which have still to be written:
 *
 *   0  egress, upper half | 2  row of `hops`, or NONE | 6  egress, lower half | 8  neighbour, if it is an IPv4 address
 *
 * A fragment that came before the first one of its datagram takes the same way, to wait there: with EARLY for a row,
 * and the interface it came in on instead of the egress. So does a packet whose call is to be read (call.ts); and a
 * frame that stands for many segments in a tunnel with checksums: the kernel cuts it where it enters the device, and
 * each segment, marked UNSUMMED, gets its own there.
 */
import { u16, u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { Ethernet } from '../wire/ethernet.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { DONT_FRAGMENT, Ipv4 } from '../wire/ipv4.ts'
import { Tcp } from '../wire/tcp.ts'
import type { Flow } from './flow.ts'
import { hops, interfaces, NONE, settings } from './tables.ts'
import { Reason } from './verdict.ts'

export const ETHERNET_BYTES = 14
/** No row of `hops`. */
export const EARLY = 0xfffffffe
/** With the egress's upper half: its tunnel checksum has still to be written. */
export const UNSUMMED = 0x8000

const ethernetAt = Ethernet.cursor()
const ipv4At = Ipv4.cursor()
const tcpAt = Tcp.cursor()
const settingsAt = settings.cursor()
const hopAt = hops.cursor()
const longHopAt = hops.cursor()
const unsummedAt = Ethernet.cursor()
const unsummedSettingsAt = settings.cursor()
const earlyAt = Ethernet.cursor()
const earlySettingsAt = settings.cursor()
const interfaceAt = interfaces.cursor()

/**
 * A frame, longer than `flow.mtu`, that leaves by row `hop` of `hops` but for that. `reason` if it can, perhaps by
 * the engine's device. @apart
 */
export function leaveLong(packet: Packet, flow: Flow, hop: u32, reason: u32): u32 {
  const common = settingsAt.at(0)
  if (common === null || common.cutter === 0) return reason
  const bytes: u32 = u32(sizeOnWire(packet, flow) + flow.outerBytes)
  if (packet.segmentSize !== 0 && bytes <= flow.mtu) return reason
  if (!mayBeCut(packet, flow)) return reason
  if (common.cutter === NONE) return Reason.tooLong
  return leaveByCutter(packet, flow, hop, common.cutter, 0) ? reason : Reason.noRoom
}

/**
 * A large frame in a tunnel with checksums leaves, or waits, `reason` says which, by row `hop` of `hops` but for those.
 * @apart
 */
export function leaveUnsummed(packet: Packet, flow: Flow, hop: u32, reason: u32): u32 {
  const common = unsummedSettingsAt.at(0)
  if (common === null || common.cutter === 0) return reason
  if (reason !== Reason.toServer && reason !== Reason.nextHopUnresolved) return reason
  if (flow.egress !== common.cutter) {
    return leaveByCutter(packet, flow, hop, common.cutter, UNSUMMED) ? reason : Reason.noRoom
  }
  const ethernet = unsummedAt.at(packet, 0)
  if (ethernet === null) return Reason.noRoom
  ethernet.destinationHigh = u16(ethernet.destinationHigh | UNSUMMED)
  return reason
}

/** False: it is no frame. */
function leaveByCutter(packet: Packet, flow: Flow, hop: u32, cutter: u32, mark: u32): boolean {
  const ethernet = ethernetAt.at(packet, 0)
  if (ethernet === null) return false
  ethernet.destinationHigh = u16((flow.egress >>> 16) | mark)
  ethernet.destinationLow = hop
  ethernet.sourceHigh = u16(flow.egress & 0xffff)
  const known = longHopAt.at(hop)
  ethernet.sourceLow = known === null ? flow.next3 : known.address3
  flow.egress = cutter
  return true
}

/**
 * The same for a frame that waits for its neighbour: whose, into `flow.next…`. Where nobody knows that one yet, its row
 * is NONE, and `findHop` wrote it. @apart
 */
export function waitLong(packet: Packet, flow: Flow, hop: u32): u32 {
  const known = hopAt.at(hop)
  const way = interfaceAt.at(flow.egress)
  if (known !== null) {
    flow.next0 = known.address0
    flow.next1 = known.address1
    flow.next2 = known.address2
    flow.next3 = known.address3
  }
  if (known !== null && known.mtu !== 0) flow.mtu = known.mtu
  else if (way !== null && way.mtu !== 0) flow.mtu = way.mtu
  if (u32(packet.length - ETHERNET_BYTES) <= flow.mtu) return Reason.nextHopUnresolved
  return leaveLong(packet, flow, hop, Reason.nextHopUnresolved)
}

/** A fragment whose datagram's first one has not come. */
export function waitForFirst(packet: Packet, flow: Flow): u32 {
  return handOver(packet, flow, Reason.fragmentEarly)
}

/** A frame that the daemon has take the packet path once more, if there is one. `reason`, which is why. @apart */
export function handOver(packet: Packet, flow: Flow, reason: u32): u32 {
  const common = earlySettingsAt.at(0)
  if (common === null || common.cutter === 0 || common.cutter === NONE) return reason
  const ethernet = earlyAt.at(packet, 0)
  if (ethernet === null) return Reason.noRoom
  ethernet.destinationHigh = u16(packet.ingress >>> 16)
  ethernet.destinationLow = EARLY
  ethernet.sourceHigh = u16(packet.ingress & 0xffff)
  flow.egress = common.cutter
  return reason
}

function mayBeCut(packet: Packet, flow: Flow): boolean {
  const ip = ipv4At.at(packet, flow.network)
  if (ip === null) return false
  if (ip.versionAndLength >>> 4 !== 4) return flow.outerBytes !== 0
  return (ip.flagsAndOffset & DONT_FRAGMENT) === 0
}

/**
 * Bytes of the largest IP packet this frame becomes on the wire, without what was put in front of it: with segmentation
 * offload, of one segment.
 */
export function sizeOnWire(packet: Packet, flow: Flow): u32 {
  if (packet.segmentSize === 0) return flow.length
  const headers: u32 = u32(flow.transport - flow.network)
  if (flow.protocol !== Protocol.tcp) return u32(headers + 8 + packet.segmentSize)
  const tcp = tcpAt.at(packet, flow.transport + flow.outerBytes)
  const tcpBytes: u32 = tcp === null ? 20 : (tcp.offsetAndFlags >>> 12) * 4
  return u32(headers + tcpBytes + packet.segmentSize)
}
