/**
 * What is not referred to any more, but may still be in the hands of a packet that read the reference just before.
 *
 * It rests until `reclaim` was called twice. The caller does so no more often than any packet can take: a sweep's
 * interval is thousands of times that.
 */

/** Calls of `reclaim` after which what was retired is free. */
export const RECLAIMS = 2

export class Grace<T> {
  #resting: T[] = []
  #retired: T[] = []

  retire(item: T): void {
    this.#retired.push(item)
  }

  /** What was retired before the last call: it is nobody's now. */
  reclaim(): readonly T[] {
    const rested = this.#resting
    this.#resting = this.#retired
    this.#retired = []
    return rested
  }

  /** Whether anything rests. */
  get isEmpty(): boolean {
    return this.#resting.length + this.#retired.length === 0
  }

  /** Everything, at once: the caller has waited for readers. */
  takeAll(): readonly T[] {
    const all = [...this.#resting, ...this.#retired]
    this.#resting = []
    this.#retired = []
    return all
  }
}

/** Returns when nobody holds any longer what he read before it was called; where nobody else reads, at once. */
export type WaitForReaders = () => void
