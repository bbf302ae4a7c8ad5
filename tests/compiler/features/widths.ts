/**
 * Integers of each width: what fits, what wraps, what is carried on.
 */
import { u8, u16, u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()

export function widths(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  out.r0 = u32(n.a + n.b)
  out.r1 = u32(n.a - n.b)
  out.r2 = u16(n.a + n.b)
  out.r3 = u16(n.e - n.f)
  out.r4 = u8(n.g + n.h)
  out.r5 = u8(n.a - n.g)
  out.half = u16(n.e + 1)
  out.byte = u8(n.h - 1)
  out.flag = u8(n.c)
  const sum: u16 = u16(n.e + n.g)
  let small: u8 = u8(sum)
  small = u8(small + 200)
  out.r6 = small + sum
  // Wider than 32 bits on the way, and wrapped only in the end.
  out.r7 = u32(n.a + n.b + n.c + n.d - 5)
  out.wide = n.a + n.b + n.c
  const back: u32 = u32(out.wide)
  return u32(back - out.half + u32(-n.g))
}
