/**
 * Capture files, as tcpdump -w writes them — draft-ietf-opsawg-pcap ("classic" pcap, not pcapng).
 *
 *      +---------------------------------------------------------------+
 *   0  |  magic: 0xa1b2c3d4 microseconds, 0xa1b23c4d nanoseconds       |
 *   4  |  major version = 2            |  minor version = 4            |
 *   8  |  0                           12  0                            |
 *  16  |  snapshot length: bytes kept of a frame at most               |
 *  20  |  FCS, 0 (16 bits)             |  link type = 1: Ethernet      |
 *      +---------------------------------------------------------------+
 *
 * then for each frame
 *
 *      +---------------------------------------------------------------+
 *   0  |  seconds since 1970           |  micro- or nanoseconds        |
 *   8  |  bytes that follow            |  bytes the frame had          |
 *      +---------------------------------------------------------------+
 *
 * All in the byte order of the machine that wrote it, which the magic shows. A file of ours is little-endian
 * and in nanoseconds.
 */
import { assert } from '../base/assert.ts'
import { concatBytes, viewOf } from '../base/bytes.ts'

/** One captured frame. */
export interface PcapFrame {
  /** Since 1970. */
  readonly seconds: number
  /** 0 … 999 999 999 */
  readonly nanoseconds: number
  /** What was kept of it. */
  readonly bytes: Uint8Array
  /** Bytes it had on the wire; more than `bytes.length` if it was cut. */
  readonly originalLength: number
}

export interface Pcap {
  readonly snapLength: number
  readonly frames: readonly PcapFrame[]
}

/** Why a file cannot be read: a sentence, and where in the file (bytes). */
export interface PcapError {
  readonly error: string
  readonly offset: number
}

const MAGIC_MICROSECONDS = 0xa1b2c3d4
const MAGIC_NANOSECONDS = 0xa1b23c4d
const MAGIC_PCAPNG = 0x0a0d0d0a
const LINK_TYPE_ETHERNET = 1
const FILE_HEADER = 24
const FRAME_HEADER = 16
/** Longest frame kept that we believe in; tcpdump's own limit. */
const SNAP_LENGTH_MAX = 262_144

interface Format {
  readonly littleEndian: boolean
  readonly unit: 1 | 1000
}

/** Reads a whole file; an error for what is none, is cut, or holds other than Ethernet frames. */
export function readPcap(bytes: Uint8Array): Pcap | PcapError {
  const format = readMagic(bytes)
  if ('error' in format) return format
  if (bytes.length < FILE_HEADER) return cut(bytes.length, 'inside the file header')
  const view = viewOf(bytes)
  const { littleEndian } = format
  const major = view.getUint16(4, littleEndian)
  if (major !== 2) return { error: `pcap version ${major} is not 2`, offset: 4 }
  const linkType = view.getUint32(20, littleEndian) & 0xffff
  if (linkType !== LINK_TYPE_ETHERNET) {
    return { error: `link type ${linkType} is not Ethernet (1)`, offset: 20 }
  }
  const frames: PcapFrame[] = []
  for (let at = FILE_HEADER; at < bytes.length;) {
    const frame = readFrame(bytes, at, format)
    if ('error' in frame) return frame
    frames.push(frame)
    at += FRAME_HEADER + frame.bytes.length
  }
  return { snapLength: view.getUint32(16, littleEndian), frames }
}

function readMagic(bytes: Uint8Array): Format | PcapError {
  if (bytes.length < 4) return { error: 'the file is too short to be a pcap file', offset: 0 }
  for (const littleEndian of [true, false]) {
    const magic = viewOf(bytes).getUint32(0, littleEndian)
    if (magic === MAGIC_MICROSECONDS) return { littleEndian, unit: 1000 }
    if (magic === MAGIC_NANOSECONDS) return { littleEndian, unit: 1 }
    if (magic === MAGIC_PCAPNG) {
      return { error: 'the file is pcapng, not pcap: editcap -F pcap converts it', offset: 0 }
    }
  }
  return { error: 'the file does not begin as a pcap file does', offset: 0 }
}

function readFrame(bytes: Uint8Array, at: number, format: Format): PcapFrame | PcapError {
  if (at + FRAME_HEADER > bytes.length) return cut(bytes.length, 'inside a frame header')
  const view = viewOf(bytes)
  const word = (offset: number) => view.getUint32(at + offset, format.littleEndian)
  const kept = word(8)
  const begin = at + FRAME_HEADER
  if (kept > SNAP_LENGTH_MAX) {
    return { error: `a frame of ${kept} bytes is longer than any can be`, offset: at + 8 }
  }
  if (begin + kept > bytes.length) return cut(bytes.length, 'inside a frame')
  const nanoseconds = word(4) * format.unit
  if (nanoseconds >= 1e9) return { error: 'a fraction of a second is one or more', offset: at + 4 }
  return {
    seconds: word(0),
    nanoseconds,
    bytes: bytes.subarray(begin, begin + kept),
    originalLength: word(12),
  }
}

function cut(offset: number, where: string): PcapError {
  return { error: `the file ends ${where}`, offset }
}

/** What a file begins with; frames follow with `emitPcapFrame`. */
export function emitPcapHeader(snapLength = SNAP_LENGTH_MAX): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER)
  const view = viewOf(bytes)
  view.setUint32(0, MAGIC_NANOSECONDS, true)
  view.setUint16(4, 2, true)
  view.setUint16(6, 4, true)
  view.setUint32(16, snapLength, true)
  view.setUint32(20, LINK_TYPE_ETHERNET, true)
  return bytes
}

/** One frame and its header; asserts that the frame is not longer than a file may hold. */
export function emitPcapFrame(frame: PcapFrame): Uint8Array {
  assert(frame.bytes.length <= SNAP_LENGTH_MAX, `a frame of ${frame.bytes.length} bytes`)
  const header = new Uint8Array(FRAME_HEADER)
  const view = viewOf(header)
  view.setUint32(0, frame.seconds, true)
  view.setUint32(4, frame.nanoseconds, true)
  view.setUint32(8, frame.bytes.length, true)
  view.setUint32(12, frame.originalLength, true)
  return concatBytes(header, frame.bytes)
}

/** A whole file. */
export function writePcap(frames: readonly PcapFrame[]): Uint8Array {
  return concatBytes(emitPcapHeader(), ...frames.map(emitPcapFrame))
}
