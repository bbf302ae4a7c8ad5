import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { layOutRow, type Fields } from '../subset/struct.ts'
import { planMove, RowMover } from './move-rows.ts'

const ROWS = 3

function shapeOf(fields: Fields) {
  return { fields, ...layOutRow('row', fields) }
}

function memoryOf({ buffer }: Uint8Array<ArrayBuffer>) {
  return { capacity: ROWS, bytes: new DataView(buffer), base: 0 }
}

/** What becomes of rows whose bytes are 1, 2, 3 …; ours were 0xee before. */
function moved(theirs: Fields, ours: Fields): Record<string, string>[] {
  const [from, to] = [shapeOf(theirs), shapeOf(ours)]
  const source = Uint8Array.from({ length: ROWS * from.size }, (_, i) => i + 1)
  const target = new Uint8Array(ROWS * to.size).fill(0xee)
  const plan = planMove(from, to)
  assert.ok(typeof plan === 'object', String(plan))
  new RowMover(plan, ROWS, memoryOf(source), memoryOf(target)).run()
  return Array.from({ length: ROWS }, (_, row) => {
    const bytes = Buffer.from(target.buffer, row * to.size, to.size)
    return Object.fromEntries(
      Object.entries(to.offsets).map(([field, at], i) => {
        const end = Object.values(to.offsets)[i + 1] ?? to.size
        return [field, bytes.toString('hex', at, end)]
      }),
    )
  })
}

describe('rows of one layout into rows of another', () => {
  it('as they are where nothing changed', () => {
    const fields = { a: 'u32', b: 'u16', c: 'u16' } as const
    assert.deepEqual(moved(fields, fields), [
      { a: '01020304', b: '0506', c: '0708' },
      { a: '090a0b0c', b: '0d0e', c: '0f10' },
      { a: '11121314', b: '1516', c: '1718' },
    ])
  })

  it('by name, whatever stands where; what is new stays', () => {
    const [first, second] = moved(
      { a: 'u32', gone: 'u32', b: 'u32', c: 'atomic' },
      { c: 'u32', fresh: 'u32', a: 'u32', b: 'u32' },
    )
    assert.deepEqual(first, { c: '0d0e0f10', fresh: 'eeeeeeee', a: '01020304', b: '090a0b0c' })
    assert.deepEqual(second, { c: '1d1e1f20', fresh: 'eeeeeeee', a: '11121314', b: '191a1b1c' })
  })

  it('what is no word, too', () => {
    const [first, second] = moved({ a: 'u8', b: 'u8', c: 'u16' }, { c: 'u16', b: 'u8', a: 'u8' })
    assert.deepEqual(first, { c: '0304', b: '02', a: '01' })
    assert.deepEqual(second, { c: '0708', b: '06', a: '05' })
  })

  it('what became wider keeps its value', () => {
    const target = new Uint8Array(8)
    const [from, to] = [shapeOf({ a: 'u16', b: 'u16' }), shapeOf({ b: 'u32', a: 'u32' })]
    const plan = planMove(from, to)
    assert.ok(typeof plan === 'object')
    new RowMover(plan, 1, memoryOf(Uint8Array.of(1, 2, 3, 4)), memoryOf(target)).run()
    assert.deepEqual([...target], [3, 4, 0, 0, 1, 2, 0, 0])
  })

  it('again what has changed, to nothing, too', () => {
    const shape = shapeOf({ a: 'u32' })
    const [source, target] = [new Uint8Array(12), new Uint8Array(12)]
    const plan = planMove(shape, shape)
    assert.ok(typeof plan === 'object')
    const mover = new RowMover(plan, ROWS, memoryOf(source), memoryOf(target))
    const [from, to] = [source, target].map(({ buffer }) => new Uint32Array(buffer)) as [
      Uint32Array,
      Uint32Array,
    ]
    for (const rows of [
      [0, 7, 0],
      [0x80000000, 8, 0],
      [0, 0, 0],
      [0, 0, 9],
    ]) {
      from.set(rows)
      mover.run()
      assert.deepEqual([...to], rows)
    }
  })

  it('tells of a field that became too narrow', () => {
    assert.equal(planMove(shapeOf({ b: 'u16', a: 'u16' }), shapeOf({ a: 'u8', b: 'u8' })), 'a')
  })
})
