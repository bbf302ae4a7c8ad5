import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { now, random, setNow, setSeed } from './clock.ts'

describe('time', () => {
  it('is what was set, and wraps', () => {
    setNow(125)
    assert.equal(now(), 125)
    assert.equal(now(), 125)
    setNow(2 ** 32 + 3)
    assert.equal(now(), 3)
    setNow(-1)
    assert.equal(now(), 0xffffffff)
  })
})

describe('chance', () => {
  const take = (seed: number, count: number) => {
    setSeed(seed)
    return Array.from({ length: count }, random)
  }

  it('is xorshift32 with the shifts 13, 17, 5', () => {
    // The seed of Marsaglia's "Xorshift RNGs" (2003), and what others' implementations give for it.
    assert.deepEqual(take(2463534242, 2), [723471715, 2497366906])
  })

  it('repeats with the seed, and differs with it', () => {
    assert.deepEqual(take(7, 100), take(7, 100))
    assert.notDeepEqual(take(7, 100), take(8, 100))
  })

  it('has no seed that stops it', () => {
    const values = take(0, 1000)
    assert.equal(new Set(values).size, 1000)
    assert.ok(values.every((value) => value > 0 && value <= 0xffffffff))
  })

  it('favours no bit', () => {
    const COUNT = 10_000
    const values = take(1, COUNT)
    for (let bit = 0; bit < 32; bit++) {
      const ones = values.filter((value) => ((value >>> bit) & 1) === 1).length
      // Ten standard deviations: √10 000 / 2 is 50.
      assert.ok(Math.abs(ones - COUNT / 2) < 500, `bit ${bit} is set ${ones} times of ${COUNT}`)
    }
  })
})
