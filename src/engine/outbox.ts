/**
 * Memory for frames this process makes itself: segments, fragments, frames that waited. Those forwarded as they
 * came leave straight from the receive ring.
 *
 * Frames are put one behind the other, each with room for the virtio header before it, until the box is full; once all
 * of them have been sent, it begins anew.
 */
import { addressOf } from '../kernel/ffi.ts'
import type { FrameMemory } from '../kernel/packet/send-queue.ts'
import { VIRTIO_HEADER_SIZE } from '../kernel/packet/virtio-header.ts'

const OUTBOX_BYTES = 4 << 20
/** Headers begin on an even place as in the ring, so that IPv4 is aligned behind Ethernet. */
const GRAIN = 64
const HEAD = 64

export class Outbox {
  readonly memory: FrameMemory
  readonly #bytes: Uint8Array
  #next = 0

  constructor() {
    this.#bytes = new Uint8Array(OUTBOX_BYTES)
    this.memory = { bytes: new DataView(this.#bytes.buffer), address: addressOf(this.#bytes) }
  }

  /** Is there room for a frame of `length` bytes? If not: send everything, then `empty`. */
  hasRoom(length: number): boolean {
    return this.#next + HEAD + length <= OUTBOX_BYTES
  }

  /** Copies a frame in. Where it begins in `memory`; the virtio header's place before it is free. */
  put(frame: Uint8Array): number {
    const start = this.#next + HEAD
    this.#bytes.set(frame, start)
    this.#next = Math.ceil((start + frame.length + VIRTIO_HEADER_SIZE) / GRAIN) * GRAIN
    return start
  }

  /** Every frame has been sent. */
  empty(): void {
    this.#next = 0
  }
}
