/**
 * Frames from and to one interface: an AF_PACKET socket with a shared receive ring and batched sending.
 *
 *        ring (packet-ring.ts)                       sendmmsg(2), straight out of any ring
 *   kernel ──► slot ──► next() ──► the packet path ──► send(memory, start, length) ──► flush() ──► kernel
 *                                                                                 then release the slot
 *
 * Frames keep their offloads: a segmented TCP frame of 64 KiB goes through as one, its checksum still partial
 * (virtio-header.ts). Nothing is copied in this process and nothing allocated per frame. Why so, and why no
 * sending ring: docs/decisions/0002-taking-frames-from-the-kernel.md.
 *
 * Invariants: a slot is ours from `next` to `release`, in any order; what is sent from a slot leaves it in
 * `flush`, so a slot is released after that. The kernel's copy of a frame goes on, unless the ingress claim
 * drops it (ingress-claim.ts).
 *
 * Follows packet(7), Documentation/networking/packet_mmap.rst, net/packet/af_packet.c.
 */
import { assert } from '../../base/assert.ts'
import {
  addressOf,
  bind,
  close,
  errnoName,
  getsockopt,
  mapShared,
  sendmmsg,
  setsockopt,
  socket,
  type Mapping,
} from '../ffi.ts'
import {
  frameFloor,
  RESERVE,
  ringRequest,
  shapeRing,
  Slot,
  slotOffsets,
  SLOT_SIZE,
  Status,
} from './packet-ring.ts'
import { MESSAGE_SIZE, SendQueue, type FrameMemory } from './send-queue.ts'
import {
  noOffloads,
  readVirtioHeader,
  VIRTIO_HEADER_SIZE,
  type FrameOffloads,
} from './virtio-header.ts'

const AF_PACKET = 17
const SOCK_RAW = 3
const SOCK_NONBLOCK_CLOEXEC = 0x80800
/** ETH_P_ALL in network order. */
const EVERY_PROTOCOL = 0x0300
const SOL_SOCKET = 1
/** asm-generic/socket.h */
const SO_ERROR = 4
const SO_SNDBUFFORCE = 32
const SOL_PACKET = 263
/** include/uapi/linux/if_packet.h */
const Option = {
  rxRing: 5,
  statistics: 6,
  version: 10,
  reserve: 12,
  vnetHeader: 15,
  ignoreOutgoing: 23,
} as const
const TPACKET_V2 = 1
const MSG_DONTWAIT = 0x40
const EINTR = 4
const EAGAIN = 11

/** Room for frames on their way out: some hundred of 64 KiB. */
const SEND_BUFFER = 64 << 20
/** How often a full send buffer is tried again before the frame is given up. */
const FULL_RETRIES_MAX = 16

export const SLOTS_DEFAULT = 256

export interface PacketSocketOptions {
  /** Slots of the receive ring, of 68 KiB each; 0: only for sending. Default 256. */
  readonly slots?: number
}

export class PacketSocket {
  readonly fd: number
  readonly interfaceIndex: number
  /** The ring, for `send`; undefined without one. */
  readonly memory: FrameMemory
  /** Frames refused by the interface, by the error's name: ENOBUFS (its queue is full), EMSGSIZE, ENETDOWN, … */
  readonly sendErrors = new Map<string, number>()
  /** Frames handed to the interface. */
  sent = 0
  /** Frames too large for a slot, which are dropped. */
  truncated = 0

  // The frame that `next` found last.
  /** Where in `memory` the frame begins. */
  frameStart = 0
  frameLength = 0
  /** The frame may grow down to `frameFloor` and up to `frameCeiling` (exclusive) in `memory`. */
  frameFloor = 0
  frameCeiling = 0
  /** `sll_pkttype`: 0 to this host, 1 broadcast, 2 multicast, 3 to another host. */
  packetType = 0
  /** Had a VLAN tag, which the kernel took off; what it said, 0 without. */
  hasVlanTag = false
  vlanTci = 0
  vlanProtocol = 0
  /** One object for all frames. */
  readonly offloads: FrameOffloads = noOffloads()

  readonly #ring: Mapping | undefined
  readonly #offsets: Uint32Array
  readonly #status: Int32Array
  /** By slot: 1 from `next` to `release`. */
  readonly #held: Uint8Array
  readonly #queue: SendQueue
  /** What the kernel reads and writes by address. */
  readonly #queueBytes: Uint8Array<ArrayBuffer>
  readonly #queueAddress: number
  #head = 0
  #received = 0
  #dropped = 0

  private constructor(fd: number, interfaceIndex: number, slots: number) {
    this.fd = fd
    this.interfaceIndex = interfaceIndex
    setInteger(fd, SOL_PACKET, Option.vnetHeader, 1)
    setInteger(fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER)
    if (slots > 0) {
      const shape = shapeRing(slots)
      setInteger(fd, SOL_PACKET, Option.version, TPACKET_V2)
      setInteger(fd, SOL_PACKET, Option.reserve, RESERVE)
      setInteger(fd, SOL_PACKET, Option.ignoreOutgoing, 1)
      setsockopt(fd, SOL_PACKET, Option.rxRing, ringRequest(shape))
      this.#ring = mapShared(fd, shape.size)
      this.#offsets = slotOffsets(shape)
    } else {
      this.#offsets = new Uint32Array(0)
    }
    const ring = this.#ring?.buffer ?? new ArrayBuffer(0)
    this.#status = new Int32Array(ring)
    this.#held = new Uint8Array(this.#offsets.length)
    this.memory = { bytes: new DataView(ring), address: this.#ring?.address ?? 0 }
    this.#queueBytes = new Uint8Array(SendQueue.size)
    this.#queueAddress = addressOf(this.#queueBytes)
    const name = linkAddress(interfaceIndex, 0)
    this.#queue = new SendQueue(this.#queueBytes.buffer, this.#queueAddress, name)
  }

  /**
   * Frames from now on, of the interface in this thread's network namespace. Throws KernelError where the
   * kernel refuses: EPERM without CAP_NET_RAW and CAP_NET_ADMIN, ENODEV, ENOMEM for the ring.
   */
  static open(interfaceIndex: number, options: PacketSocketOptions = {}): PacketSocket {
    const fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK_CLOEXEC, 0) // 0: nothing before `bind`
    const slots = options.slots ?? SLOTS_DEFAULT
    let opened: PacketSocket | undefined
    try {
      opened = new PacketSocket(fd, interfaceIndex, slots)
      if (slots > 0) bind(fd, linkAddress(interfaceIndex, EVERY_PROTOCOL))
      return opened
    } catch (error) {
      if (opened === undefined) close(fd)
      else opened.close()
      throw error
    }
  }

  /**
   * The error the socket has in store, and clears it: ENETDOWN after its interface went down. Until then the
   * descriptor counts as readable. 0: none.
   */
  takeError(): number {
    const error = new Uint8Array(4)
    getsockopt(this.fd, SOL_SOCKET, SO_ERROR, error)
    return new DataView(error.buffer).getInt32(0, true)
  }

  /** Slots of the ring. */
  get slots(): number {
    return this.#offsets.length
  }

  /**
   * The slot of the next frame, which is then described by the fields; -1: none now, or every slot is held.
   * The slot is the caller's until `release`.
   */
  next(): number {
    // Ends: a slot is visited once before the ring is empty, or held all round.
    for (;;) {
      const slot = this.#head
      if (slot >= this.#held.length || this.#held[slot] !== 0) return -1
      const at = this.#offsets[slot]!
      const status = Atomics.load(this.#status, at >>> 2)
      if ((status & Status.user) === 0) return -1
      this.#head = slot + 1 === this.#held.length ? 0 : slot + 1
      this.#held[slot] = 1
      this.#received++
      const bytes = this.memory.bytes
      const captured = bytes.getUint32(at + Slot.captured, true)
      if (captured < bytes.getUint32(at + Slot.length, true)) {
        this.truncated++
        this.release(slot)
        continue
      }
      this.#describe(at, status, captured)
      return slot
    }
  }

  #describe(at: number, status: number, length: number): void {
    const bytes = this.memory.bytes
    const start = at + bytes.getUint16(at + Slot.frameAt, true)
    this.frameStart = start
    this.frameLength = length
    this.frameFloor = frameFloor(at)
    this.frameCeiling = at + SLOT_SIZE
    this.packetType = bytes.getUint8(at + Slot.packetType)
    this.hasVlanTag = (status & Status.hasVlanTag) !== 0
    this.vlanTci = this.hasVlanTag ? bytes.getUint16(at + Slot.vlanTci, true) : 0
    this.vlanProtocol = this.hasVlanTag ? bytes.getUint16(at + Slot.vlanProtocol, true) : 0
    readVirtioHeader(bytes, start - VIRTIO_HEADER_SIZE, this.offloads)
  }

  /** Gives a slot back to the kernel. */
  release(slot: number): void {
    assert(this.#held[slot] === 1, `slot ${slot} is not held`)
    this.#held[slot] = 0
    Atomics.store(this.#status, this.#offsets[slot]! >>> 2, 0)
  }

  /**
   * Puts the frame of `length` bytes at `start` of `memory` into the queue, with the virtio header right
   * before it; `memory` may be any socket's ring or other memory. Sends what waits once the queue is full.
   */
  send(memory: FrameMemory, start: number, length: number): void {
    if (this.#queue.isFull) this.flush()
    this.#queue.add(memory, start, length)
  }

  /** Sends what waits in the queue. A frame that the interface refuses is dropped and counted. */
  flush(): void {
    const waiting = this.#queue.length
    let first = 0
    let retries = 0
    while (first < waiting) {
      const at = this.#queueAddress + first * MESSAGE_SIZE
      const sent = sendmmsg(this.fd, at, waiting - first, MSG_DONTWAIT)
      if (sent > 0) {
        first += sent
        this.sent += sent
        continue
      }
      if (sent === -EINTR) continue
      if (sent === -EAGAIN && retries++ < FULL_RETRIES_MAX) continue
      const name = errnoName(-sent)
      this.sendErrors.set(name, (this.sendErrors.get(name) ?? 0) + 1)
      first++
    }
    this.#queue.clear()
  }

  /** Frames so far: received, and dropped because no slot was free. Both count from the socket's opening. */
  statistics(): { received: number; dropped: number } {
    const counts = new Uint32Array(2) // struct tpacket_stats; the kernel begins anew at each reading
    getsockopt(this.fd, SOL_PACKET, Option.statistics, new Uint8Array(counts.buffer))
    this.#dropped += counts[1]!
    return { received: this.#received, dropped: this.#dropped }
  }

  /** Ends both directions; the memory is gone, and nobody may touch it. Frames in the queue are lost. */
  close(): void {
    this.#ring?.unmap()
    close(this.fd)
  }
}

function setInteger(fd: number, level: number, option: number, value: number): void {
  setsockopt(fd, level, option, new Uint8Array(Int32Array.of(value).buffer))
}

/** struct sockaddr_ll. */
function linkAddress(interfaceIndex: number, protocol: number): Uint8Array {
  const address = new DataView(new ArrayBuffer(20))
  address.setUint16(0, AF_PACKET, true)
  address.setUint16(2, protocol, true)
  address.setInt32(4, interfaceIndex, true)
  return new Uint8Array(address.buffer)
}
