/**
 * Recorded frames through the packet path of a world, at the times they were recorded.
 *
 * Time is the capture's, counted from its first frame, and never goes back. A frame that the capture cut short
 * (tcpdump -s) runs with zeroes for what is missing, and what leaves is cut in the same place: the packet path reads
 * headers only.
 */
import { viewOf } from '../base/bytes.ts'
import { TICKS_PER_SECOND } from '../subset/clock.ts'
import { Ethernet, EtherType } from '../wire/ethernet.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { Ipv4 } from '../wire/ipv4.ts'
import { Ipv6 } from '../wire/ipv6.ts'
import type { Pcap, PcapFrame } from '../wire/pcap.ts'
import { printFrame } from '../wire/print.ts'
import { Tcp, TcpFlag } from '../wire/tcp.ts'
import { implyLan } from './implied-lan.ts'
import type { Lan } from './lan.ts'
import type { Rule } from './rule.ts'
import { World, type SentFrame } from './world.ts'

/** What is said of a frame: one line of JSON. */
export interface FrameReport {
  /** From 1, as Wireshark counts. */
  readonly frame: number
  /** Seconds since the first. */
  readonly time: number
  readonly interface: string
  readonly verdict: string
  readonly reason: string
  readonly service: string | null
  readonly server: string | null
  /** It opened a connection. */
  readonly opened: boolean
  /** As tcpdump -e prints it; `out` what left, and `egress` where. */
  readonly in: string
  readonly egress?: string
  readonly out?: string
  /** The neighbour whose MAC address must be asked for first. */
  readonly waitsFor?: string
}

export interface ReplayedFrame {
  readonly report: FrameReport
  readonly sent: PcapFrame | null
}

/** A world large enough for a capture, with its LAN: the given one, or what the capture shows. */
export function worldFor({ frames }: Pcap, rules: readonly Rule[], lan: Lan | undefined): World {
  const bytes = frames.map((frame) => frame.bytes)
  const known = lan ?? implyLan(bytes, rules)
  const size = {
    connections: bytes.filter(mayOpen).length,
    neighbours: known.neighbours.length,
    rules: rules.length,
  }
  return new World(known, size)
}

/** Only an estimate from above is wanted: what is no plain TCP segment without SYN may open a connection. */
function mayOpen(frame: Uint8Array): boolean {
  const at = Ethernet.size
  if (frame.length < at + Ipv4.size + Tcp.size) return true
  const view = viewOf(frame)
  const isIpv4 = Ethernet.view(view, 0).type === EtherType.ipv4
  const { versionAndLength, protocol } = Ipv4.view(view, at)
  const tcp = at + (isIpv4 ? (versionAndLength & 0x0f) * 4 : Ipv6.size)
  const carried = isIpv4 ? protocol : Ipv6.view(view, at).nextHeader
  if (carried !== Protocol.tcp || frame.length < tcp + Tcp.size) return true
  return (Tcp.view(view, tcp).offsetAndFlags & TcpFlag.syn) !== 0
}

/** Runs all frames of a capture, in its order, through a furnished world. */
export function* replayFrames(world: World, { frames }: Pcap): Generator<ReplayedFrame> {
  const [first] = frames
  if (first === undefined) return
  let number = 0
  for (const frame of frames) {
    world.advanceTo(ticksBetween(first, frame))
    yield replayFrame(world, frame, { number: ++number, time: secondsBetween(first, frame) })
  }
}

function replayFrame(
  world: World,
  frame: PcapFrame,
  { number, time }: { number: number; time: number },
): ReplayedFrame {
  const whole = restoreLength(frame)
  const { verdict, reason, service, server, isOpening, sent, waitsFor } = world.run(whole)
  const report: FrameReport = {
    frame: number,
    time,
    interface: world.lan.interfaces[world.ingressOf(whole) - 1]!.name,
    verdict,
    reason,
    service,
    server,
    opened: isOpening,
    in: printFrame(whole, { link: true }),
    ...(sent !== null && {
      egress: sent.interfaceName,
      out: printFrame(sent.bytes, { link: true }),
    }),
    ...(waitsFor !== null && { waitsFor }),
  }
  return { report, sent: sent && cutAs(frame, sent) }
}

/** No frame is longer, whatever a capture says. */
const FRAME_MAX = 1 << 17

/** As long as it was on the wire. */
function restoreLength({ bytes, originalLength }: PcapFrame): Uint8Array {
  if (originalLength <= bytes.length || originalLength > FRAME_MAX) return bytes
  const whole = new Uint8Array(originalLength)
  whole.set(bytes)
  return whole
}

/** What left, of which is kept what is known of what came. */
function cutAs({ seconds, nanoseconds, bytes: known }: PcapFrame, sent: SentFrame): PcapFrame {
  const bytes = sent.bytes.subarray(0, known.length + sent.grown)
  return { seconds, nanoseconds, bytes, originalLength: sent.bytes.length }
}

function secondsBetween(from: PcapFrame, to: PcapFrame): number {
  return Number((to.seconds - from.seconds + (to.nanoseconds - from.nanoseconds) / 1e9).toFixed(9))
}

function ticksBetween(from: PcapFrame, to: PcapFrame): number {
  const ofSecond = Math.floor(((to.nanoseconds - from.nanoseconds) * TICKS_PER_SECOND) / 1e9)
  return (to.seconds - from.seconds) * TICKS_PER_SECOND + ofSecond
}
