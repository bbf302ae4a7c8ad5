/**
 * The virtio network header: what a frame's offloads are, before each frame that a packet socket or TAP
 * device takes or gives (include/uapi/linux/virtio_net.h, the 10-byte form; VIRTIO 1.2 §5.1.6).
 *
 *      +---------------+---------------+-------------------------------+
 *   0  |     flags     |   GSO type    |  header length (a hint)       |
 *   4  |  GSO size: payload a segment  |  checksum start, in the frame |
 *   8  |  checksum offset from there   |  the frame's first byte is at 10
 *      +-------------------------------+
 *
 * Numbers are in the machine's order, which is little endian everywhere we run. `flags` says whether the
 * transport checksum is partial (the field holds the pseudo-header's sum) or already verified.
 */

/** Bytes. */
export const VIRTIO_HEADER_SIZE = 10

/**
 * Most bytes of headers that we announce. The kernel allocates as much in one piece, and what it announces
 * itself may be the whole of a 64 KiB frame.
 */
const HEADERS_MAX = 256

/** Of `flags`. */
export const VirtioFlag = { needsChecksum: 1, dataValid: 2 } as const

/** Which segments the frame stands for; `ecn` is a bit beside the type. */
export const GsoType = { none: 0, tcp4: 1, udpFragments: 3, tcp6: 4, udp: 5, ecn: 0x80 } as const

/** What the header says, as one reusable object: `readVirtioHeader` fills it, `writeVirtioHeader` writes it. */
export interface FrameOffloads {
  /** `VirtioFlag` bits. */
  flags: number
  /** `GsoType`. */
  gsoType: number
  /** Transport payload bytes of each segment; 0: the frame is just itself. */
  gsoSize: number
  /** Bytes of all headers, in frames with `gsoSize`. */
  headerLength: number
  /** From the frame's first byte to the transport header, where the checksum is partial. */
  checksumStart: number
  /** From there to the checksum field. */
  checksumOffset: number
}

export function noOffloads(): FrameOffloads {
  return {
    flags: 0,
    gsoType: 0,
    gsoSize: 0,
    headerLength: 0,
    checksumStart: 0,
    checksumOffset: 0,
  }
}

/** Reads the header at `at`, VIRTIO_HEADER_SIZE bytes before the frame. */
export function readVirtioHeader(bytes: DataView, at: number, into: FrameOffloads): void {
  into.flags = bytes.getUint8(at)
  into.gsoType = bytes.getUint8(at + 1)
  into.headerLength = bytes.getUint16(at + 2, true)
  into.gsoSize = bytes.getUint16(at + 4, true)
  into.checksumStart = bytes.getUint16(at + 6, true)
  into.checksumOffset = bytes.getUint16(at + 8, true)
}

/**
 * Writes the header of a frame whose head has grown by `grown` bytes since the offloads were read (shrunk,
 * if negative): what they count from its first byte moves along. Bit `dataValid` is not written: it is the
 * receiver's word, and no sender's.
 */
export function writeVirtioHeader(
  bytes: DataView,
  at: number,
  offloads: FrameOffloads,
  grown: number,
): void {
  const partial = offloads.flags & VirtioFlag.needsChecksum
  const segmented = offloads.gsoType !== GsoType.none
  bytes.setUint8(at, partial)
  bytes.setUint8(at + 1, offloads.gsoType)
  const headers = Math.min(offloads.headerLength, HEADERS_MAX) + grown
  bytes.setUint16(at + 2, segmented ? headers : 0, true)
  bytes.setUint16(at + 4, offloads.gsoSize, true)
  bytes.setUint16(at + 6, partial !== 0 ? offloads.checksumStart + grown : 0, true)
  bytes.setUint16(at + 8, partial !== 0 ? offloads.checksumOffset : 0, true)
}

/** Writes the header of a frame that is just itself, its checksums whole. */
export function clearVirtioHeader(bytes: DataView, at: number): void {
  for (let i = 0; i < VIRTIO_HEADER_SIZE; i++) bytes.setUint8(at + i, 0)
}
