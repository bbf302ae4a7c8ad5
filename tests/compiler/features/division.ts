/**
 * Division and remainder: unsigned, by what is at least one.
 */
import { div, modulo, u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()

export function division(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  const by: u32 = n.b === 0 ? 1 : n.b
  out.r0 = div(n.a, by)
  out.r1 = modulo(n.a, by)
  out.r2 = div(n.a, 3)
  out.r3 = modulo(n.a, 10)
  out.r4 = n.a % 7
  out.r5 = (n.a + n.c) % 0x10000
  out.r6 = div(0xffffffff, by)
  out.r7 = div(n.a, 0x80000001)
  out.half = n.e % 1000
  out.byte = n.g % 1
  out.flag = n.h % 200
  return u32(div(n.c, by) * 3 + modulo(n.d, by))
}
