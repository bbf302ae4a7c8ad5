/**
 * Cutting frames that are too large for the wire: segments of a large TCP or UDP frame, fragments of an IPv4 packet.
 *
 * The kernel hands large frames up whole (GRO, TSO) and cuts them again where they leave, except in two cases it cannot
 * be told about: a large frame inside a tunnel of ours, and a packet without DF that is too large for where it goes.
 *
 *   segments    | Ethernet | outer IP | IP | TCP, sequence + n | payload of gsoSize |   RFC 9293, as in tcp_gso_segment
 *   fragments   | Ethernet | IP, offset n, MF | a multiple of 8 bytes |                RFC 791
 */
import { checksum } from '../wire/checksum.ts'
import { MORE_FRAGMENTS, OFFSET_MASK } from '../wire/ipv4.ts'

const ETHERNET = 14
const FIN = 0x01
const PSH = 0x08
const CWR = 0x80

export interface LargeFrame {
  readonly bytes: Uint8Array
  /** Bytes of outer IP header, 0 if none. */
  readonly outerBytes: number
  /** From the frame's first byte to the transport header. */
  readonly transport: number
  readonly isTcp: boolean
  /** Payload of each segment. */
  readonly segmentSize: number
}

/**
 * The frames that a large one stands for. Their transport checksums are partial, as the large frame's is: whoever
 * sends them says so.
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

function writeHeaderChecksum(view: DataView, at: number): void {
  const length = (view.getUint8(at) & 0x0f) * 4
  view.setUint16(at + 10, 0)
  view.setUint16(at + 10, checksum(new Uint8Array(view.buffer, view.byteOffset + at, length)))
}

/** Fragments of a frame's IPv4 packet, none above `mtu` bytes. Its checksums must be whole. */
export function fragmentFrame(bytes: Uint8Array, mtu: number): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const header = (view.getUint8(ETHERNET) & 0x0f) * 4
  const total = view.getUint16(ETHERNET + 2)
  const flags = view.getUint16(ETHERNET + 6)
  const room = (mtu - header) & ~7
  const payload = total - header
  const frames: Uint8Array[] = []
  for (let at = 0; at < payload; at += room) {
    const size = Math.min(room, payload - at)
    const frame = new Uint8Array(ETHERNET + header + size)
    frame.set(bytes.subarray(0, ETHERNET + header))
    frame.set(bytes.subarray(ETHERNET + header + at).subarray(0, size), ETHERNET + header)
    const out = new DataView(frame.buffer)
    const isLast = at + size === payload
    const more = isLast ? flags & MORE_FRAGMENTS : MORE_FRAGMENTS
    out.setUint16(ETHERNET + 2, header + size)
    out.setUint16(ETHERNET + 6, more | ((flags & OFFSET_MASK) + at / 8))
    writeHeaderChecksum(out, ETHERNET)
    frames.push(frame)
  }
  return frames
}
