/**
 * One index into several tables, of different sizes: what holds of one is not enough for the other.
 */
import { u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { table } from '../../../src/subset/table.ts'
import { Numbers, NUMBERS_AT, Result, results } from '../numbers.ts'

const few = table('few', Result, 2)
const many = table('many', Result, 7)

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()
const fewAt = few.cursor()
const manyAt = many.cursor()
const againAt = results.cursor()

export function indices(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  if (n === null) return 0
  const one = manyAt.at(n.g & 15)
  if (one === null) return 1
  one.r0 = u32(one.r0 + 1)
  const other = resultAt.at(n.g & 15)
  if (other === null) return one.r0
  other.r1 = u32(other.r1 + one.r0)
  const last = fewAt.at(n.g & 15)
  if (last !== null) last.half = n.e
  const again = againAt.at(n.g & 15)
  return again === null ? 2 : u32(again.r1 + (last === null ? 3 : last.half))
}
