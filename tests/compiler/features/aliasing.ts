/**
 * Variables that were each other once: a copy keeps what it got, whatever becomes of the other.
 */
import { u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()

export function aliasing(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  let m: u32 = n.a
  const before: u32 = m
  const wrapped: u32 = u32(m)
  m = u32(m + 1)
  out.r0 = before
  out.r1 = wrapped
  let x: u32 = n.a
  let y: u32 = n.b
  let z: u32 = n.c
  // The three change places in each round.
  for (let i: u32 = 0; i < 7; i++) {
    const kept: u32 = x
    x = y
    y = z
    z = kept
    if (i === n.g) break
    if (u32(x + i) < y) z = u32(z + 1)
  }
  out.r2 = x
  out.r3 = y
  out.r4 = z
  let best: u32 = n.d
  let next: u32 = best
  for (let i: u32 = 0; i < 5; i++) {
    best = next
    next = u32(next + n.e)
    if (next < best) break
  }
  out.r5 = best
  out.r6 = next
  out.r7 = turned(m, before)
  return n.h > 128 ? turned(y, x) : turned(before, wrapped)
}

function turned(one: u32, other: u32): u32 {
  let a: u32 = one
  let b: u32 = other
  if (a > b) {
    const c: u32 = a
    a = b
    b = c
  }
  return u32(b - a)
}
