/**
 * Loops over lists of the top level: left early, gone on with, one within the other, empty; negative and named numbers;
 * a list of another file, in a group, and one that a local hides.
 */
import { u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, PRIMES, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()

const FIRST = 3
const WEIGHTS = [FIRST, FIRST * 2, 0xffffffff, 0]
const NONE: readonly number[] = []
const STEPS = [-2, 5, -1] as const
const Group = { few: [1, 2], many: [7] } as const
const ONE = [1]

export function lists(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  let sum: u32 = 0
  for (const weight of WEIGHTS) {
    if (weight === n.a) continue
    sum = u32(sum + weight)
    if (weight > n.b) break
    out.r0 = weight
  }
  for (const step of STEPS) out.r1 = u32(out.r1 + step * n.h)
  for (const none of NONE) out.r2 = u32(none + 1)
  let rounds: u32 = 0
  for (const few of Group.few) {
    for (const prime of PRIMES) {
      if ((prime + few) % 2 === (n.g & 1)) continue
      if (prime > n.e) break
      rounds = u32(rounds + prime)
      for (let i: u32 = 0; i < 3; i++) {
        if (i === (n.f & 3)) break
        out.r3 = u32(out.r3 + i * few)
      }
    }
  }
  for (const each of Group.many) out.r4 = u32(out.r4 ^ each)
  for (const WEIGHTS of ONE) sum = u32(sum + WEIGHTS)
  for (const prime of PRIMES) if (prime > n.c) return u32(sum + prime)
  return u32(sum + rounds)
}
