/**
 * Numbers below zero on the way: differences, negation, and what they are compared with.
 */
import { u8, u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()

export function negative(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  const difference = n.a - n.b
  out.r0 = difference < 0 ? 1 : 0
  out.r1 = difference <= -1 ? 1 : 0
  out.r2 = difference > -2 ? 1 : 0
  out.r3 = difference >= n.c ? 1 : 0
  out.r4 = n.d > difference ? 1 : 0
  out.r5 = difference === -1 ? 1 : 0
  out.r6 = -n.a < -n.b ? 1 : 0
  out.r7 = u32(-(n.e - n.f) * 3)
  out.flag = n.g - n.h < n.e - n.f ? 1 : 0
  out.byte = u8(n.g - n.h)
  const clamped: u32 = difference < 0 ? 0 : u32(difference)
  if (difference !== u32(difference)) return u32(clamped + 7)
  return clamped
}
