/**
 * Rows of one layout into rows of another: what has the same name, at the same index.
 *
 *     theirs   | client0 … | clientPort | server | status | …
 *                   │             ╲         │        │          stretches of bytes, as long as possible
 *     ours     | client0 … | spare | clientPort | server | …
 *
 * A field may have become wider. One that is new stays as it is.
 */
import type { TableShape } from '../dataplane/schema.ts'
import type { FieldKind, Memory } from '../subset/struct.ts'

type Shape = Pick<TableShape, 'fields' | 'offsets' | 'size'>

interface Stretch {
  readonly from: number
  readonly to: number
  /** Bytes. */
  readonly length: number
}

/** From where to where in a row. */
export interface RowMove {
  readonly fromSize: number
  readonly toSize: number
  readonly stretches: readonly Stretch[]
}

const BYTES: Readonly<Record<FieldKind, number>> = { u8: 1, u16: 2, u32: 4, atomic: 4, u64: 8 }

/** How; or the name of a field that has become too narrow. */
export function planMove(from: Shape, to: Shape): RowMove | string {
  const stretches: { from: number; to: number; length: number }[] = []
  for (const [field, kind] of Object.entries(to.fields)) {
    const theirs = from.fields[field]
    if (theirs === undefined) continue
    const length = BYTES[theirs]
    if (length > BYTES[kind]) return field
    const [at, target] = [from.offsets[field]!, to.offsets[field]!]
    const last = stretches.at(-1)
    const goesOn =
      last !== undefined && last.from + last.length === at && last.to + last.length === target
    // Little-endian: a wider field begins with the bytes of the narrower.
    if (goesOn) last.length += length
    else stretches.push({ from: at, to: target, length })
  }
  return { fromSize: from.size, toSize: to.size, stretches }
}

/**
 * The rows of one table, as often as they are wanted. Those that were never used are looked at and not touched: of a
 * table of 128 MiB mostly little is in use.
 */
export class RowMover {
  readonly #move: RowMove
  readonly #from: Uint8Array
  readonly #to: Uint8Array
  /** Of each row whether it was ever anything but zero. */
  readonly #wasUsed: Uint8Array

  /** `rows`: how many there are in both. */
  constructor(move: RowMove, rows: number, from: Memory, to: Memory) {
    this.#move = move
    this.#from = bytesOf(from, rows * move.fromSize)
    this.#to = bytesOf(to, rows * move.toSize)
    this.#wasUsed = new Uint8Array(rows)
  }

  run(): void {
    const { fromSize, toSize, stretches } = this.#move
    const places = stretches.flatMap(({ from, to, length }) => [from, to, length])
    const isInWords = [fromSize, toSize, ...places].every((bytes) => bytes % 4 === 0)
    if (isInWords) this.#runBy(wordsOf(this.#from), wordsOf(this.#to), 4)
    else this.#runBy(this.#from, this.#to, 1)
  }

  /** `unit`: bytes of an element. */
  #runBy(from: Uint8Array | Uint32Array, to: Uint8Array | Uint32Array, unit: 1 | 4): void {
    const wasUsed = this.#wasUsed
    const [fromSize, toSize] = [this.#move.fromSize / unit, this.#move.toSize / unit]
    const places = this.#move.stretches.flatMap(({ from: at, to: into, length }) => [
      at / unit,
      into / unit,
      length / unit,
    ])
    for (let row = 0; row < wasUsed.length; row++) {
      const first = row * fromSize
      if (wasUsed[row] === 0 && isZero(from, first, fromSize)) continue
      wasUsed[row] = 1
      for (let k = 0; k < places.length; k += 3) {
        const [source, target] = [first + places[k]!, row * toSize + places[k + 1]!]
        const length = places[k + 2]!
        for (let i = 0; i < length; i++) to[target + i] = from[source + i]!
      }
    }
  }
}

function isZero(elements: Uint8Array | Uint32Array, first: number, count: number): boolean {
  let all = 0
  for (let i = first; i < first + count; i++) all |= elements[i]!
  return all === 0
}

function bytesOf({ bytes, base }: Memory, length: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + base, length)
}

function wordsOf({ buffer, byteOffset, length }: Uint8Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length >>> 2)
}
