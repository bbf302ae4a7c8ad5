/**
 * Rows of tables: every kind of field, read and written, of rows that there are and others.
 */
import { u8, u16, u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, RESULTS, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()
const otherAt = results.cursor()
const lastAt = results.cursor()

export function rows(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  if (n === null) return 0
  const out = resultAt.at(n.g & 7)
  if (out === null) return 1
  out.r0 = u32(out.r0 + 1)
  out.half = u16(out.half + n.e)
  out.byte = u8(out.byte ^ n.h)
  out.flag = 255
  const other = otherAt.at(u32(n.a))
  if (other === null) return 2
  other.r1 = u32(other.r1 + out.r0)
  const last = lastAt.at(RESULTS - 1)
  if (last === null) return 3
  last.wide = out.wide
  return u32(last.half + other.r1)
}
