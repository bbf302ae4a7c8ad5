/**
 * Frames that are ready but for the next hop's MAC address: kept, a few for each neighbour, until it is resolved.
 *
 * Bounded as the kernel's own queue is (neigh/default/unres_qlen): when full, the oldest of that neighbour gives way.
 */
import type { FrameOffloads } from '../kernel/packet/virtio-header.ts'

export interface WaitingFrame {
  readonly bytes: Uint8Array
  readonly offloads: FrameOffloads
  /** Bytes by which its head has grown since the offloads were read. */
  readonly grown: number
  readonly outerBytes: number
  readonly since: number
}

/** For one neighbour. */
const FRAMES_MAX = 100
const NEIGHBOURS_MAX = 1024
/** Three requests, a second apart: then the kernel gives the neighbour up. */
const WAIT_MS = 3500
/** A neighbour that the kernel gave up while frames kept coming is asked for again. */
const ASK_AGAIN_MS = 1000

interface Queue {
  readonly frames: WaitingFrame[]
  askedMs: number
}

export class WaitingFrames {
  readonly #queues = new Map<string, Queue>()
  /** Frames that gave way to others or waited too long. */
  dropped = 0

  /** True: the neighbour should be asked for now; for the first time, or again. */
  add(interfaceIndex: number, address: string, frame: WaitingFrame): boolean {
    const key = `${interfaceIndex} ${address}`
    const queue = this.#queues.get(key)
    if (queue !== undefined) {
      if (queue.frames.push(frame) > FRAMES_MAX) {
        queue.frames.shift()
        this.dropped++
      }
      if (frame.since - queue.askedMs < ASK_AGAIN_MS) return false
      queue.askedMs = frame.since
      return true
    }
    if (this.#queues.size >= NEIGHBOURS_MAX) {
      this.dropped++
      return false
    }
    this.#queues.set(key, { frames: [frame], askedMs: frame.since })
    return true
  }

  /** The neighbour's frames, oldest first; they wait no longer. */
  take(interfaceIndex: number, address: string): readonly WaitingFrame[] {
    const key = `${interfaceIndex} ${address}`
    const queue = this.#queues.get(key)
    if (queue === undefined) return []
    this.#queues.delete(key)
    return queue.frames
  }

  /** Gives up what has waited too long at `nowMs`. */
  expire(nowMs: number): void {
    for (const [key, { frames }] of this.#queues) {
      while (frames.length > 0 && nowMs - frames[0]!.since > WAIT_MS) {
        frames.shift()
        this.dropped++
      }
      if (frames.length === 0) this.#queues.delete(key)
    }
  }

  get length(): number {
    let frames = 0
    for (const queue of this.#queues.values()) frames += queue.frames.length
    return frames
  }
}
