/**
 * Shifts, by constants and by what is only known then.
 */
import { u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()

export function shifts(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  const by: u32 = n.g & 31
  out.r0 = u32(n.a << by)
  out.r1 = n.a >>> by
  out.r2 = u32(n.a << 31)
  out.r3 = n.a >>> 31
  out.r4 = u32(n.e << 16) >>> 8
  out.r5 = (n.a >>> 16) << 3
  out.r6 = u32((n.a << 13) ^ (n.a >>> 19))
  out.r7 = u32(u32(n.a << (n.h & 7)) << 24)
  out.half = (n.e >>> 8) | ((n.e & 0xff) << 8)
  out.byte = n.c >>> 24
  // Of more than 32 bits the lower ones are shifted.
  out.flag = (n.a + n.b) >>> 31
  return ((n.a - n.b) >>> 1) ^ (u32(1 << by) >>> 1)
}
