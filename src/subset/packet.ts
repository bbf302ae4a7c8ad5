/**
 * A frame on its way through the packet path: bytes with room before and behind.
 *
 *        bytes (DataView)
 *   |····· headroom ·····|=========== the frame ===========|····· tailroom ·····|
 *   floor                start                  start + length              ceiling
 *
 * One Packet serves for all frames: the engine points it at the next one with `point`. Offsets that the
 * packet path uses count from the frame's first byte (the destination MAC).
 *
 * Offloads, as the kernel and virtio say it: `hasPartialChecksum` means the transport checksum field holds
 * only the pseudo-header's sum (not complemented), hardware or the receiver completes it; `segmentSize` is
 * the transport payload of each segment that this large frame stands for, 0 if the frame is just itself.
 */
import type { u32 } from './integers.ts'

export class Packet {
  bytes: DataView = new DataView(new ArrayBuffer(0))
  start = 0
  length: u32 = 0
  /** Index of the interface the frame came in on. */
  ingress: u32 = 0
  hasPartialChecksum = false
  segmentSize: u32 = 0
  #floor = 0
  #ceiling = 0

  /**
   * Points at the next frame: `length` bytes at `start` of `bytes`, which may grow down to byte `floor` and
   * up to byte `ceiling` (exclusive).
   */
  point(bytes: DataView, start: number, length: number, floor: number, ceiling: number): void {
    this.bytes = bytes
    this.start = start
    this.length = length
    this.#floor = floor
    this.#ceiling = ceiling
    this.hasPartialChecksum = false
    this.segmentSize = 0
  }

  /** From here on the frame stands for itself and its checksums are whole: it was made anew. */
  clearOffloads(): void {
    this.hasPartialChecksum = false
    this.segmentSize = 0
  }

  /**
   * Moves the frame's first byte: a positive `bytes` drops that many from its head, a negative one adds.
   * False, and nothing moved, where there is no room. Every view into the frame is stale afterwards.
   */
  adjustHead(bytes: number): boolean {
    const start = this.start + bytes
    if (start < this.#floor || bytes > this.length) return false
    this.start = start
    this.length -= bytes
    return true
  }

  /** Moves the frame's end: positive `bytes` grow it, negative ones cut it. False where there is no room. */
  adjustTail(bytes: number): boolean {
    const length = this.length + bytes
    if (length < 0 || this.start + length > this.#ceiling) return false
    this.length = length
    return true
  }
}
