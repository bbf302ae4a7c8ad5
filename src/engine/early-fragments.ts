/**
 * Fragments that came before the first one of their datagram: they wait for it, and then take the packet path, in V8.
 *
 * The V8 engine says itself when a first one has gone by. With the kernel engine that is seen in the table of
 * fragments, which is looked at again and again while any wait.
 */
import { clearFlow, FragmentKind } from '../dataplane/flow.ts'
import { recallPorts } from '../dataplane/fragment.ts'
import { forwardCall } from '../dataplane/call-id.ts'
import { flow } from '../dataplane/main.ts'
import { PARSED, parse } from '../dataplane/parse.ts'
import { Verdict, verdictOf } from '../dataplane/verdict.ts'
import { addressOf } from '../kernel/ffi.ts'
import type { FrameMemory } from '../kernel/packet/send-queue.ts'
import {
  clearVirtioHeader,
  noOffloads,
  VIRTIO_HEADER_SIZE,
} from '../kernel/packet/virtio-header.ts'
import { Packet } from '../subset/packet.ts'
import type { Departure } from './transmit.ts'
import { WaitingFragments, type WaitingFragment } from './waiting-fragments.ts'

/** Where the frame begins in memory of this process: behind room for what tunnels put on, aligned as in the ring. */
const START = 142
const FRAME_MAX = 68 << 10
const PLAIN = noOffloads()

/** What becomes of a frame after the packet path, which `flow` still describes. Frames are lent, not given. */
export interface FragmentOutlets {
  /** To the host's own stack: `length` bytes at `start`, a virtio header before them. */
  pass(memory: FrameMemory, start: number, length: number): void
  send(frame: Uint8Array, departure: Departure): void
  /** Until the neighbour is known. */
  hold(frame: Uint8Array, departure: Departure): void
}

export class EarlyFragments {
  readonly #waiting = new WaitingFragments()
  readonly #outlets: FragmentOutlets
  readonly #packet = new Packet()
  readonly #memory: FrameMemory

  constructor(outlets: FragmentOutlets) {
    this.#outlets = outlets
    const bytes = new Uint8Array(START + FRAME_MAX)
    this.#memory = { bytes: new DataView(bytes.buffer), address: addressOf(bytes) }
  }

  get length(): number {
    return this.#waiting.length
  }

  /** Keeps a fragment that `flow` describes. */
  keep(fragment: WaitingFragment): void {
    this.#waiting.add(flow, fragment, performance.now())
  }

  /** A frame was forwarded that `flow` describes: if it was the first fragment of a datagram, the others follow. */
  follow(): void {
    if (flow.fragment !== FragmentKind.first) return
    for (const fragment of this.#waiting.take(flow)) this.#forward(fragment)
  }

  /**
   * From the kernel: a packet whose call is to be read goes on, and a fragment if the first of its datagram has come by
   * now, else it waits for it.
   */
  take(fragment: WaitingFragment): void {
    if (this.#isKnown(fragment)) this.#forward(fragment)
    else this.keep(fragment)
  }

  /** Sends on those whose first fragment has come, by the table of fragments. */
  look(): void {
    for (const fragment of this.#waiting.takeKnown((one) => this.#isKnown(one))) {
      this.#forward(fragment)
    }
  }

  /** Gives up what has waited too long. */
  tick(): void {
    this.#waiting.expire(performance.now())
  }

  /** Describes it in `flow`. What is no fragment at all goes on at once: it need not wait. */
  #isKnown(fragment: WaitingFragment): boolean {
    this.#point(fragment)
    clearFlow(flow)
    const isLater = parse(this.#packet, flow) === PARSED && flow.fragment === FragmentKind.later
    return !isLater || recallPorts(flow)
  }

  #point({ bytes, ingress }: WaitingFragment): void {
    const { buffer, byteLength } = this.#memory.bytes
    new Uint8Array(buffer).set(bytes, START)
    const packet = this.#packet
    packet.point(this.#memory.bytes, START, bytes.length, VIRTIO_HEADER_SIZE, byteLength)
    packet.ingress = ingress
  }

  #forward(fragment: WaitingFragment): void {
    this.#point(fragment)
    const packet = this.#packet
    const verdict = verdictOf(forwardCall(packet))
    if (verdict === Verdict.pass) {
      clearVirtioHeader(this.#memory.bytes, START - VIRTIO_HEADER_SIZE)
      this.#outlets.pass(this.#memory, START, fragment.bytes.length)
      return
    }
    if (verdict !== Verdict.send && verdict !== Verdict.hold) return
    const frame = new Uint8Array(this.#memory.bytes.buffer, packet.start, packet.length)
    const { egress, mtu, outerBytes } = flow
    const departure = { egress, mtu, outerBytes, offloads: PLAIN, grown: 0 }
    if (verdict === Verdict.send) this.#outlets.send(frame, departure)
    else this.#outlets.hold(frame, departure)
  }

  counters(): Record<string, number> {
    return { fragmentsWaiting: this.#waiting.length, fragmentsInVain: this.#waiting.dropped }
  }
}
