/**
 * Integers of stated width, as the packet path sees them.
 *
 * In V8 each of them is a number; the names say which range its author promises, and the compiler to eBPF
 * holds the author to it. Where JavaScript's arithmetic and the kernel's differ, one of the functions below
 * stands in for the operator:
 *
 *   a & b, a | b, a ^ b, a << n   are signed in JavaScript: write `u32(a & b)` unless b is a 31-bit constant
 *   a * b                         loses bits past 2^53: write `mul32(a, b)` for the product modulo 2^32
 *   a / b                         makes fractions: write `div(a, b)`, b never 0
 */

/** 0 … 255 */
export type u8 = number
/** 0 … 65 535 */
export type u16 = number
/** 0 … 4 294 967 295 */
export type u32 = number

/** The value modulo 2^8. */
export function u8(value: number): u8 {
  return value & 0xff
}

/** The value modulo 2^16. */
export function u16(value: number): u16 {
  return value & 0xffff
}

/** The value modulo 2^32, never negative. */
export function u32(value: number): u32 {
  return value >>> 0
}

/** The product modulo 2^32. */
export function mul32(a: u32, b: u32): u32 {
  return Math.imul(a, b) >>> 0
}

/**
 * The 16-bit halves of five words, added up: not folded yet, but congruent to their sum modulo 2^16 - 1, which is all
 * that an Internet checksum asks.
 */
export function sumHalves(a: u32, b: u32, c: u32, d: u32, e: u32): u32 {
  const sum = a + b + c + d + e
  const low = sum >>> 0
  return (low & 0xffff) + (low >>> 16) + Math.trunc(sum / 0x100000000)
}

/**
 * Nothing found out so far is taken for granted behind it: for a way that begins anew where a shorter one has ended.
 * What both look at is looked at twice; nothing is kept from the one for the other, in no register, no struct of the
 * program's own, nor in the mind of the kernel's verifier, which else would walk the second way once for each end of
 * the first.
 */
export function startAnew(): void {}

/** The whole part of a / b. Both are unsigned 32-bit numbers; the caller guarantees b ≥ 1. */
export function div(a: u32, b: u32): u32 {
  return Math.trunc(a / b)
}

/** What is left of a after whole b's. Both are unsigned 32-bit numbers; the caller guarantees b ≥ 1. */
export function modulo(a: u32, b: u32): u32 {
  return a % b
}

/** Is timestamp `a` at or after `b`? Both are 32-bit ticks that wrap; they lie less than 2^31 ticks apart. */
export function isAtOrAfter(a: u32, b: u32): boolean {
  return ((a - b) | 0) >= 0
}

/** Is a × b greater than c × d? Exact for every four 32-bit numbers. */
export function isProductGreater(a: u32, b: u32, c: u32, d: u32): boolean {
  const left = a * b
  const right = c * d
  // Both sides round the same way past 2^53, so they can only be told apart wrongly when they come out equal there.
  if (left !== right || left < Number.MAX_SAFE_INTEGER) return left > right
  return BigInt(a) * BigInt(b) > BigInt(c) * BigInt(d)
}
