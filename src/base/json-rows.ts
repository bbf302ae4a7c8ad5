/**
 * A long listing's rows, written as JSON straight into bytes: where there are a million of them, a string for each
 * would cost more than all else.
 */
export abstract class JsonRows {
  /** Bytes that `write` must have before it. */
  abstract readonly room: number
  /** All rows were written. */
  abstract readonly isDone: boolean

  /** Writes some more rows from `at` on, a comma behind each. Where they end; perhaps `at` itself. */
  abstract write(bytes: Uint8Array, at: number): number

  /** All that are left, as text. */
  text(): string {
    const bytes = Buffer.allocUnsafe(this.room)
    const pieces: string[] = []
    while (!this.isDone) pieces.push(bytes.toString('latin1', 0, this.write(bytes, 0)))
    return `[${pieces.join('').slice(0, -1)}]`
  }
}
