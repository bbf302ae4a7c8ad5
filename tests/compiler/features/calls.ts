/**
 * Functions that stay functions: arguments in registers and beyond them, views, booleans, results.
 */
import { u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, type Result, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()
const innerAt = Numbers.cursor()
const noteAt = results.cursor()

export function calls(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  out.r0 = many(n.a, n.b, n.c, n.d, n.e, n.f, n.g, n.h)
  out.r1 = many(1, 2, 3, 4, 5, 6, 7, n.g)
  fill(out, n.a, n.b, n.e > n.f)
  const inner: u32 = framed(packet, n.a, n.b, n.c, n.d)
  note(u32(inner + out.r0))
  return u32(inner + many(n.h, n.g, n.f, n.e, n.d, n.c, n.b, n.a))
}

/** @apart */
function many(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32): u32 {
  return u32((u32(a ^ b) >>> 1) + (u32(c | d) >>> 2) + e * 3 - f + g * 5 + h)
}

/** @apart */
function fill(out: Result, first: u32, second: u32, isFirst: boolean): void {
  out.r2 = isFirst ? first : second
  out.r3 = u32(out.r3 + many(first, second, 0, 0, 0, 0, 1, 2))
}

/** @apart */
function framed(packet: Packet, a: u32, b: u32, c: u32, d: u32): u32 {
  const numbers = innerAt.at(packet, NUMBERS_AT)
  if (numbers === null || packet.length > 70) return u32(a + b)
  return u32(numbers.a - a + (numbers.b - b) + c * 2 + d)
}

/** @apart */
function note(value: u32): void {
  const row = noteAt.at(1)
  if (row === null) return
  row.addTotal(value)
}
