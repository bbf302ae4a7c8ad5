/**
 * Which rows of a table are in use: the one freed last is given first, else the next fresh one.
 */
export class RowAllocator {
  readonly #first: number
  readonly #capacity: number
  #next: number
  readonly #freed: number[] = []

  /** Rows `first` … `capacity` - 1 may be given. */
  constructor(capacity: number, first = 0) {
    this.#first = first
    this.#capacity = capacity
    this.#next = first
  }

  /** Rows given and not taken back. */
  get used(): number {
    return this.#next - this.#first - this.#freed.length
  }

  /** A row nobody uses, or undefined if there is none. */
  take(): number | undefined {
    const freed = this.#freed.pop()
    if (freed !== undefined) return freed
    return this.#next < this.#capacity ? this.#next++ : undefined
  }

  free(row: number): void {
    this.#freed.push(row)
  }
}
