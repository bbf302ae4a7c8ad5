/**
 * More values at once than there are registers: across branches, loops and calls.
 */
import { mul32, u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()

export function pressure(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  const v0: u32 = u32(n.a + n.a)
  const v1: u32 = u32(n.b - n.d)
  const v2: u32 = u32(n.c ^ n.b)
  const v3: u32 = u32(n.d | 0x55aa)
  const v4: u32 = u32(n.a & n.c)
  const v5: u32 = u32(n.b + n.a)
  const v6: u32 = u32(n.c - n.d)
  const v7: u32 = u32(n.d ^ n.b)
  const v8: u32 = u32(n.a | 0x55aa)
  const v9: u32 = u32(n.b & n.c)
  const v10: u32 = u32(n.c + n.a)
  const v11: u32 = u32(n.d - n.d)
  const v12: u32 = u32(n.a ^ n.b)
  const v13: u32 = u32(n.b | 0x55aa)
  const v14: u32 = u32(n.c & n.c)
  const v15: u32 = u32(n.d + n.a)
  let sum: u32 = apart(v0, v1)
  for (let i: u32 = 0; i < 3; i++) {
    sum = u32(sum + v0 + v1 + v2 + v3 + v4 + v5 + v6 + v7 + v8)
    if (sum > n.e) sum = apart(sum, v12)
    out.r0 = u32(v6 ^ v7 ^ v8 ^ v9 ^ v10 ^ v11 ^ v12 ^ v13 ^ v14)
  }
  if (n.g > n.h) sum = u32(sum + mul32(v13, v14) + mul32(v15, v2))
  out.r1 = u32(v0 + v3 + v6 + v9 + v12 + v15 + v1 + v4 + v7)
  out.r2 = u32(v15 ^ v14 ^ v13 ^ v12 ^ v11 ^ v10 ^ v5 ^ v3)
  out.r3 = apart(v15, apart(v14, apart(v2, v5)))
  return u32(sum + v10 + v11 + v4)
}

/** @apart */
function apart(a: u32, b: u32): u32 {
  return a > b ? u32(a - b) : u32(b - a + 1)
}
