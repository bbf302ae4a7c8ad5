/**
 * Cutting an IP packet that is too large for its way into fragments: IPv4 without DF (RFC 791), and our own tunnel
 * packets of IPv6 (RFC 8200 section 4.5), which no router may cut.
 *
 *   IPv4   | Ethernet | IP, offset n, MF | a multiple of 8 bytes |
 *   IPv6   | Ethernet | IP, payload length | fragment header: offset n, M, identification | a multiple of 8 bytes |
 */
import { Protocol } from '../wire/ip-protocol.ts'
import { MORE_FRAGMENTS, OFFSET_MASK } from '../wire/ipv4.ts'
import { writeHeaderChecksum } from './segment.ts'

const ETHERNET = 14
const IPV6 = 40
const FRAGMENT = 8

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

/** The same for an IPv6 packet without extension headers, all with this 32-bit identification. */
export function fragmentIpv6(bytes: Uint8Array, mtu: number, identification: number): Uint8Array[] {
  const room = (mtu - IPV6 - FRAGMENT) & ~7
  const payload = bytes.subarray(ETHERNET + IPV6)
  const frames: Uint8Array[] = []
  for (let at = 0; at < payload.length; at += room) {
    const part = payload.subarray(at, at + room)
    const frame = new Uint8Array(ETHERNET + IPV6 + FRAGMENT + part.length)
    frame.set(bytes.subarray(0, ETHERNET + IPV6))
    frame.set(part, ETHERNET + IPV6 + FRAGMENT)
    const out = new DataView(frame.buffer)
    out.setUint16(ETHERNET + 4, FRAGMENT + part.length)
    out.setUint8(ETHERNET + 6, Protocol.fragment)
    out.setUint8(ETHERNET + IPV6, bytes[ETHERNET + 6]!)
    out.setUint16(ETHERNET + IPV6 + 2, at | (at + part.length < payload.length ? 1 : 0))
    out.setUint32(ETHERNET + IPV6 + 4, identification)
    frames.push(frame)
  }
  return frames
}
