/**
 * Views that may be missing where a function that stays one is called, and where a long loop asks each time.
 */
import { u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, type Result, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()
const rowAt = results.cursor()
const otherAt = results.cursor()
const ROUNDS = 50

export function missingViews(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  out.r0 = either(null, out, n.a)
  const row = rowAt.at(n.g & 7)
  out.r1 = either(row, null, n.b)
  out.r2 = either(row, otherAt.at(n.h & 7), n.c)
  let sum: u32 = n.d
  for (let i: u32 = 0; i < ROUNDS; i++) {
    if (i === (n.e & 63)) break
    sum = u32(sum * 3 + (row === null ? i : row.r3))
    if (row !== null && sum > 0xf0000000) row.r3 = u32(row.r3 + 1)
  }
  return sum
}

/** @apart */
function either(one: Result | null, other: Result | null, value: u32): u32 {
  if (one !== null) one.r4 = value
  if (other === null) return one === null ? 1 : u32(one.r4 + 2)
  other.r5 = u32(other.r5 + value)
  return 3
}
