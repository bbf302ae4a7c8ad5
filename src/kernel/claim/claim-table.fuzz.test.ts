import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { IpWords } from '../../base/ip.ts'
import { ClaimTable } from './claim-table.ts'

// Few different words, so that additions, removals and collisions meet.
const word = fc.constantFrom(0, 1, 0xffff, 0x0a000001, 0xffffffff)
const entry = fc.tuple(word, word, word, word, fc.integer({ min: 0, max: 3 }))
const step = fc.tuple(fc.boolean(), entry)

test('A claim table counts as a map of counts does, whatever is added and removed', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const table = new ClaimTable()
      const model = new Map<string, number>()
      for (const [isAddition, [w0, w1, w2, w3, detail]] of steps) {
        const words: IpWords = [w0, w1, w2, w3]
        const key = [w0, w1, w2, w3, detail].join()
        const count = model.get(key) ?? 0
        if (isAddition) {
          model.set(key, count + 1)
          assert.equal(table.add(words, detail), count + 1)
        } else {
          if (count === 1) model.delete(key)
          else if (count > 1) model.set(key, count - 1)
          assert.equal(table.remove(words, detail), count - 1)
        }
        assert.equal(table.size, model.size)
        assert.equal(table.has(w0, w1, w2, w3, detail), model.has(key))
      }
      const entries: string[] = []
      table.forEach((words, detail) => entries.push([...words, detail].join()))
      assert.deepEqual(entries.sort(), [...model.keys()].sort())
      for (const entry of entries) {
        const [w0, w1, w2, w3, detail] = entry.split(',').map(Number)
        assert.ok(table.has(w0!, w1!, w2!, w3!, detail!), entry)
      }
    }),
  )
})

test('A claim table grows to many thousand entries and shrinks to none', () => {
  const table = new ClaimTable()
  for (let i = 0; i < 30_000; i++) table.add([0, 0, 0xffff, 0x0a000000 + i], 6 << 16)
  for (let i = 0; i < 30_000; i++) {
    assert.ok(table.has(0, 0, 0xffff, 0x0a000000 + i, 6 << 16))
    assert.ok(!table.has(0, 0, 0xffff, 0x0a000000 + i, 17 << 16))
  }
  for (let i = 0; i < 30_000; i += 2) table.remove([0, 0, 0xffff, 0x0a000000 + i], 6 << 16)
  for (let i = 0; i < 30_000; i++) {
    assert.equal(table.has(0, 0, 0xffff, 0x0a000000 + i, 6 << 16), i % 2 === 1)
  }
  for (let i = 1; i < 30_000; i += 2) table.remove([0, 0, 0xffff, 0x0a000000 + i], 6 << 16)
  assert.equal(table.size, 0)
})
