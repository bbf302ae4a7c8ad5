/**
 * Lines out of a stream's chunks: each as soon as its newline is there, none longer than agreed.
 */
const NEWLINE = 0x0a

export class LineReader {
  readonly #max: number
  /** The line that has no end yet. */
  #pieces: Buffer[] = []
  #length = 0
  #isTooLong = false

  /** `max`: bytes of one line, without its newline. */
  constructor(max: number) {
    this.#max = max
  }

  /** A line was longer than `max`: nothing behind it is read any more. */
  get isTooLong(): boolean {
    return this.#isTooLong
  }

  /** The lines that this chunk ends, as text; bytes that are no UTF-8 become U+FFFD. */
  push(chunk: Buffer): string[] {
    return this.pushBytes(chunk).map((line) => line.toString())
  }

  /** The same as bytes. */
  pushBytes(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = []
    let from = 0
    while (!this.#isTooLong) {
      const end = chunk.indexOf(NEWLINE, from)
      this.#keep(chunk.subarray(from, end < 0 ? chunk.length : end))
      if (end < 0 || this.#isTooLong) break
      lines.push(this.#join())
      from = end + 1
    }
    return lines
  }

  #keep(piece: Buffer): void {
    this.#length += piece.length
    this.#pieces.push(piece)
    this.#isTooLong = this.#length > this.#max
    if (this.#isTooLong) this.#pieces = []
  }

  #join(): Buffer {
    const [first, ...more] = this.#pieces
    const line = more.length === 0 ? first! : Buffer.concat(this.#pieces, this.#length)
    this.#pieces = []
    this.#length = 0
    return line
  }
}
