/**
 * Stretches of the pool: given in multiples of 16 words, taken back with a delay.
 *
 * A reader may have read a service's pool word just before it was switched and still be walking the old list.
 * So a stretch that is `retire`d is free only after `reclaim` was called twice: the caller does so no more often than
 * any packet can take (a sweep's interval is thousands of times that).
 */
const GRAIN = 16

export class PoolAllocator {
  readonly #capacity: number
  #next: number
  /** Free stretches by size in words. */
  readonly #free = new Map<number, number[]>()
  #resting: { offset: number; words: number }[] = []
  #retired: { offset: number; words: number }[] = []

  /** Word 0 is never given: 0 means "no list". */
  constructor(capacity: number) {
    this.#capacity = capacity
    this.#next = GRAIN
  }

  /** Where `words` words may be written, or undefined if the pool is full. */
  take(words: number): number | undefined {
    const size = roundUp(words)
    const same = this.#free.get(size)?.pop()
    if (same !== undefined) return same
    if (this.#next + size <= this.#capacity) {
      const offset = this.#next
      this.#next += size
      return offset
    }
    return this.#split(size)
  }

  /** Cuts `size` words off the smallest larger free stretch. */
  #split(size: number): number | undefined {
    let best: number | undefined
    for (const [words, offsets] of this.#free) {
      if (words > size && offsets.length > 0 && (best === undefined || words < best)) best = words
    }
    if (best === undefined) return undefined
    const offset = this.#free.get(best)!.pop()!
    this.#give(offset + size, best - size)
    return offset
  }

  /** The stretch of `words` words at `offset` is not pointed at any more. */
  retire(offset: number, words: number): void {
    if (offset !== 0) this.#retired.push({ offset, words: roundUp(words) })
  }

  /** Frees what was retired before the last call. */
  reclaim(): void {
    for (const { offset, words } of this.#resting) this.#give(offset, words)
    this.#resting = this.#retired
    this.#retired = []
  }

  #give(offset: number, words: number): void {
    const offsets = this.#free.get(words)
    if (offsets === undefined) this.#free.set(words, [offset])
    else offsets.push(offset)
  }
}

function roundUp(words: number): number {
  return Math.ceil(words / GRAIN) * GRAIN
}
