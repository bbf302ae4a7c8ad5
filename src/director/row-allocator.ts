/**
 * Which rows of a table are in use: the one freed last is given first, else the next fresh one.
 */
import { Grace, type WaitForReaders } from './grace.ts'

export class RowAllocator {
  readonly #first: number
  readonly #capacity: number
  #next: number
  readonly #freed: number[] = []
  readonly #retired = new Grace<number>()
  /** Called where there is no row but those that rest; without it there is none then. */
  waitForReaders: WaitForReaders | undefined

  /** Rows `first` … `capacity` - 1 may be given. */
  constructor(capacity: number, first = 0) {
    this.#first = first
    this.#capacity = capacity
    this.#next = first
  }

  /** As if exactly the rows in `used` had been given. */
  static around(capacity: number, used: Iterable<number>, first = 0): RowAllocator {
    const allocator = new RowAllocator(capacity, first)
    const taken = new Set(used)
    for (const row of taken) allocator.#next = Math.max(allocator.#next, row + 1)
    for (let row = allocator.#next - 1; row >= first; row--) {
      if (!taken.has(row)) allocator.#freed.push(row)
    }
    return allocator
  }

  /** Rows given and not taken back; those that rest count as given. */
  get used(): number {
    return this.#next - this.#first - this.#freed.length
  }

  /** A row nobody uses, or undefined if there is none. */
  take(): number | undefined {
    const freed = this.#freed.pop()
    if (freed !== undefined) return freed
    if (this.#next < this.#capacity) return this.#next++
    if (this.waitForReaders === undefined || this.#retired.isEmpty) return undefined
    this.waitForReaders()
    this.#freed.push(...this.#retired.takeAll())
    return this.#freed.pop()
  }

  /** Nobody ever knew of the row. */
  free(row: number): void {
    this.#freed.push(row)
  }

  /** Nothing refers to the row any more: it is free after two calls of `reclaim`. */
  retire(row: number): void {
    this.#retired.retire(row)
  }

  reclaim(): void {
    for (const row of this.#retired.reclaim()) this.free(row)
  }
}
