/**
 * Transport checksums that were left to hardware, finished here for frames that no hardware will look into.
 *
 * Until then the field holds the sum of the pseudo-header: `CHECKSUM_PARTIAL` in the kernel, `needsChecksum` in the
 * virtio header.
 */
import { VirtioFlag, type FrameOffloads } from '../kernel/packet/virtio-header.ts'
import { viewOf } from '../base/bytes.ts'
import { fold, sumBytes } from '../wire/checksum.ts'
import { crc32c } from '../wire/crc32c.ts'

/** Where SCTP has its checksum: TCP and UDP have theirs elsewhere. */
const SCTP_CHECKSUM_OFFSET = 8

/** Is it a CRC32c that was left to hardware? The virtio header cannot say so, and no hardware would know. */
export function isSctp({ flags, checksumOffset }: FrameOffloads): boolean {
  return (flags & VirtioFlag.needsChecksum) !== 0 && checksumOffset === SCTP_CHECKSUM_OFFSET
}

function completeCrc(packet: Uint8Array): void {
  const view = viewOf(packet)
  view.setUint32(SCTP_CHECKSUM_OFFSET, 0)
  view.setUint32(SCTP_CHECKSUM_OFFSET, crc32c(packet), true)
}

/** Writes the checksum that was left to hardware. */
export function completeChecksum(frame: Uint8Array, offloads: FrameOffloads, grown: number): void {
  if ((offloads.flags & VirtioFlag.needsChecksum) === 0) return
  const from = offloads.checksumStart + grown
  if (isSctp(offloads)) {
    completeCrc(frame.subarray(from))
    return
  }
  const whole = fold(sumBytes(frame.subarray(from))) ^ 0xffff
  // RFC 768: 0 says that there is no checksum; the other zero of one's complement stands for it. TCP takes both.
  const sum = whole === 0 ? 0xffff : whole
  const at = from + offloads.checksumOffset
  frame[at] = sum >>> 8
  frame[at + 1] = sum & 0xff
}
