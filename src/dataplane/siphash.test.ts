import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '../base/random.ts'
import { sipHash } from './siphash.ts'

const MASK = (1n << 64n) - 1n
const rotate = (word: bigint, bits: bigint) => ((word << bits) | (word >> (64n - bits))) & MASK

/** SipHash-c-d of `message` by the paper's words, in 64 bits. */
function reference(
  message: Uint8Array,
  [key0, key1]: readonly [bigint, bigint],
  [c, d]: readonly [number, number],
): bigint {
  let v0 = 0x736f6d6570736575n ^ key0
  let v1 = 0x646f72616e646f6dn ^ key1
  let v2 = 0x6c7967656e657261n ^ key0
  let v3 = 0x7465646279746573n ^ key1
  const round = () => {
    v0 = (v0 + v1) & MASK
    v1 = rotate(v1, 13n) ^ v0
    v0 = rotate(v0, 32n)
    v2 = (v2 + v3) & MASK
    v3 = rotate(v3, 16n) ^ v2
    v0 = (v0 + v3) & MASK
    v3 = rotate(v3, 21n) ^ v0
    v2 = (v2 + v1) & MASK
    v1 = rotate(v1, 17n) ^ v2
    v2 = rotate(v2, 32n)
  }
  const padded = new Uint8Array(Math.ceil((message.length + 1) / 8) * 8)
  padded.set(message)
  padded[padded.length - 1] = message.length
  const view = new DataView(padded.buffer)
  for (let at = 0; at < padded.length; at += 8) {
    const word = view.getBigUint64(at, true)
    v3 ^= word
    for (let i = 0; i < c; i++) round()
    v0 ^= word
  }
  v2 ^= 0xffn
  for (let i = 0; i < d; i++) round()
  return v0 ^ v1 ^ v2 ^ v3
}

describe('SipHash', () => {
  it('of the reference here is that of the paper', () => {
    // Appendix A: SipHash-2-4 of 00 … 0e under the key 00 … 0f.
    const message = Uint8Array.from({ length: 15 }, (_, i) => i)
    const key = [0x0706050403020100n, 0x0f0e0d0c0b0a0908n] as const
    assert.equal(reference(message, key, [2, 4]), 0xa129ca6149be45e5n)
  })

  it('of one word is the lower half of SipHash-1-3, for any word and key', () => {
    const random = new Random(3)
    const extremes = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff]
    for (let round = 0; round < 2000; round++) {
      const [word, key] = [0, 1].map(() =>
        random.oneIn(3) ? random.pick(extremes) : random.next32(),
      )
      const message = new Uint8Array(Uint32Array.of(word!).buffer)
      const whole = reference(message, [BigInt(key!), BigInt(key!)], [1, 3])
      assert.equal(BigInt(sipHash(word!, key!)), whole & 0xffffffffn, `${word} under ${key}`)
    }
  })
})
