/**
 * Which values a number can have: the least and the greatest, both whole.
 *
 * JavaScript counts exactly to 2^53 and makes the results of `& | ^ ~ <<` signed 32-bit numbers; the kernel
 * counts in 64 bits and knows no sign there. The two agree as long as every number stays exact and no result of
 * a bit operation has bit 31 set, unless the next thing that happens to it is another bit operation, which looks
 * only at the 32 bits. `isRaw` marks such results: right as bits, not yet as a number.
 */
export interface Range {
  readonly min: number
  readonly max: number
  readonly isRaw: boolean
}

export const U8_MAX = 0xff
export const U16_MAX = 0xffff
export const U32_MAX = 0xffffffff
const INT31_MAX = 0x7fffffff

export function rangeOf(min: number, max: number): Range {
  return { min, max, isRaw: false }
}

export const U8: Range = rangeOf(0, U8_MAX)
export const U16: Range = rangeOf(0, U16_MAX)
export const U32: Range = rangeOf(0, U32_MAX)
/** What JavaScript counts exactly. */
export const EXACT: Range = rangeOf(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
/** Right in its 32 bits, of either sign. */
const RAW: Range = { min: -0x80000000, max: INT31_MAX, isRaw: true }

export function isWithin(inner: Range, outer: Range): boolean {
  return inner.min >= outer.min && inner.max <= outer.max
}

/** Values that either has. */
export function union(a: Range, b: Range): Range {
  return {
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    isRaw: a.isRaw || b.isRaw,
  }
}

/** Values that both have; `a` if there are none. */
export function intersection(a: Range, b: Range): Range {
  const min = Math.max(a.min, b.min)
  const max = Math.min(a.max, b.max)
  return min > max ? a : rangeOf(min, max)
}

export function add(a: Range, b: Range): Range {
  return rangeOf(a.min + b.min, a.max + b.max)
}

export function subtract(a: Range, b: Range): Range {
  return rangeOf(a.min - b.max, a.max - b.min)
}

export function multiply(a: Range, b: Range): Range {
  const products = [a.min * b.min, a.min * b.max, a.max * b.min, a.max * b.max]
  return rangeOf(Math.min(...products), Math.max(...products))
}

/** `a % b`; the caller has seen that b ≥ 1 and a ≥ 0. */
export function remainder(a: Range, b: Range): Range {
  return rangeOf(0, Math.min(a.max, b.max - 1))
}

const isInt31 = (a: Range) => !a.isRaw && a.min >= 0 && a.max <= INT31_MAX

/** `a & b`: never negative if one side never has bit 31. */
export function and(a: Range, b: Range): Range {
  const small = [a, b].filter(isInt31)
  return small.length === 0 ? RAW : rangeOf(0, Math.min(...small.map(({ max }) => max)))
}

/** `a | b` and `a ^ b`: as many bits as the wider side. */
export function or(a: Range, b: Range): Range {
  if (!isInt31(a) || !isInt31(b)) return RAW
  const widest = Math.max(a.max, b.max)
  return rangeOf(0, widest === 0 ? 0 : 2 ** (32 - Math.clz32(widest)) - 1)
}

export function not(): Range {
  return RAW
}

/** `a << b`, b within 0 … 31. */
export function shiftLeft(a: Range, b: Range): Range {
  const max = a.max * 2 ** b.max
  return isInt31(a) && max <= INT31_MAX ? rangeOf(a.min * 2 ** b.min, max) : RAW
}

/** `a >>> b`, b within 0 … 31: looks at 32 bits without sign, so `>>> 0` makes a number of anything. */
export function shiftRight(a: Range, b: Range): Range {
  const isPlain = !a.isRaw && isWithin(a, U32)
  const max = isPlain ? a.max : U32_MAX
  const min = isPlain ? a.min : 0
  return rangeOf(Math.floor(min / 2 ** b.max), Math.floor(max / 2 ** b.min))
}
