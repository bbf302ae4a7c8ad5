/**
 * The text of a source file, and which line each place of it is on.
 */
import type { Origin } from '../ir/ir.ts'

export class SourceText {
  readonly #text: string
  /** Where each line begins. */
  readonly #starts: number[] = [0]

  constructor(text: string) {
    this.#text = text
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
      this.#starts.push(at + 1)
    }
  }

  /** Where an operation comes from, and that line. */
  placeOf({ file, start }: Origin) {
    let [low, high] = [0, this.#starts.length]
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.#starts[middle]! <= start) low = middle
      else high = middle
    }
    const first = this.#starts[low]!
    const end = this.#starts[low + 1] ?? this.#text.length + 1
    const text = this.#text.slice(first, end - 1)
    return { file, line: low + 1, column: start - first + 1, text }
  }
}
