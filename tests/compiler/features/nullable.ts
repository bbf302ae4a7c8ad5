/**
 * Views that may be missing: asked in every way, handed on, kept apart by a branch.
 */
import type { u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import type { Result } from '../numbers.ts'
import { Numbers, NUMBERS_AT, NUMBERS_BYTES, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()
const moreAt = Numbers.cursor()
const farAt = Numbers.cursor()
const rowAt = results.cursor()

export function nullable(packet: Packet): u32 {
  const out = resultAt.at(0)
  if (out === null) return 0
  const n = numbersAt.at(packet, NUMBERS_AT)
  const more = moreAt.at(packet, NUMBERS_AT + NUMBERS_BYTES)
  out.r0 = n === null ? 1 : 2
  out.r1 = more !== null ? more.a : 3
  if (n !== null && more !== null) out.r2 = n.a === more.b ? 1 : 2
  if (n === null || n.g > 128) return first(null)
  const at = farAt.at(packet, n.e)
  if (!(at === null)) out.r3 = at.c
  const row = rowAt.at(n.h & 3)
  if (row === null || more === null) return first(out)
  row.r4 = n.b
  return first(n.f > 99 ? row : out)
}

function first(result: Result | null): u32 {
  if (result === null) return 77
  return result.r4
}
