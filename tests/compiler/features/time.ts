/**
 * The clock, which wraps, and chance.
 */
import { now, random } from '../../../src/subset/clock.ts'
import { isAtOrAfter, u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()

export function time(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  const time: u32 = now()
  out.r0 = time
  out.r1 = isAtOrAfter(time, n.a) ? 1 : 0
  out.r2 = isAtOrAfter(n.a, n.b) ? 1 : 0
  out.r3 = isAtOrAfter(u32(time + n.e), time) ? 1 : 0
  out.r4 = random()
  out.r5 = random()
  if (n.g > 100) out.r6 = random()
  out.r7 = random() % 10
  return u32(time - n.a)
}
