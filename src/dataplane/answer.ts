/**
 * ICMP errors that the director itself sends: "unreachable", "time exceeded", "too big" — RFC 792, RFC 4443.
 *
 * The frame in hand becomes the answer: cut to what an error may quote, new headers in front, MAC addresses
 * swapped, and out where it came from. It speaks for the VIP, as IPVS does, unless the caller says otherwise.
 *
 *   before   | Ethernet |            IP packet …                             |
 *   after    | Ethernet | IP | ICMP type code sum | rest | IP packet, cut … |
 *
 * The quoted packet's own checksum may still be hardware's to finish, as before.
 *
 * No answer to an ICMP error, a later fragment, or a source that is no single host (RFC 1122 3.2.2).
 */
import { u16, u32, type u8 } from '../subset/integers.ts'
import { now, TICKS_PER_SECOND } from '../subset/clock.ts'
import { Encapsulation, type Packet } from '../subset/packet.ts'
import { add32, fold, sumFrame, sumTwenty } from '../wire/checksum.ts'
import { Ethernet } from '../wire/ethernet.ts'
import { Icmp } from '../wire/icmp.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { Ipv4 } from '../wire/ipv4.ts'
import { Ipv6 } from '../wire/ipv6.ts'
import { div } from '../subset/integers.ts'
import { FragmentKind, type Flow } from './flow.ts'
import { ICMP_ERROR_MAX, ICMPV6_ERROR_MAX } from './limits.ts'
import { settings } from './tables.ts'
import { Reason } from './verdict.ts'
import { sumWhole } from './whole-sum.ts'

/** What to say. */
export const Answer = { unreachable: 0, timeExceeded: 1, tooBig: 2, noRoute: 3, stray: 4 } as const

const TIME_TO_LIVE = 64
/** Precedence "internetwork control", as Linux gives its errors. */
const INTERNETWORK_CONTROL = 0xc0

const ethernetAt = Ethernet.cursor()
const ipv4At = Ipv4.cursor()
const ipv6At = Ipv6.cursor()
const icmpAt = Icmp.cursor()
const checksumAt = Icmp.cursor()
const settingsAt = settings.cursor()

/**
 * Turns the frame into the answer, from the address in `flow.destination…` to the one in `flow.source…`. `mtu` for
 * tooBig. The reason that tells the answer was sent; `silent` if none is due; icmpLimit or noRoom.
 *
 * @apart
 */
export function answer(packet: Packet, flow: Flow, what: u32, mtu: u32, silent: u32): u32 {
  if (flow.icmpError !== 0 || flow.fragment === FragmentKind.later) return silent
  if (!isSingleHost(flow)) return silent
  if (!isWithinLimit()) return Reason.icmpLimit
  if (flow.family === 4) {
    if (!answerIpv4(packet, flow, what, mtu)) return Reason.noRoom
  } else if (!answerIpv6(packet, flow, what, mtu)) return Reason.noRoom
  flow.egress = packet.ingress
  if (what === Answer.unreachable) return Reason.answeredUnreachable
  if (what === Answer.noRoute) return Reason.answeredNoRoute
  if (what === Answer.stray) return Reason.answeredStray
  return what === Answer.timeExceeded ? Reason.answeredTimeExceeded : Reason.answeredTooBig
}

function isSingleHost(flow: Flow): boolean {
  if (flow.family === 4) return flow.source3 >>> 24 !== 0 && flow.source3 >>> 28 < 14
  return flow.source0 >>> 24 !== 0xff && (flow.source0 !== 0 || flow.source3 !== 0)
}

/** At most settings.icmpPerSecond a second. */
function isWithinLimit(): boolean {
  const common = settingsAt.at(0)
  if (common === null) return false
  if (common.icmpPerSecond === 0) return true
  const second: u32 = div(now(), TICKS_PER_SECOND)
  if (common.icmpSecond !== second) {
    common.icmpSecond = second
    common.icmpSent = 0
  }
  if (common.icmpSent >= common.icmpPerSecond) return false
  common.icmpSent = u32(common.icmpSent + 1)
  return true
}

/** Cuts the frame to `quoted` bytes of IP packet, puts `bytes` of headers before it, and swaps the MAC addresses. */
function makeRoom(packet: Packet, flow: Flow, quoted: u32, bytes: u32): boolean {
  // A checksum that hardware finishes must be there to be finished.
  const isCut: boolean = quoted < flow.length && flow.transport + 18 > flow.network + quoted
  if (isCut && packet.hasPartialChecksum) return false
  if (!packet.adjustTail(flow.network + quoted - packet.length)) return false
  if (!packet.encapsulate(bytes, Encapsulation.none)) return false
  const ethernet = ethernetAt.at(packet, 0)
  if (ethernet === null) return false
  const high: u16 = ethernet.sourceHigh
  const low: u32 = ethernet.sourceLow
  ethernet.sourceHigh = ethernet.destinationHigh
  ethernet.sourceLow = ethernet.destinationLow
  ethernet.destinationHigh = high
  ethernet.destinationLow = low
  return true
}

/** Bytes of the IP packet that answers `flow`. */
export function answerBytes(flow: Flow): u32 {
  const headers: u32 = flow.family === 4 ? 28 : 48
  const most: u32 = flow.family === 4 ? ICMP_ERROR_MAX : ICMPV6_ERROR_MAX
  return flow.length + headers < most ? u32(flow.length + headers) : most
}

function answerIpv4(packet: Packet, flow: Flow, what: u32, mtu: u32): boolean {
  const room: u32 = ICMP_ERROR_MAX - 28
  const quoted: u32 = flow.length < room ? flow.length : room
  if (!makeRoom(packet, flow, quoted, 28)) return false
  if (what === Answer.timeExceeded) return writeIpv4Error(packet, flow, 11, 0, 0, quoted)
  if (what === Answer.tooBig) return writeIpv4Error(packet, flow, 3, 4, mtu, quoted)
  return writeIpv4Error(packet, flow, 3, what === Answer.noRoute ? 1 : 3, 0, quoted)
}

/** Headers before `quoted` bytes of packet: an ICMP error, from the flow's destination to its source. */
export function writeIpv4Error(
  packet: Packet,
  flow: Flow,
  type: u8,
  code: u8,
  rest: u32,
  quoted: u32,
): boolean {
  const ip = ipv4At.at(packet, flow.network)
  if (ip === null) return false
  ip.versionAndLength = 0x45
  ip.typeOfService = (flow.trafficClass & 0x1e) | INTERNETWORK_CONTROL
  ip.totalLength = u16(28 + quoted)
  ip.identification = 0
  ip.flagsAndOffset = 0
  ip.timeToLive = TIME_TO_LIVE
  ip.protocol = Protocol.icmp
  ip.checksum = 0
  ip.source = flow.destination3
  ip.destination = flow.source3
  ip.checksum = fold(sumTwenty(packet, flow.network)) ^ 0xffff
  if (!writeIcmp(packet, u32(flow.network + 20), type, code, rest)) return false
  return writeSum(packet, flow, u32(flow.network + 20), quoted, 0)
}

function answerIpv6(packet: Packet, flow: Flow, what: u32, mtu: u32): boolean {
  const room: u32 = ICMPV6_ERROR_MAX - 48
  const quoted: u32 = flow.length < room ? flow.length : room
  if (!makeRoom(packet, flow, quoted, 48)) return false
  if (what === Answer.timeExceeded) return writeIpv6Error(packet, flow, 3, 0, 0, quoted)
  if (what === Answer.tooBig) return writeIpv6Error(packet, flow, 2, 0, mtu, quoted)
  return writeIpv6Error(packet, flow, 1, what === Answer.noRoute ? 3 : 4, 0, quoted)
}

/** The same for IPv6. */
export function writeIpv6Error(
  packet: Packet,
  flow: Flow,
  type: u8,
  code: u8,
  rest: u32,
  quoted: u32,
): boolean {
  const ip = ipv6At.at(packet, flow.network)
  if (ip === null) return false
  ip.versionClassFlow = 0x60000000
  ip.payloadLength = u16(8 + quoted)
  ip.nextHeader = Protocol.icmpv6
  ip.hopLimit = TIME_TO_LIVE
  ip.source0 = flow.destination0
  ip.source1 = flow.destination1
  ip.source2 = flow.destination2
  ip.source3 = flow.destination3
  ip.destination0 = flow.source0
  ip.destination1 = flow.source1
  ip.destination2 = flow.source2
  ip.destination3 = flow.source3
  const pseudo: u32 = add32(
    sumFrame(packet, flow.network + 8, 32),
    u32(8 + quoted + Protocol.icmpv6),
  )
  if (!writeIcmp(packet, u32(flow.network + 40), type, code, rest)) return false
  return writeSum(packet, flow, u32(flow.network + 40), quoted, pseudo)
}

function writeIcmp(packet: Packet, offset: u32, type: u8, code: u8, rest: u32): boolean {
  const icmp = icmpAt.at(packet, offset)
  if (icmp === null) return false
  icmp.type = type
  icmp.code = code
  icmp.checksum = 0
  icmp.rest = rest
  return true
}

/** Writes the checksum of the message at `offset`, which quotes `quoted` bytes. */
function writeSum(packet: Packet, flow: Flow, offset: u32, quoted: u32, pseudo: u32): boolean {
  const transport: u32 = u32(offset + 8 + flow.transport - flow.network)
  const sum: u32 = sumWhole(packet, flow, offset, u32(8 + quoted), transport)
  const icmp = checksumAt.at(packet, offset)
  if (icmp === null) return false
  icmp.checksum = u16(fold(add32(sum, pseudo)) ^ 0xffff)
  return true
}
