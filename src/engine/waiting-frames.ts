/**
 * Frames that are ready but for the next hop's MAC address: kept, a few for each neighbour, until it is resolved.
 *
 * Bounded as the kernel's own queue is (neigh/default/unres_qlen): when full, the oldest of that neighbour gives way.
 */
import type { FrameOffloads } from '../kernel/virtio-header.ts'

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

export class WaitingFrames {
  readonly #queues = new Map<string, WaitingFrame[]>()
  /** Frames that gave way to others or waited too long. */
  dropped = 0

  /** True: this is the first frame for that neighbour. */
  add(interfaceIndex: number, address: string, frame: WaitingFrame): boolean {
    const key = `${interfaceIndex} ${address}`
    const queue = this.#queues.get(key)
    if (queue !== undefined) {
      if (queue.push(frame) > FRAMES_MAX) {
        queue.shift()
        this.dropped++
      }
      return false
    }
    if (this.#queues.size >= NEIGHBOURS_MAX) {
      this.dropped++
      return false
    }
    this.#queues.set(key, [frame])
    return true
  }

  /** The neighbour's frames, oldest first; they wait no longer. */
  take(interfaceIndex: number, address: string): readonly WaitingFrame[] {
    const key = `${interfaceIndex} ${address}`
    const queue = this.#queues.get(key)
    if (queue === undefined) return []
    this.#queues.delete(key)
    return queue
  }

  /** Gives up what has waited too long at `nowMs`. */
  expire(nowMs: number): void {
    for (const [key, queue] of this.#queues) {
      while (queue.length > 0 && nowMs - queue[0]!.since > WAIT_MS) {
        queue.shift()
        this.dropped++
      }
      if (queue.length === 0) this.#queues.delete(key)
    }
  }

  get length(): number {
    let frames = 0
    for (const queue of this.#queues.values()) frames += queue.length
    return frames
  }
}
