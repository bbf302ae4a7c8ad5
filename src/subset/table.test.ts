import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { row } from './struct.ts'
import { allocateTables, table, type TableSet } from './table.ts'

const Item = row('item', { key: 'u32', count: 'u32' })
const items = table('items', Item, 4)
const constants = table('constants', row('word', { value: 'u32' }), 2, Uint8Array.of(7, 0, 0, 0))
const itemAt = items.cursor()

/** Keys of all rows, as the control plane sees them. */
const keys = () => Array.from({ length: items.memory.capacity }, (_, i) => items.row(i).key)

describe('tables', () => {
  let set: TableSet
  beforeEach(() => {
    set = allocateTables([items, constants])
    set.use()
  })

  it('begin with zeros, or what was declared', () => {
    assert.deepEqual(keys(), [0, 0, 0, 0])
    assert.deepEqual([constants.row(0).value, constants.row(1).value], [7, 0])
  })

  it('are the same for packet path and control plane', () => {
    itemAt.at(2)!.key = 5
    assert.equal(items.row(2).key, 5)
    items.row(3).count = 9
    assert.equal(itemAt.at(3)!.count, 9)
    assert.deepEqual(keys(), [0, 0, 5, 0])
  })

  it('end where they end', () => {
    assert.equal(itemAt.at(4), null)
    for (const index of [4, -1, NaN]) {
      assert.throws(() => items.row(index), {
        name: 'RangeError',
        message: `table items has no row ${index}, only 4`,
      })
    }
  })

  it('have rows of their own for the control plane', () => {
    const [one, other] = [items.row(0), items.row(1)]
    one.key = 1
    other.key = 2
    assert.deepEqual([one.key, other.key], [1, 2])
  })

  it('are as large as the set says', () => {
    allocateTables([items, constants], { items: 6 }).use()
    assert.deepEqual(keys(), [0, 0, 0, 0, 0, 0])
    assert.equal(constants.memory.capacity, 2)
    assert.notEqual(itemAt.at(5), null)
    assert.equal(itemAt.at(6), null)
    set.use()
    assert.equal(itemAt.at(4), null)
  })

  it('are those of the set in use, also through rows that were pointed at others before', () => {
    const other = allocateTables([items, constants])
    const before = items.row(0)
    before.key = 1
    other.use()
    assert.deepEqual(keys(), [0, 0, 0, 0])
    itemAt.at(0)!.key = 2
    assert.equal(before.key, 1)
    set.use()
    assert.equal(itemAt.at(0)!.key, 1)
    other.use()
    assert.equal(itemAt.at(0)!.key, 2)
  })

  it('are copied with what is in them, and then change alone', () => {
    items.row(1).key = 5
    const copy = set.copy()
    items.row(1).key = 6
    copy.use()
    assert.deepEqual(keys(), [0, 5, 0, 0])
    assert.equal(constants.row(0).value, 7)
    itemAt.at(1)!.key = 7
    set.use()
    assert.deepEqual(keys(), [0, 6, 0, 0])
    const again = copy.copy()
    again.use()
    assert.deepEqual(keys(), [0, 7, 0, 0])
  })

  it('tell where their bytes are', () => {
    const { capacity, bytes, base } = set.memoryOf(items)
    items.row(1).key = 0x01020304
    assert.equal(capacity, 4)
    assert.equal(bytes.getUint32(base + Item.size, true), 0x01020304)
    const stranger = table('stranger', Item, 1)
    assert.throws(() => set.memoryOf(stranger), /table stranger is not of this set/)
    assert.equal(stranger.cursor().at(0), null)
  })
})
