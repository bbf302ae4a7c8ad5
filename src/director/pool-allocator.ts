/**
 * Stretches of the pool: given in multiples of 16 words, large ones in multiples of an eighth of their size, so that a
 * list that grows by a server still fits where another was; taken back with a delay.
 *
 * A reader may have read a service's pool word just before it was switched and still be walking the old list. So a
 * stretch that is `retire`d is free only after `reclaim` was called twice (grace.ts).
 */
import { Grace, type WaitForReaders } from './grace.ts'

const GRAIN = 16

export interface Stretch {
  readonly offset: number
  readonly words: number
}

export class PoolAllocator {
  readonly #capacity: number
  #next: number
  /** Free stretches by size in words. */
  readonly #free = new Map<number, number[]>()
  readonly #retired = new Grace<Stretch>()
  /** Called where there is no room but what rests; without it there is none then. */
  waitForReaders: WaitForReaders | undefined

  /** Word 0 is never given: 0 means "no list". */
  constructor(capacity: number) {
    this.#capacity = capacity
    this.#next = GRAIN
  }

  /** As if exactly the stretches in `used`, which do not overlap, had been given. */
  static around(capacity: number, used: readonly Stretch[]): PoolAllocator {
    const allocator = new PoolAllocator(capacity)
    for (const { offset, words } of [...used].sort((a, b) => a.offset - b.offset)) {
      const gap = offset - allocator.#next
      if (gap > 0) allocator.#give(allocator.#next, gap)
      allocator.#next = offset + roundUp(words)
    }
    return allocator
  }

  /** Where `words` words may be written, or undefined if the pool is full. */
  take(words: number): number | undefined {
    const size = roundUp(words)
    const offset = this.#find(size)
    if (offset !== undefined || this.waitForReaders === undefined) return offset
    if (this.#retired.isEmpty) return undefined
    this.waitForReaders()
    for (const stretch of this.#retired.takeAll()) this.#give(stretch.offset, stretch.words)
    return this.#find(size)
  }

  #find(size: number): number | undefined {
    const same = this.#free.get(size)?.pop()
    if (same !== undefined) return same
    if (this.#next + size <= this.#capacity) {
      const offset = this.#next
      this.#next += size
      return offset
    }
    const cut = this.#split(size)
    if (cut !== undefined || !this.#joinNeighbours()) return cut
    return this.#free.get(size)?.pop() ?? this.#split(size)
  }

  /** Makes one stretch of free ones that lie side by side. False: there are none. */
  #joinNeighbours(): boolean {
    const free = [...this.#free].flatMap(([words, offsets]) =>
      offsets.map((offset) => ({ offset, words })),
    )
    free.sort((a, b) => a.offset - b.offset)
    const joined: { offset: number; words: number }[] = []
    for (const stretch of free) {
      const last = joined.at(-1)
      if (last !== undefined && last.offset + last.words === stretch.offset) {
        last.words += stretch.words
      } else joined.push(stretch)
    }
    this.#free.clear()
    for (const { offset, words } of joined) this.#give(offset, words)
    return joined.length < free.length
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
    if (offset !== 0) this.#retired.retire({ offset, words: roundUp(words) })
  }

  /** Frees what was retired before the last call. */
  reclaim(): void {
    for (const { offset, words } of this.#retired.reclaim()) this.#give(offset, words)
  }

  #give(offset: number, words: number): void {
    const offsets = this.#free.get(words)
    if (offsets === undefined) this.#free.set(words, [offset])
    else offsets.push(offset)
  }
}

/** Words that a stretch of `words` takes. */
export function roundUp(words: number): number {
  const grain = Math.max(GRAIN, 2 ** (Math.floor(Math.log2(Math.max(words, 1))) - 3))
  return Math.ceil(words / grain) * grain
}
