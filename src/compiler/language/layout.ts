/**
 * Where fields lie in a struct: as src/subset/struct.ts lays them out, one behind the other.
 *
 * Rows of tables are naturally aligned, which struct.ts insists on, and little-endian; headers are packed and
 * big-endian.
 */
import { assert } from '../../base/assert.ts'
import type { Bytes } from '../ir/ir.ts'
import type { Struct } from './program.ts'

const BYTES: Readonly<Record<string, Bytes>> = { u8: 1, u16: 2, u32: 4, atomic: 4, u64: 8 }

export interface FieldPlace {
  readonly offset: number
  readonly bytes: Bytes
}

export function placeOf(struct: Struct, name: string): FieldPlace {
  let offset = 0
  for (const [field, kind] of struct.fields) {
    const bytes = bytesOf(kind)
    if (field === name) return { offset, bytes }
    offset += bytes
  }
  throw new Error(`struct ${struct.name} has no field ${name}`)
}

export function sizeOf(struct: Struct): number {
  return [...struct.fields.values()].reduce((size, kind) => size + bytesOf(kind), 0)
}

function bytesOf(kind: string): Bytes {
  const bytes = BYTES[kind]
  assert(bytes !== undefined, `a field is of kind ${kind}`)
  return bytes
}
