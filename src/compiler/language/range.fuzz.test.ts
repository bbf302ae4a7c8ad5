import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as range from './range.ts'
import type { Range } from './range.ts'

/** A range, and a number within it. */
const numbers = fc
  .tuple(
    fc.oneof(
      fc.nat(64),
      fc.integer(),
      fc.nat(0xffff),
      fc.double({ noNaN: true, min: 0, max: 2 ** 40 }),
    ),
    fc.oneof(
      fc.nat(64),
      fc.nat(0xffff),
      fc.maxSafeNat().map((n) => n % 2 ** 33),
    ),
    fc.double({ min: 0, max: 1, noNaN: true }),
  )
  .map(([from, width, share]) => {
    const min = Math.floor(from)
    return { range: range.rangeOf(min, min + width), value: min + Math.floor(width * share) }
  })
const amounts = fc
  .tuple(fc.nat(31), fc.nat(31))
  .map(([a, b]) => ({ range: range.rangeOf(Math.min(a, b), Math.max(a, b)), value: a }))

interface Operation {
  readonly range: (a: Range, b: Range) => Range
  readonly inV8: (a: number, b: number) => number
  /** What 64-bit registers and 32-bit instructions make of it. */
  readonly inKernel: (a: bigint, b: bigint) => bigint
}
const low = (value: bigint) => BigInt.asUintN(32, value)

const ANY: Readonly<Record<string, Operation>> = {
  add: { range: range.add, inV8: (a, b) => a + b, inKernel: (a, b) => a + b },
  subtract: { range: range.subtract, inV8: (a, b) => a - b, inKernel: (a, b) => a - b },
  multiply: { range: range.multiply, inV8: (a, b) => a * b, inKernel: (a, b) => a * b },
  and: { range: range.and, inV8: (a, b) => a & b, inKernel: (a, b) => low(a) & low(b) },
  or: { range: range.or, inV8: (a, b) => a | b, inKernel: (a, b) => low(a) | low(b) },
  xor: { range: range.or, inV8: (a, b) => a ^ b, inKernel: (a, b) => low(a) ^ low(b) },
}
const SHIFTS: Readonly<Record<string, Operation>> = {
  left: { range: range.shiftLeft, inV8: (a, b) => a << b, inKernel: (a, b) => low(low(a) << b) },
  right: { range: range.shiftRight, inV8: (a, b) => a >>> b, inKernel: (a, b) => low(a) >> b },
}

/** V8 and the kernel agree wherever the range says so, and the range holds what comes out. */
function agree(operation: Operation, a: Sample, b: Sample): void {
  const result = operation.range(a.range, b.range)
  if (!range.isWithin(result, range.EXACT)) return // refused by the check
  const inV8 = operation.inV8(a.value, b.value)
  const inKernel = operation.inKernel(BigInt(a.value), BigInt(b.value))
  if (result.isRaw) {
    assert.equal(low(BigInt(inV8)), low(inKernel), 'the same 32 bits')
  } else {
    assert.equal(BigInt(inV8), inKernel, 'the same number')
    assert.ok(inV8 >= result.min && inV8 <= result.max, `${inV8} in ${result.min}…${result.max}`)
  }
}
type Sample = { readonly range: Range; readonly value: number }

for (const [name, operation] of Object.entries(ANY)) {
  test(`${name}: what the range promises holds`, () => {
    fc.assert(
      fc.property(numbers, numbers, (a, b) => agree(operation, a, b)),
      { numRuns: 3000 },
    )
  })
}

for (const [name, operation] of Object.entries(SHIFTS)) {
  test(`shift ${name}: what the range promises holds`, () => {
    fc.assert(
      fc.property(numbers, amounts, (a, b) => agree(operation, a, b)),
      { numRuns: 3000 },
    )
  })
}

test('remainder: what the range promises holds', () => {
  fc.assert(
    fc.property(numbers, fc.integer({ min: 1, max: 1 << 20 }), (a, b) => {
      if (a.range.min < 0) return // refused by the check
      const result = range.remainder(a.range, range.rangeOf(b, b))
      assert.ok(a.value % b >= result.min && a.value % b <= result.max)
    }),
    { numRuns: 3000 },
  )
})

test('a raw result is right again after >>> 0', () => {
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const raw = range.or(a.range, b.range)
      const wrapped = range.shiftRight(raw, range.rangeOf(0, 0))
      const value = (a.value | b.value) >>> 0
      assert.equal(wrapped.isRaw, false)
      assert.ok(value >= wrapped.min && value <= wrapped.max)
    }),
    { numRuns: 3000 },
  )
})
