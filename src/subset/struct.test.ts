import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Encapsulation, Packet } from './packet.ts'
import { header, row } from './struct.ts'

const Sample = { flags: 'u8', kind: 'u8', port: 'u16', address: 'u32' } as const
const Counters = { weight: 'u32', active: 'atomic', packets: 'u64' } as const

const hex = (bytes: DataView) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
const memory = (size: number) => new DataView(new ArrayBuffer(size))

describe('a header', () => {
  const Header = header('sample', Sample)

  it('is packed', () => {
    assert.deepEqual(Header.offsets, { flags: 0, kind: 1, port: 2, address: 4 })
    assert.equal(Header.size, 8)
    const odd = header('odd', { one: 'u8', four: 'u32', two: 'u16', eight: 'u64' })
    assert.deepEqual(odd.offsets, { one: 0, four: 1, two: 5, eight: 7 })
    assert.equal(odd.size, 15)
  })

  it('is big-endian', () => {
    const bytes = memory(10)
    const view = Header.view(bytes, 1)
    view.flags = 0x01
    view.kind = 0x02
    view.port = 0x0304
    view.address = 0xf5060708
    assert.equal(hex(bytes), '00' + '01020304f5060708' + '00')
    const { flags, kind, port, address } = view
    assert.deepEqual([flags, kind, port, address], [0x01, 0x02, 0x0304, 0xf5060708])
    const odd = header('odd', { one: 'u8', eight: 'u64' }).view(memory(9), 0)
    odd.eight = 0x1122334455667
    assert.equal(hex(odd['bytes' as keyof typeof odd] as unknown as DataView), '000001122334455667')
  })

  it('keeps of a number what its field holds', () => {
    const bytes = memory(8)
    const view = Header.view(bytes, 0)
    view.flags = 0x1ff
    view.port = -1
    view.address = 2 ** 32 + 5
    assert.equal(hex(bytes), 'ff00ffff00000005')
  })

  it('is found in a frame only as a whole', () => {
    const packet = new Packet()
    const cursor = Header.cursor()
    packet.point(memory(64), 16, 20, 0, 64)
    packet.bytes.setUint16(16 + 12 + 2, 0xabcd)
    assert.equal(cursor.at(packet, 12)?.port, 0xabcd)
    assert.notEqual(cursor.at(packet, 0), null)
    for (const offset of [13, 19, 20, 21, 48, 0xffffffff]) {
      assert.equal(cursor.at(packet, offset), null, `${offset}`)
    }
    packet.adjustTail(1)
    assert.notEqual(cursor.at(packet, 13), null)
    packet.encapsulate(4, Encapsulation.none)
    assert.equal(cursor.at(packet, 16)?.port, 0xabcd)
    assert.equal(cursor.at(packet, 18), null)
    packet.point(packet.bytes, 16, 7, 0, 64)
    assert.equal(cursor.at(packet, 0), null)
  })

  it('has cursors that do not disturb each other', () => {
    const packet = new Packet()
    packet.point(memory(64), 0, 64, 0, 64)
    const [one, other] = [Header.cursor().at(packet, 0)!, Header.cursor().at(packet, 8)!]
    one.port = 1
    other.port = 2
    assert.deepEqual([one.port, other.port], [1, 2])
  })
})

describe('a row', () => {
  const Row = row('counters', Counters)

  it('is aligned, or refused', () => {
    assert.deepEqual(Row.offsets, { weight: 0, active: 4, packets: 8 })
    assert.equal(Row.size, 16)
    for (const [fields, complaint] of [
      [{ one: 'u8', two: 'u16' }, 'two (u16) stands at 1'],
      [{ two: 'u16', four: 'u32' }, 'four (u32) stands at 2'],
      [{ two: 'u16', count: 'atomic' }, 'count (atomic) stands at 2'],
      [{ four: 'u32', eight: 'u64' }, 'eight (u64) stands at 4'],
    ] as const) {
      assert.throws(() => row('bad', fields), {
        message: `struct bad: ${complaint}, out of alignment`,
      })
    }
  })

  it('is little-endian', () => {
    const bytes = memory(16)
    const view = Row.view(bytes, 0)
    view.weight = 0xf1020304
    view.active = 5
    view.packets = 0x1122334455667
    assert.equal(hex(bytes), '040302f1' + '05000000' + '6756453423120100')
    assert.deepEqual([view.weight, view.active, view.packets], [0xf1020304, 5, 0x1122334455667])
  })

  it('counts, and says what it was', () => {
    const view = Row.local()
    assert.equal(view.addActive(3), 0)
    assert.equal(view.addActive(4), 3)
    assert.equal(view.active, 7)
    assert.equal(view.addActive(-7), 7)
    assert.equal(view.addActive(-1), 0)
    assert.equal(view.active, 0xffffffff)
    assert.equal(view.addActive(2), 0xffffffff)
    assert.equal(view.active, 1)
  })

  it('is swapped if it is what was expected', () => {
    const view = Row.local()
    assert.ok(view.swapActive(0, 9))
    assert.ok(!view.swapActive(0, 5))
    assert.equal(view.active, 9)
    assert.ok(view.swapActive(9, 0xffffffff))
    assert.ok(view.swapActive(0xffffffff, 0))
    assert.equal(view.active, 0)
  })

  for (const [order, make] of [
    ['little-endian', () => Row.local()],
    ['big-endian', () => header('counters', Counters).view(memory(16), 0)],
  ] as const) {
    it(`adds up 64 bits, ${order}`, () => {
      const amount = fc.oneof(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.constantFrom(0, 1, 1500, 0x80000000, 0xffffffff),
      )
      const start = fc.oneof(fc.constantFrom(0, 0xffffffff, 2 ** 40 - 1), fc.maxSafeNat())
      fc.assert(
        fc.property(start, fc.array(amount), (from, amounts) => {
          const total = amounts.reduce((sum, n) => sum + n, from)
          fc.pre(total <= Number.MAX_SAFE_INTEGER)
          const view = make()
          view.packets = from
          assert.equal(view.packets, from)
          for (const n of amounts) view.addPackets(n)
          assert.equal(view.packets, total)
        }),
      )
    })
  }

  it('is found if there is one, in the memory of that moment', () => {
    const binding = { memory: { capacity: 3, bytes: memory(8 + 3 * 16), base: 8 } }
    const cursor = Row.cursor(binding)
    for (let i = 0; i < 3; i++) cursor.at(i)!.weight = i + 1
    assert.equal(hex(binding.memory.bytes).replaceAll('00', ''), '010203')
    assert.equal(binding.memory.bytes.getUint32(8 + 16, true), 2)
    for (const index of [3, 4, 0xffffffff]) assert.equal(cursor.at(index), null, `${index}`)
    binding.memory = { capacity: 1, bytes: memory(16), base: 0 }
    assert.equal(cursor.at(0)!.weight, 0)
    assert.equal(cursor.at(1), null)
  })

  it('may be a local one', () => {
    const [one, other] = [Row.local(), Row.local()]
    one.weight = 1
    assert.deepEqual([one.weight, other.weight], [1, 0])
  })
})
