import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BtfReader } from './btf-reader.ts'
import { BtfWriter, identifierOf, Kind, Linkage } from './btf.ts'

describe('written BTF', () => {
  it('has the bytes that the documentation draws', () => {
    const writer = new BtfWriter()
    const u32 = writer.int('u32', 4)
    writer.function('f', writer.prototype(u32, [{ name: 'a', type: u32 }]), Linkage.global)
    const words = Buffer.from(writer.finish()).toString('hex').replaceAll(/.{8}/g, '$& ')
    assert.equal(
      words.trim(),
      [
        '9feb0100 18000000 00000000 30000000 30000000 09000000', // header
        '01000000 00000001 04000000 20000000', // 1: int u32, 32 bits
        '00000000 0100000d 01000000 05000000 01000000', // 2: u32 (*)(u32 a)
        '07000000 0100000c 02000000', // 3: f, global
        '00753332 00610066 00', // texts
      ].join(' '),
    )
  })

  it('is read back', () => {
    const writer = new BtfWriter()
    const [u8, u32] = [writer.int('u8', 1), writer.int('u32', 4)]
    const row = writer.struct('Real server', 8, [
      { name: 'weight', type: u32, offset: 0 },
      { name: 'state', type: u8, offset: 4 },
    ])
    const rows = writer.array(row, u32, 1000)
    const pointer = writer.pointer(row)
    const reader = BtfReader.parse(writer.finish())!
    assert.equal(reader.count, 5)
    assert.deepEqual(
      [u8, u32, row, rows, pointer].map((type) => [reader.kindOf(type), reader.nameOf(type)]),
      [
        [Kind.int, 'u8'],
        [Kind.int, 'u32'],
        [Kind.struct, 'Real_server'],
        [Kind.array, ''],
        [Kind.pointer, ''],
      ],
    )
    assert.equal(reader.find(Kind.struct, 'Real_server'), row)
    assert.deepEqual(reader.member(row, 'state'), { bitOffset: 32, bitSize: undefined, type: u8 })
    assert.equal(reader.member(row, 'stat'), undefined)
    assert.equal(reader.member(rows, 'state'), undefined)
  })

  it('has names that the kernel takes', () => {
    const cases = {
      receive: 'receive',
      'forward-nat': 'forward_nat',
      '4th': '_4th',
      '': '_',
      'ä b': '__b',
    }
    for (const [name, identifier] of Object.entries(cases))
      assert.equal(identifierOf(name), identifier)
    assert.equal(identifierOf('x'.repeat(200)).length, 127)
  })
})
