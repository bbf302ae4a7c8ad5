/**
 * Frames leave: from the receive ring as they lie there, or, cut to size, from the outbox.
 *
 * One sending socket an interface. Nothing is given to the kernel before `flush`; until then the slots and outbox
 * memory that frames lie in must stay as they are.
 */
import { randomInt } from 'node:crypto'
import { PacketSocket } from '../kernel/packet/packet-socket.ts'
import type { FrameMemory } from '../kernel/packet/send-queue.ts'
import {
  GsoType,
  noOffloads,
  VIRTIO_HEADER_SIZE,
  VirtioFlag,
  writeVirtioHeader,
  type FrameOffloads,
} from '../kernel/packet/virtio-header.ts'
import { completeChecksum, isSctp } from './complete-checksum.ts'
import { Outbox } from './outbox.ts'
import { fragmentFrame, fragmentIpv6 } from './fragment.ts'
import { finishOuter, segmentFrame } from './segment.ts'

const ETHERNET = 14
const IPV4 = 0x0800
const DONT_FRAGMENT = 0x40

const PLAIN = noOffloads()

/** A frame that may leave, wherever its bytes are. */
export interface Departure {
  /** Where it leaves. */
  egress: number
  /** Bytes of IP packet that the way takes. */
  mtu: number
  /** As it came in; `grown` says by how much its head has moved since. */
  offloads: FrameOffloads
  grown: number
  /** Bytes of outer headers, 0 if none. */
  outerBytes: number
}

export class Transmitter {
  /** Frames cut into segments or fragments here. */
  cut = 0
  /** Frames for interfaces that could not be opened. */
  noInterface = 0
  readonly #sockets = new Map<number, PacketSocket>()
  readonly #outbox = new Outbox()
  readonly #waiting = new Set<PacketSocket>()

  /** An attached interface's own socket sends as well. */
  adopt(socket: PacketSocket): void {
    this.#sockets.get(socket.interfaceIndex)?.close()
    this.#sockets.set(socket.interfaceIndex, socket)
  }

  /** The interface is not attached any more; its socket is the caller's to close. */
  drop(interfaceIndex: number): void {
    const socket = this.#sockets.get(interfaceIndex)
    if (socket === undefined) return
    this.#waiting.delete(socket)
    this.#sockets.delete(interfaceIndex)
  }

  /** Sends the frame of `length` bytes at `start` of `memory`; its virtio header is written before it. */
  send(memory: FrameMemory, start: number, length: number, departure: Departure): void {
    const { offloads, outerBytes, mtu } = departure
    const isLarge = offloads.gsoType !== GsoType.none
    const isTooLong =
      !isLarge && length - ETHERNET > mtu && mayFragment(memory.bytes, start, outerBytes)
    if ((isLarge && outerBytes > 0) || isTooLong) {
      const bytes = new Uint8Array(memory.bytes.buffer, memory.bytes.byteOffset + start, length)
      this.#sendCut(bytes, departure)
      return
    }
    // Nobody looks for an unfinished checksum inside a tunnel, and SCTP's nobody would know how to finish.
    const isUnfinished =
      isSctp(offloads) || (outerBytes > 0 && (offloads.flags & VirtioFlag.needsChecksum) !== 0)
    if (isUnfinished) {
      const bytes = new Uint8Array(memory.bytes.buffer, memory.bytes.byteOffset + start, length)
      completeChecksum(bytes, offloads, departure.grown)
    }
    const left = isUnfinished ? PLAIN : offloads
    writeVirtioHeader(memory.bytes, start - VIRTIO_HEADER_SIZE, left, departure.grown)
    this.#queue(memory, start, length, departure.egress)
  }

  /** Sends a copy of a frame. */
  sendCopy(bytes: Uint8Array, departure: Departure): void {
    if (!this.#outbox.hasRoom(bytes.length)) this.flush()
    const start = this.#outbox.put(bytes)
    this.send(this.#outbox.memory, start, bytes.length, departure)
  }

  #sendCut(bytes: Uint8Array, departure: Departure): void {
    this.cut++
    const { offloads, grown, outerBytes } = departure
    const plain = { ...departure, offloads: PLAIN, grown: 0 }
    if (offloads.gsoType === GsoType.none) {
      const whole = bytes.slice()
      completeChecksum(whole, offloads, grown)
      for (const fragment of fragmentsOf(whole, departure.mtu)) this.sendCopy(fragment, plain)
      return
    }
    const segments = segmentFrame({
      bytes,
      outerBytes,
      transport: offloads.checksumStart + grown,
      isTcp: (offloads.gsoType & ~GsoType.ecn) !== GsoType.udp,
      segmentSize: offloads.gsoSize,
    })
    for (const segment of segments) {
      completeChecksum(segment, offloads, grown)
      finishOuter(segment)
      this.sendCopy(segment, plain)
    }
  }

  #queue(memory: FrameMemory, start: number, length: number, egress: number): void {
    const socket = this.#sockets.get(egress) ?? this.#open(egress)
    if (socket === undefined) return
    socket.send(memory, start, length)
    this.#waiting.add(socket)
  }

  #open(egress: number): PacketSocket | undefined {
    try {
      const socket = PacketSocket.open(egress, { slots: 0 })
      this.#sockets.set(egress, socket)
      return socket
    } catch {
      this.noInterface++
      return undefined
    }
  }

  /** Hands everything to the kernel: afterwards slots may be released. */
  flush(): void {
    for (const socket of this.#waiting) socket.flush()
    this.#waiting.clear()
    this.#outbox.empty()
  }

  /** Frames the kernel took, and those interfaces refused, by error name. */
  counters(): Record<string, number> {
    const counters: Record<string, number> = {
      sent: 0,
      cut: this.cut,
      noInterface: this.noInterface,
    }
    for (const socket of this.#sockets.values()) {
      counters.sent! += socket.sent
      for (const [name, frames] of socket.sendErrors) {
        counters[`refused_${name}`] = (counters[`refused_${name}`] ?? 0) + frames
      }
    }
    return counters
  }

  /** Closes the sockets it opened itself; adopted ones are dropped before. */
  close(): void {
    for (const socket of this.#sockets.values()) socket.close()
    this.#sockets.clear()
  }
}

/** IPv4 without DF: the sender allows routers to cut it. IPv6: only the sender, which we are of a tunnel packet. */
function mayFragment(bytes: DataView, start: number, outerBytes: number): boolean {
  if (bytes.getUint16(start + 12) !== IPV4) return outerBytes > 0
  return (bytes.getUint8(start + ETHERNET + 6) & DONT_FRAGMENT) === 0
}

function fragmentsOf(bytes: Uint8Array, mtu: number): Uint8Array[] {
  const isIpv4 = bytes[ETHERNET]! >>> 4 === 4
  return isIpv4 ? fragmentFrame(bytes, mtu) : fragmentIpv6(bytes, mtu, randomInt(2 ** 32))
}
