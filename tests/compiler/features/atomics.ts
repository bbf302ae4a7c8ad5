/**
 * What several processors change at once: additions and exchanges.
 */
import type { u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()

export function atomics(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  out.r0 = out.addTotal(n.a)
  out.r1 = out.addTotal(1)
  out.addTotal(n.e)
  out.addWide(n.b)
  out.addWide(0xffffffff)
  out.flag = out.swapTotal(n.c, n.d) ? 1 : 0
  const seen: u32 = out.total
  if (out.swapTotal(seen, n.a)) out.r2 = 1
  if (!out.swapTotal(seen, n.b)) out.r3 = seen
  if (n.g > 7 && out.swapTotal(n.a, 0)) return out.total
  out.r4 = out.wide > 0x100000000 ? 1 : 0
  return out.addTotal(n.h)
}
