/**
 * Lines out of a stream's chunks: each as soon as its newline is there, bounded.
 */
export class LineReader {
  readonly #max: number
  #rest = Buffer.alloc(0)

  /** `max`: bytes of one line, without its newline. */
  constructor(max: number) {
    this.#max = max
  }

  /** The lines that this chunk ends, as text. Undefined: one is longer than allowed, nothing more can be read. */
  push(chunk: Buffer): string[] | undefined {
    const lines: string[] = []
    let from = 0
    for (;;) {
      const end = chunk.indexOf(0x0a, from)
      const part = chunk.subarray(from, end < 0 ? chunk.length : end)
      if (this.#rest.length + part.length > this.#max) return undefined
      if (end < 0) {
        if (part.length > 0) this.#rest = Buffer.concat([this.#rest, part])
        return lines
      }
      lines.push(
        this.#rest.length > 0 ? Buffer.concat([this.#rest, part]).toString() : part.toString(),
      )
      this.#rest = Buffer.alloc(0)
      from = end + 1
    }
  }
}
