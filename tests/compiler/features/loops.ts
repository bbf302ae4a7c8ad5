/**
 * Loops that count: nested, left early, gone on with, with steps, and long ones, which are cut.
 */
import { u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()
const rowAt = results.cursor()

const ROUNDS = 5
const LONG = 100
const MIDDLE = 4

export function loops(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  let sum: u32 = 0
  for (let i: u32 = 0; i < ROUNDS; i++) {
    if (i === (n.g & 7)) continue
    for (let j: u32 = 0; j < 4; j++) {
      if (j === (n.h & 3)) break
      sum = u32(sum + n.a * 3 + i * 8 + j)
    }
    if (sum > 0xc0000000) break
    out.r0 = i
  }
  let last: u32 = 0
  for (let i: u32 = 4; i < 60; i += 7) last = i + (n.e & 1)
  out.r1 = last
  let steps: u32 = 0
  for (let i: u32 = 0; i < LONG; i++) {
    if (i > n.f) continue
    if (i === n.e) break
    steps = u32(steps + (n.b >>> (i & 31)))
  }
  out.r2 = steps
  for (let i: u32 = 0; i < 4; i++) {
    const row = rowAt.at(i)
    if (row === null) break
    row.r3 = u32(row.r3 + i)
    if (row.r3 > 40) return u32(sum + i)
  }
  for (let i: u32 = 3; i < 3; i++) out.r4 = 99
  // Found equal to a constant, the counter is that one: and counts on.
  for (let i: u32 = 1; i < 10; i += 3) {
    if (i === MIDDLE) out.r5 = u32(out.r5 + n.a)
  }
  return u32(sum + steps)
}
