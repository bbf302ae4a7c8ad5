/**
 * Conditions: and, or, not, ternaries; booleans kept, handed on and given back.
 */
import { u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()

export function conditions(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  const isLess: boolean = n.a < n.b
  let isEither: boolean = isLess || n.c > n.d
  if (!isLess && !isEither) out.r0 = 1
  else out.r0 = 2
  if (isLess && (n.e > n.f || n.g === n.h)) isEither = false
  out.r1 = isEither ? (isLess ? 3 : 4) : isLess ? 5 : 6
  if (!(n.a === 0 || !(n.b !== 0 && isBetween(n.e, n.g, n.f))))
    out.r2 = out.r2 > 9 ? 0 : u32(out.r2 + 1)
  const isKnown: boolean = isBetween(n.a, n.c, n.d) === isLess
  out.flag = isKnown ? 1 : 0
  out.byte = choose(isKnown, isEither, !isLess) ? 1 : 0
  if (true && isKnown) return 7
  if (false || isEither) return 8
  return isBetween(n.g, n.h, 255) && !isKnown ? 9 : 10
}

function isBetween(value: u32, low: u32, high: u32): boolean {
  return value >= low && value <= high
}

function choose(condition: boolean, one: boolean, other: boolean): boolean {
  return condition ? one : other
}
