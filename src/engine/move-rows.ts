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

/** `rows` of them. */
export function moveRows(move: RowMove, rows: number, from: Memory, to: Memory): void {
  const { fromSize, toSize, stretches } = move
  const source = bytesOf(from, rows * fromSize)
  const target = bytesOf(to, rows * toSize)
  const [only] = stretches
  if (stretches.length === 1 && only!.length === fromSize && fromSize === toSize) {
    target.set(source)
    return
  }
  for (const { from: at, to: into, length } of stretches) {
    const isInWords = (at | into | length | fromSize | toSize) % 4 === 0
    if (isInWords) moveWords(source, target, [at, into, length, fromSize, toSize], rows)
    else moveBytes(source, target, [at, into, length, fromSize, toSize], rows)
  }
}

type Places = readonly [at: number, into: number, length: number, fromSize: number, toSize: number]

function moveWords(source: Uint8Array, target: Uint8Array, places: Places, rows: number): void {
  const [at, into, length, fromSize, toSize] = places.map((bytes) => bytes >>> 2) as [...Places]
  const [from, to] = [wordsOf(source), wordsOf(target)]
  for (let row = 0; row < rows; row++) {
    const [first, next] = [row * fromSize + at, row * toSize + into]
    for (let i = 0; i < length; i++) to[next + i] = from[first + i]!
  }
}

function moveBytes(from: Uint8Array, to: Uint8Array, places: Places, rows: number): void {
  const [at, into, length, fromSize, toSize] = places
  for (let row = 0; row < rows; row++) {
    const [first, next] = [row * fromSize + at, row * toSize + into]
    for (let i = 0; i < length; i++) to[next + i] = from[first + i]!
  }
}

function bytesOf({ bytes, base }: Memory, length: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + base, length)
}

function wordsOf({ buffer, byteOffset, length }: Uint8Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length >>> 2)
}
