import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { div, isAtOrAfter, isProductGreater, modulo, mul32, u16, u32, u8 } from './integers.ts'

const TOP = 0xffffffff
/** 32-bit numbers, more often those at the edges. */
const word = fc.oneof(
  fc.integer({ min: 0, max: TOP }),
  fc.constantFrom(0, 1, 2, 0x7fffffff, 0x80000000, 0x80000001, TOP - 1, TOP),
)
const words = (n: number) => fc.tuple(...Array.from({ length: n }, () => word))

describe('integers of stated width', () => {
  it('wrap', () => {
    assert.deepEqual([u8(255), u8(256), u8(-1), u8(0x1ff)], [255, 0, 255, 255])
    assert.deepEqual([u16(65535), u16(65536), u16(-1), u16(0x1abcd)], [65535, 0, 65535, 0xabcd])
    assert.deepEqual([u32(TOP), u32(TOP + 1), u32(-1), u32(~0)], [TOP, 0, TOP, TOP])
    assert.equal(u32(0xf0000000 | 0x0f000000), 0xff000000)
  })

  it('are multiplied modulo 2^32, exactly', () => {
    fc.assert(
      fc.property(words(2), ([a, b]) => {
        assert.equal(mul32(a!, b!), Number((BigInt(a!) * BigInt(b!)) & 0xffffffffn))
      }),
    )
  })

  it('are divided into whole parts and what is left', () => {
    fc.assert(
      fc.property(words(2), ([a, b]) => {
        fc.pre(b !== 0)
        assert.equal(div(a!, b!), Number(BigInt(a!) / BigInt(b!)))
        assert.equal(modulo(a!, b!), Number(BigInt(a!) % BigInt(b!)))
      }),
    )
  })

  it('are times that wrap', () => {
    assert.ok(isAtOrAfter(5, 5))
    assert.ok(isAtOrAfter(6, 5) && !isAtOrAfter(5, 6))
    assert.ok(isAtOrAfter(3, TOP - 3) && !isAtOrAfter(TOP - 3, 3))
    fc.assert(
      fc.property(word, fc.integer({ min: 1, max: 0x7fffffff }), (b, later) => {
        assert.ok(isAtOrAfter(u32(b + later), b))
        assert.ok(!isAtOrAfter(b, u32(b + later)))
      }),
    )
  })

  it('are compared by their products, exactly', () => {
    const check = ([a, b, c, d]: readonly number[]) =>
      assert.equal(
        isProductGreater(a!, b!, c!, d!),
        BigInt(a!) * BigInt(b!) > BigInt(c!) * BigInt(d!),
        `${a} × ${b} > ${c} × ${d}`,
      )
    fc.assert(fc.property(words(4), check))
    // Neighbours of one product, which fractions would not tell apart.
    fc.assert(
      fc.property(words(2), fc.integer({ min: -2, max: 2 }), ([a, b], by) => {
        check([a!, b!, b!, u32(a! + by)])
        check([a!, b!, u32(b! + by), a!])
      }),
    )
    check([TOP, TOP, TOP - 1, TOP])
    check([0x80000001, 0x7fffffff, 0x80000000, 0x80000000]) // 2^62 - 1 and 2^62
    check([0x80000000, 0x80000000, 0x80000001, 0x7fffffff])
  })
})
