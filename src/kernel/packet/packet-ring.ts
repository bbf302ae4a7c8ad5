/**
 * The receive ring of a packet socket: frames in memory that kernel and process share (TPACKET_V2).
 *
 *   block 0                                block 1
 *   +--------+--------+--------+ - - +---+--------+--------+ - - +---+
 *   | slot 0 | slot 1 | slot 2 |     | / | slot 15| slot 16|     | / |     / a rest no slot fits in
 *   +--------+--------+--------+ - - +---+--------+--------+ - - +---+
 *
 *   one slot:  0 status u32 | 4 length u32 | 8 captured u32 | 12 frame at u16 | 14 network header at u16
 *             16 seconds u32 | 20 nanoseconds u32 | 24 VLAN tag control u16 | 26 VLAN protocol u16
 *             32 sockaddr_ll: 42 packet type u8
 *             52 free: the headroom ················ virtio header (10 bytes) | frame ··· | tailroom
 *
 * Numbers of the slot's head are in the machine's order. The kernel fills slots in order, and says with bit
 * `user` of the status, written last, that a slot is ours; status 0 gives it back. The status is read and
 * written with Atomics, so that nothing of the frame is read before or written after it.
 *
 * Follows include/uapi/linux/if_packet.h, net/packet/af_packet.c.
 */
import { assert } from '../../base/assert.ts'
import { VIRTIO_HEADER_SIZE } from './virtio-header.ts'

/** Offsets in a slot. */
export const Slot = {
  status: 0,
  length: 4,
  captured: 8,
  frameAt: 12,
  networkAt: 14,
  vlanTci: 24,
  vlanProtocol: 26,
  packetType: 42,
  /** TPACKET2_HDRLEN: what is behind it and before the frame is the headroom. */
  free: 52,
} as const

/** Bits of the status. */
export const Status = { user: 1, losing: 4, hasVlanTag: 0x10 } as const

/** PACKET_RESERVE: with it a frame has at least `HEADROOM` bytes before it. */
export const RESERVE = 128
/** Bytes before a frame that may be written, besides the virtio header: room for what tunnels put on. */
export const HEADROOM = 128

/** Bytes of the largest frame: an IP packet of 65535 bytes, Ethernet header and a VLAN tag. */
export const FRAME_MAX = 65535 + 18

const PAGE = 4096
/** 17 pages: slot head, reserve and the largest frame need 65 759, so that all slots are page-aligned. */
export const SLOT_SIZE = 17 * PAGE
/** The kernel allocates a block in one piece where it can; 15 slots leave one page of it unused. */
const BLOCK_SIZE = 1 << 20
const SLOTS_PER_BLOCK = Math.floor(BLOCK_SIZE / SLOT_SIZE)

/** struct tpacket_req, and what follows from it. */
export interface RingShape {
  readonly slots: number
  readonly blocks: number
  readonly blockSize: number
  /** Bytes in all. */
  readonly size: number
}

/** The ring with at least `slots` slots. */
export function shapeRing(slots: number): RingShape {
  assert(slots > 0 && slots <= 1 << 16, `a ring of ${slots} slots`)
  const blocks = Math.ceil(slots / SLOTS_PER_BLOCK)
  return {
    slots: blocks * SLOTS_PER_BLOCK,
    blocks,
    blockSize: BLOCK_SIZE,
    size: blocks * BLOCK_SIZE,
  }
}

/** struct tpacket_req: block size, blocks, frame size, frames. */
export function ringRequest(shape: RingShape): Uint8Array {
  return new Uint8Array(
    Uint32Array.of(shape.blockSize, shape.blocks, SLOT_SIZE, shape.slots).buffer,
  )
}

/** Where each slot begins, in bytes from the ring's first. */
export function slotOffsets(shape: RingShape): Uint32Array {
  return Uint32Array.from({ length: shape.slots }, (_, index) => {
    const block = Math.floor(index / SLOTS_PER_BLOCK)
    return block * BLOCK_SIZE + (index % SLOTS_PER_BLOCK) * SLOT_SIZE
  })
}

/** The first byte before a frame that may be written, once the virtio header has moved in front of it. */
export function frameFloor(slot: number): number {
  return slot + Slot.free + VIRTIO_HEADER_SIZE
}
