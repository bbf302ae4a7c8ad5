/**
 * And, or, exclusive or, not: on 32 bits, and only wrapped in the end.
 */
import { u16, u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()

const LOW = 0x00ff00ff
const HIGH = 0xff00ff00

export function bits(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  out.r0 = u32(n.a & n.b)
  out.r1 = u32(n.a | n.b)
  out.r2 = u32(n.a ^ n.b)
  out.r3 = u32(~n.a)
  out.r4 = n.a & LOW
  out.r5 = u32(n.a & HIGH)
  out.r6 = u32((n.a & ~n.b) | (~n.c ^ n.d))
  out.r7 = u32(~(n.a + n.b) & 0x7fffffff)
  out.half = n.e ^ n.f
  out.byte = n.g | n.h
  out.flag = (n.a & 0x80) !== 0 ? 1 : 0
  if ((n.c & 3) === 3 && (n.d & 0x10000) === 0) return u16(n.a ^ 0xffff)
  return u32(u32(n.a - n.b) & u32(n.c - n.d))
}
