import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from './random.ts'

test('a seed repeats its sequence, another does not', () => {
  const drawn = (seed: number) => {
    const random = new Random(seed)
    return Array.from({ length: 8 }, () => random.next32())
  }
  assert.deepEqual(drawn(1), drawn(1))
  assert.notDeepEqual(drawn(1), drawn(2))
  assert.notDeepEqual(drawn(1), drawn(2 ** 32 + 1))
})

test('the sequence never changes: old seeds must reproduce old failures', () => {
  const random = new Random(2024)
  assert.deepEqual(
    Array.from({ length: 4 }, () => random.next32()),
    [4074544392, 3589156940, 3614418829, 2566137653],
  )
})

test('below is within bounds and even', () => {
  const random = new Random(7)
  const counts = [0, 0, 0, 0, 0, 0]
  for (let i = 0; i < 60_000; i++) counts[random.below(6)]!++
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 500, `${counts}`)
  assert.equal(random.below(1), 0)
  assert.ok(random.below(2 ** 32) >= 0)
  assert.throws(() => random.below(0), /below 0/)
})

test('bytes, pick and oneIn', () => {
  const random = new Random(7)
  const bytes = random.bytes(4096)
  assert.equal(bytes.length, 4096)
  assert.equal(new Set(bytes).size, 256)
  const picked = new Set(Array.from({ length: 100 }, () => random.pick(['a', 'b', 'c'])))
  assert.deepEqual([...picked].sort(), ['a', 'b', 'c'])
  const hits = Array.from({ length: 10_000 }, () => random.oneIn(10)).filter(Boolean).length
  assert.ok(Math.abs(hits - 1000) < 150, `${hits}`)
})
