/**
 * Products: those that stay below 2^53, those modulo 2^32, and those only compared.
 */
import { isProductGreater, mul32, u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()

export function products(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  out.r0 = mul32(n.a, n.b)
  out.r1 = u32(n.a * n.e)
  out.r2 = n.e * n.f
  out.r3 = n.g * n.h
  out.r4 = isProductGreater(n.a, n.b, n.c, n.d) ? 1 : 0
  out.r5 = isProductGreater(n.a, 0xffffffff, 0xffffffff, n.b) ? 1 : 0
  out.r6 = n.a * n.e > n.b * n.f ? 1 : 0
  out.r7 = u32((n.e - n.f) * n.a)
  out.wide = n.a * 0x1fffff
  out.flag = n.a * 1 === n.a && n.b * 0 === 0 ? 1 : 0
  return u32(mul32(n.a, 0x9e3779b9) + n.g * 8 + n.h * 5)
}
