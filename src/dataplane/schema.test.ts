import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { row } from '../subset/struct.ts'
import { table } from '../subset/table.ts'
import {
  DESCRIPTION,
  describeTables,
  judgeSchema,
  LAYOUT,
  layoutOf,
  parseDescription,
} from './schema.ts'
import { SCHEMA_VERSION, Settings, TABLES } from './tables.ts'

describe('what tables look like', () => {
  it('can be read by whoever has no other word of it', () => {
    const shapes = parseDescription(DESCRIPTION)!
    for (const [i, { name, struct }] of TABLES.entries()) {
      const { fields, offsets, size } = struct
      assert.deepEqual(shapes[i], { name, fields, offsets, size })
    }
    assert.equal(shapes.length, TABLES.length)
  })

  it('is another layout with every change', () => {
    const seen = new Set<number>()
    const one = (fields: Parameters<typeof row>[1], name = 'one') =>
      seen.add(layoutOf(describeTables([table(name, row('row', fields), 1)])))
    one({ a: 'u32', b: 'u32' })
    one({ b: 'u32', a: 'u32' })
    one({ a: 'u32', b: 'atomic' })
    one({ a: 'u32' })
    one({ a: 'u32', b: 'u32' }, 'two')
    assert.equal(seen.size, 5)
  })

  for (const text of [
    '',
    'hops',
    'hops: ',
    'hops: {"a":"u32"',
    'hops: {"a":"f64"}',
    'hops: {"a":7}',
    'hops: []',
    'hops: {"a":"u8","b":"u32"}',
    `${DESCRIPTION}\n`,
  ]) {
    it(`is not ${JSON.stringify(text.slice(0, 30))}`, () => {
      assert.equal(parseDescription(text), undefined)
    })
  }
})

it('tables are ours, unfinished, alike or of another meaning', () => {
  const bytes = new DataView(new ArrayBuffer(Settings.size))
  const head = Settings.view(bytes, 0)
  const judge = () => judgeSchema(bytes)
  assert.equal(judge(), 'unfinished')
  head.schemaVersion = SCHEMA_VERSION
  head.layout = LAYOUT
  assert.equal(judge(), 'ours')
  head.layout = 7
  const alike = judge()
  assert.ok(typeof alike === 'object')
  assert.deepEqual([alike.isAlike, alike.layout], [true, 7])
  head.schemaVersion = SCHEMA_VERSION + 1
  const other = judge()
  assert.ok(typeof other === 'object' && !other.isAlike)
  assert.match(other.refusal, /layout 7; .* go on forwarding/)
})
