import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BtfReader } from './btf-reader.ts'
import { Kind } from './btf.ts'
import { describeTable } from './table-types.ts'

describe('the types of a table', () => {
  it('name the fields of a row', () => {
    const fields = [
      { name: 'weight', offset: 0, size: 4 },
      { name: 'port', offset: 4, size: 2 },
      { name: 'inBytes', offset: 8, size: 8 },
    ] as const
    const types = describeTable({ name: 'server', rows: 1000, rowSize: 16, fields })
    const reader = BtfReader.parse(types.btf)!
    assert.deepEqual(
      [reader.kindOf(types.keyType), reader.nameOf(types.keyType)],
      [Kind.int, 'u32'],
    )
    assert.equal(reader.kindOf(types.valueType), Kind.array)
    const row = reader.find(Kind.struct, 'server')!
    const places = fields.map(({ name }) => {
      const { bitOffset, type } = reader.member(row, name)!
      return [name, bitOffset / 8, reader.nameOf(type)]
    })
    assert.deepEqual(places, [
      ['weight', 0, 'u32'],
      ['port', 4, 'u16'],
      ['inBytes', 8, 'u64'],
    ])
  })
})
