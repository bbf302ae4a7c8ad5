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
 *
 * Only what XDP and tc can both do is here: tc cannot move a frame's first byte, but opens and closes room
 * behind the Ethernet header (bpf_skb_adjust_room, BPF_ADJ_ROOM_MAC). After each change of size, every view
 * into the frame is stale.
 */
import type { u32 } from './integers.ts'

/**
 * What `encapsulate` makes room for, in the bits of BPF_F_ADJ_ROOM_… (uapi/linux/bpf.h), with FIXED_GSO among them: tc
 * hands them on, so that each segment of a large frame gets its outer headers where it leaves.
 */
export const Encapsulation = {
  /** Headers of a new packet, which only quotes the old one. */
  none: 0,
  ipv4: 0x03,
  ipv6: 0x05,
  /** To be added to one of the above: what stands behind the outer IP header. */
  gre: 0x08,
  udp: 0x10,
} as const

/** What is left when `decapsulate` has taken headers out, in the same bits; offload goes on as it is. */
export const Decapsulation = {
  /** A packet of the outer one's family. */
  sameFamily: 0x01,
  /** A packet of another family; tc can do that since Linux 6.3. */
  toIpv4: 0x81,
  toIpv6: 0x101,
  /** To be added: hardware that verified a checksum verified one that stays. */
  keepsChecksum: 0x20,
} as const

const ETHERNET_BYTES = 14

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

  /**
   * Opens `bytes` of room for `kind`, bits of `Encapsulation`. False, and nothing changed, where there is none.
   *
   *     | Ethernet | IP packet |   becomes   | Ethernet | `bytes`, to be written | IP packet |
   */
  encapsulate(bytes: number, _kind: u32): boolean {
    if (bytes < 0 || this.length < ETHERNET_BYTES || this.start - bytes < this.#floor) return false
    this.#moveEthernet(this.start - bytes)
    this.length += bytes
    return true
  }

  /**
   * Takes `bytes` out behind the Ethernet header; `kind`: bits of `Decapsulation`. False, and nothing changed, where
   * there are not so many.
   */
  decapsulate(bytes: number, _kind: u32): boolean {
    if (bytes < 0 || this.length - bytes < ETHERNET_BYTES) return false
    this.#moveEthernet(this.start + bytes)
    this.length -= bytes
    return true
  }

  #moveEthernet(to: number): void {
    const { bytes, start } = this
    const first = bytes.getUint32(start)
    const second = bytes.getUint32(start + 4)
    const third = bytes.getUint32(start + 8)
    const type = bytes.getUint16(start + 12)
    bytes.setUint32(to, first)
    bytes.setUint32(to + 4, second)
    bytes.setUint32(to + 8, third)
    bytes.setUint16(to + 12, type)
    this.start = to
  }

  /**
   * Moves the frame's end: positive `bytes` grow it, negative ones cut it. False where there is no room. From here on
   * a large frame stands for itself (as behind bpf_skb_change_tail, which also makes it readable to its end).
   */
  adjustTail(bytes: number): boolean {
    const length = this.length + bytes
    if (length < 0 || this.start + length > this.#ceiling) return false
    this.length = length
    this.segmentSize = 0
    return true
  }

  /**
   * Has to be asked before `hasPartialChecksum` is looked at. To find that out under tc takes a helper, so it is asked
   * only where somebody will look. Every view into the frame is stale afterwards.
   */
  askChecksum(): boolean {
    return true
  }

  /** Under tc only the frame's beginning may be readable: from here on all of it is. False where that cannot be. */
  makeReadable(): boolean {
    return true
  }
}
