/**
 * Cutting a large TCP or UDP frame into the segments it stands for, as in tcp_gso_segment (RFC 9293).
 *
 * The kernel hands large frames up whole (GRO, TSO) and cuts them again where they leave; but it cannot be told of a
 * large frame inside a tunnel of ours.
 *
 *   | Ethernet | outer IP | GRE, UDP and GUE, or nothing | IP | TCP, sequence + n | payload of gsoSize |
 */
import { checksum, fold, sumBytes } from '../wire/checksum.ts'
import { GreFlag } from '../wire/gre.ts'
import { Protocol } from '../wire/ip-protocol.ts'

const ETHERNET = 14
const FIN = 0x01
const PSH = 0x08
const CWR = 0x80

export interface LargeFrame {
  readonly bytes: Uint8Array
  /** Bytes of outer headers, 0 if none. */
  readonly outerBytes: number
  /** From the frame's first byte to the transport header. */
  readonly transport: number
  readonly isTcp: boolean
  /** Payload of each segment. */
  readonly segmentSize: number
}

/**
 * The frames that a large one stands for. Their transport checksums are partial, as the large frame's is: whoever
 * sends them says so, or finishes them, and then what is around them by `finishOuter`.
 */
export function segmentFrame(large: LargeFrame): Uint8Array[] {
  const { bytes, transport, isTcp, segmentSize } = large
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const headers = transport + (isTcp ? (view.getUint8(transport + 12) >>> 4) * 4 : 8)
  const payload = bytes.length - headers
  const frames: Uint8Array[] = []
  for (let at = 0; at < payload; at += segmentSize) {
    const size = Math.min(segmentSize, payload - at)
    const frame = new Uint8Array(headers + size)
    frame.set(bytes.subarray(0, headers))
    frame.set(bytes.subarray(headers + at, headers + at + size), headers)
    finishSegment(large, frame, { index: frames.length, at, isLast: at + size === payload })
    frames.push(frame)
  }
  return frames
}

interface Place {
  readonly index: number
  /** Bytes of payload before it. */
  readonly at: number
  readonly isLast: boolean
}

function finishSegment(large: LargeFrame, frame: Uint8Array, place: Place): void {
  const view = new DataView(frame.buffer)
  const inner = ETHERNET + large.outerBytes
  if (large.outerBytes > 0) setIpLength(view, ETHERNET, frame.length - ETHERNET, place.index)
  setIpLength(view, inner, frame.length - inner, place.index)
  const sumAt = large.transport + (large.isTcp ? 16 : 6)
  const was = large.bytes.length - large.transport
  const is = frame.length - large.transport
  if (large.isTcp) {
    const sequence = view.getUint32(large.transport + 4)
    view.setUint32(large.transport + 4, (sequence + place.at) >>> 0)
    let flags = view.getUint8(large.transport + 13)
    if (!place.isLast) flags &= ~(FIN | PSH)
    if (place.index > 0) flags &= ~CWR
    view.setUint8(large.transport + 13, flags)
  } else view.setUint16(large.transport + 4, is)
  // The pseudo-header holds the length: its sum follows (one's complement).
  const sum = view.getUint16(sumAt) + (~was & 0xffff) + is
  const once = (sum & 0xffff) + (sum >>> 16)
  view.setUint16(sumAt, (once & 0xffff) + (once >>> 16))
}

/** Writes the packet's length and, for IPv4, the next identification and the header's checksum. */
function setIpLength(view: DataView, at: number, length: number, index: number): void {
  if (view.getUint8(at) >>> 4 === 6) {
    view.setUint16(at + 4, length - 40)
    return
  }
  view.setUint16(at + 2, length)
  view.setUint16(at + 4, (view.getUint16(at + 4) + index) & 0xffff)
  writeHeaderChecksum(view, at)
}

export function writeHeaderChecksum(view: DataView, at: number): void {
  const length = (view.getUint8(at) & 0x0f) * 4
  view.setUint16(at + 10, 0)
  view.setUint16(at + 10, checksum(new Uint8Array(view.buffer, view.byteOffset + at, length)))
}

/**
 * Writes lengths and checksums of what stands between outer and inner IP header, where it has any: GRE's checksum,
 * UDP's length, and its checksum unless that is 0. Everything behind must be as it will leave.
 */
export function finishOuter(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  const isIpv4 = view.getUint8(ETHERNET) >>> 4 === 4
  const at = ETHERNET + (isIpv4 ? 20 : 40)
  const protocol = view.getUint8(isIpv4 ? ETHERNET + 9 : ETHERNET + 6)
  if (protocol === Protocol.gre && (view.getUint16(at) & GreFlag.checksum) !== 0) {
    view.setUint16(at + 4, 0)
    view.setUint16(at + 4, sayable(checksum(frame.subarray(at))))
  } else if (protocol === Protocol.udp) {
    const length = frame.length - at
    view.setUint16(at + 4, length)
    if (view.getUint16(at + 6) === 0) return
    view.setUint16(at + 6, 0)
    const addresses = sumBytes(frame.subarray(ETHERNET + (isIpv4 ? 12 : 8), at))
    const sum = sumBytes(frame.subarray(at), addresses + Protocol.udp + length)
    view.setUint16(at + 6, sayable(fold(sum) ^ 0xffff))
  }
}

/** Of the two zeros the one that does not say "no checksum". */
function sayable(sum: number): number {
  return sum === 0 ? 0xffff : sum
}
