/**
 * Transport checksums that were left to hardware, finished here for frames that no hardware will look into.
 *
 * Until then the field holds the sum of the pseudo-header: `CHECKSUM_PARTIAL` in the kernel, `needsChecksum` in the
 * virtio header.
 */
import { VirtioFlag, type FrameOffloads } from '../kernel/virtio-header.ts'
import { fold, sumBytes } from '../wire/checksum.ts'

/** Writes the checksum that was left to hardware. */
export function completeChecksum(frame: Uint8Array, offloads: FrameOffloads, grown: number): void {
  if ((offloads.flags & VirtioFlag.needsChecksum) === 0) return
  const from = offloads.checksumStart + grown
  const whole = fold(sumBytes(frame.subarray(from))) ^ 0xffff
  // RFC 768: 0 says that there is no checksum; the other zero of one's complement stands for it. TCP takes both.
  const sum = whole === 0 ? 0xffff : whole
  const at = from + offloads.checksumOffset
  frame[at] = sum >>> 8
  frame[at + 1] = sum & 0xff
}
