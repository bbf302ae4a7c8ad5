/**
 * Returns from within: loops, branches, functions that are written where they are called.
 */
import { u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, type Result, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()

export function returns(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  note(n.a, out)
  if (n.a > n.b) {
    if (n.c > n.d) return find(n.e)
    else if (n.c === n.d) return 1
    return u32(find(n.f) + 2)
  } else if (n.g === 0) return 3
  for (let i: u32 = 0; i < 6; i++) {
    if (i === n.h) return u32(find(i) * 4)
    if (n.e === 0) {
      note(i, out)
      return 5
    }
  }
  return find(n.a)
}

function find(value: u32): u32 {
  if (value === 0) return 0
  for (let i: u32 = 1; i < 9; i++) {
    if (value < i * i) return i
    if (value === 20) break
  }
  return 9
}

function note(value: u32, out: Result): void {
  if (value < 100) return
  out.r0 = u32(out.r0 + 1)
  if (value > 1000) return
  out.r1 = value
}
