import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '../base/random.ts'
import { finish, foldAddress, hashAddress, mix } from './hash.ts'

const V4 = [0, 0, 0xffff] as const
const SEED = 0x5eed

/** Bits of `word` that are set. */
function bitsIn(word: number): number {
  let bits = 0
  for (let rest = word >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) bits++
  return bits
}

describe('the hash of an address and a word', () => {
  it('changes half of its bits with any one bit that goes in, the seed’s too', () => {
    const random = new Random(1)
    const rounds = 400
    for (const family of [4, 6]) {
      const words = family === 4 ? [0, 4, 5] : [0, 1, 2, 3, 4, 5] // seed, address, word
      for (const at of words) {
        for (let bit = 0; bit < 32; bit++) {
          let changed = 0
          for (let round = 0; round < rounds; round++) {
            const input = Array.from({ length: 6 }, () => random.next32())
            if (family === 4) input.splice(1, 3, ...V4)
            const before = hashAddress(
              ...(input as [number, number, number, number, number, number]),
            )
            input[at] = (input[at]! ^ (1 << bit)) >>> 0
            const after = hashAddress(
              ...(input as [number, number, number, number, number, number]),
            )
            changed += bitsIn(before ^ after)
          }
          const share = changed / rounds / 32
          assert.ok(share > 0.4 && share < 0.6, `IPv${family} word ${at} bit ${bit}: ${share}`)
        }
      }
    }
  })

  it('spreads clients that differ little evenly over a table', () => {
    const slots = 1 << 14
    for (const [what, address, word] of [
      ['ports of one client', () => 0x0a000001, (n: number) => ((1024 + n) << 8) | 6],
      ['clients of one port', (n: number) => 0x0a000000 + n, () => (5000 << 8) | 6],
      ['clients 256 apart', (n: number) => (0x0a000000 + n * 256) >>> 0, () => (5000 << 8) | 6],
    ] as const) {
      const filled = new Uint16Array(slots)
      for (let n = 0; n < slots; n++)
        filled[hashAddress(SEED, ...V4, address(n), word(n)) & (slots - 1)]!++
      // Thrown at random, e^-1 of the slots stay empty, and none gets 12 (one in a million tables).
      const empty = filled.filter((count) => count === 0).length / slots
      assert.ok(Math.abs(empty - Math.exp(-1)) < 0.03, `${what}: ${empty} empty`)
      assert.ok(Math.max(...filled) < 12, `${what}: ${Math.max(...filled)} in one slot`)
    }
  })

  it('is a number of 32 bits, whatever goes in', () => {
    const random = new Random(2)
    const extremes = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff]
    for (let round = 0; round < 2000; round++) {
      const word = () => (random.oneIn(2) ? random.pick(extremes) : random.next32())
      const hash = hashAddress(word(), word(), word(), word(), word(), word())
      assert.ok(Number.isInteger(hash) && hash >= 0 && hash <= 0xffffffff)
      for (const value of [mix(word(), word()), finish(word())]) {
        assert.ok(Number.isInteger(value) && value >= 0 && value <= 0xffffffff)
      }
    }
  })

  it('tells IPv4 from IPv6 addresses that end alike', () => {
    assert.notEqual(
      hashAddress(SEED, ...V4, 0x0a000001, 7),
      hashAddress(SEED, 0, 0, 0, 0x0a000001, 7),
    )
  })
})

it('the fold of an address has 16 bits, and all of the address in it', () => {
  const seen = new Set<number>()
  for (let bit = 0; bit < 128; bit++) {
    const words: [number, number, number, number] = [0, 0, 0, 0]
    words[bit >> 5] = (1 << (bit & 31)) >>> 0
    seen.add(foldAddress(...words))
  }
  // The words count alike, but a bit each of its own.
  assert.equal(seen.size, 32)
  assert.ok([...seen].every((fold) => fold > 0 && fold <= 0xffff))
})

it('no two addresses of a network, or of networks numbered alike, fold to the same', () => {
  const folds = Array.from({ length: 1024 }, (_, i) => {
    const [network, host] = [i >>> 5, i & 31]
    return foldAddress(0, 0, 0xffff, 0x0a000000 + network * 0x10000 + host + 1)
  })
  assert.ok(new Set(folds).size > 1000, `${new Set(folds).size} of 1024 are different`)
})
