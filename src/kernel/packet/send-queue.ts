/**
 * Frames waiting for one sendmmsg(2): message headers and iovecs, laid out once and filled anew.
 *
 *      message i, 64 bytes at 64 × i              iovec i, 16 bytes at 64 × SEND_MAX + 16 × i
 *      +--------------------------------+         +--------------------------------+
 *   0  | name: address of the sockaddr  |    ┌──► | address of virtio header+frame |
 *   8  | bytes of it                    |    │    | bytes                          |
 *  16  | address of iovec i ────────────┼────┘    +--------------------------------+
 *  24  | iovecs: 1                      |         behind them all: struct sockaddr_ll, which
 *  32  | control: none; flags           |         names the interface
 *  56  | bytes sent, by the kernel      |
 *      +--------------------------------+
 *
 * struct mmsghdr and iovec of 64-bit Linux, little endian. Addresses are kept as numbers: user memory ends
 * below 2^47. The memory a frame lies in must stay mapped until it has been sent.
 */
import { assert } from '../../base/assert.ts'
import { VIRTIO_HEADER_SIZE } from './virtio-header.ts'

/** Frames in one call. */
export const SEND_MAX = 64
/** Bytes of struct mmsghdr. */
export const MESSAGE_SIZE = 64
const IOVEC_SIZE = 16
/** Where the iovecs and the one sockaddr_ll lie. */
const IOVECS = SEND_MAX * MESSAGE_SIZE
const NAME = IOVECS + SEND_MAX * IOVEC_SIZE
const NAME_SIZE = 20

/** Memory that frames lie in: the same bytes as this process sees them and as the kernel finds them. */
export interface FrameMemory {
  readonly bytes: DataView
  /** Of the first of `bytes`, in this process. */
  readonly address: number
}

export class SendQueue {
  /** Bytes that a queue needs. */
  static readonly size = NAME + NAME_SIZE

  readonly #words: Uint32Array
  #length = 0

  /** `buffer` has SendQueue.size bytes and lies at `address`; `name` is the sockaddr_ll of the interface. */
  constructor(buffer: ArrayBuffer, address: number, name: Uint8Array) {
    assert(name.length === NAME_SIZE, `an interface name of ${name.length} bytes`)
    new Uint8Array(buffer).fill(0).set(name, NAME)
    this.#words = new Uint32Array(buffer)
    for (let i = 0; i < SEND_MAX; i++) {
      const message = (i * MESSAGE_SIZE) / 4
      this.#setAddress(message, address + NAME)
      this.#words[message + 2] = NAME_SIZE
      this.#setAddress(message + 4, address + IOVECS + i * IOVEC_SIZE)
      this.#words[message + 6] = 1
    }
  }

  get length(): number {
    return this.#length
  }

  get isFull(): boolean {
    return this.#length === SEND_MAX
  }

  /** Adds the frame of `length` bytes at `start` of `memory`, with the virtio header right before it. */
  add(memory: FrameMemory, start: number, length: number): void {
    assert(this.#length < SEND_MAX && start >= VIRTIO_HEADER_SIZE, 'a frame that cannot be sent')
    const iovec = (IOVECS + this.#length * IOVEC_SIZE) / 4
    this.#setAddress(iovec, memory.address + start - VIRTIO_HEADER_SIZE)
    this.#words[iovec + 2] = length + VIRTIO_HEADER_SIZE
    this.#length++
  }

  clear(): void {
    this.#length = 0
  }

  #setAddress(word: number, address: number): void {
    this.#words[word] = address >>> 0 // modulo 2^32
    this.#words[word + 1] = Math.floor(address / 2 ** 32)
  }
}
