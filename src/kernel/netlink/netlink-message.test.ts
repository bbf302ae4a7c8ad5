import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Attributes, BodyWriter, emitMessage, parseMessages } from './netlink-message.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytes = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))

/** RTM_NEWADDR as iproute2 6.1 sends it for `ip address add 10.0.0.1/24 dev lo` (strace); the number is ours. */
const GOLDEN = bytes(`28000000 1400 0506 78563412 00000000
  02 18 00 00 01000000  0800 0200 0a000001  0800 0100 0a000001`)

describe('netlink messages', () => {
  it('are written as iproute2 writes them', () => {
    const body = new BodyWriter(bytes('02180000 01000000'))
    body.bytes(2, bytes('0a000001')).bytes(1, bytes('0a000001'))
    assert.equal(hex(emitMessage(20, 0x605, 0x12345678, body.finish())), hex(GOLDEN))
  })

  it('are read', () => {
    const [message, ...rest] = parseMessages(GOLDEN)!
    assert.deepEqual(rest, [])
    const { type, flags, sequence, body } = message!
    assert.deepEqual({ type, flags, sequence }, { type: 20, flags: 0x605, sequence: 0x12345678 })
    const attributes = Attributes.parse(body.subarray(8))!
    assert.deepEqual(
      attributes.list.map((one) => [one.type, hex(one.value)]),
      [
        [2, '0a000001'],
        [1, '0a000001'],
      ],
    )
  })

  it('are refused when cut at any byte', () => {
    for (let length = 1; length < GOLDEN.length; length++) {
      assert.equal(parseMessages(GOLDEN.subarray(0, length)), undefined, `${length} bytes`)
    }
    assert.deepEqual(parseMessages(new Uint8Array(0)), [])
  })

  it('are refused when the second is cut at any byte', () => {
    const two = Buffer.concat([GOLDEN, GOLDEN])
    assert.equal(parseMessages(two)?.length, 2)
    for (let length = GOLDEN.length + 1; length < two.length; length++) {
      assert.equal(parseMessages(two.subarray(0, length)), undefined, `${length} bytes`)
    }
  })

  it('are refused when they lie about their length', () => {
    for (const length of [0, 1, 15, 41, 0xffffffff]) {
      const lying = GOLDEN.slice()
      new DataView(lying.buffer).setUint32(0, length, true)
      assert.equal(parseMessages(lying), undefined, `length ${length}`)
    }
  })
})

describe('attributes', () => {
  const written = new BodyWriter(new Uint8Array(0))
    .u8(1, 0xfe)
    .u16(2, 0xfedc)
    .u32(3, 0xfedcba98)
    .text(4, 'eth0')
    .nested(5, (nest) => nest.u32(1, 7).nested(2, (inner) => inner.text(3, 'veth')))
    .bytes(6, new Uint8Array(0))
    .finish()

  it('come back as they were written', () => {
    const read = Attributes.parse(written)!
    assert.equal(read.u8(1), 0xfe)
    assert.equal(read.u16(2), 0xfedc)
    assert.equal(read.u32(3), 0xfedcba98)
    assert.equal(read.i32(3), 0xfedcba98 - 2 ** 32)
    assert.equal(read.text(4), 'eth0')
    assert.equal(read.nested(5)?.u32(1), 7)
    assert.equal(read.nested(5)?.nested(2)?.text(3), 'veth')
    assert.ok(read.has(6))
    assert.equal(read.text(6), '')
  })

  it('that are missing or too short are absent', () => {
    const read = Attributes.parse(written)!
    assert.ok(!read.has(9))
    assert.deepEqual([read.u32(9), read.text(9), read.nested(9)], [undefined, undefined, undefined])
    assert.deepEqual([read.u32(2), read.u16(1), read.u8(6)], [undefined, undefined, undefined])
    assert.equal(read.nested(1), undefined)
  })

  it('are refused when cut, but where one ends', () => {
    const whole = Attributes.parse(written)!.list.length
    let ends = 0
    for (let length = 0; length < written.length; length++) {
      const read = Attributes.parse(written.subarray(0, length))
      if (read !== undefined) {
        assert.ok(read.list.length < whole, `${length} bytes`)
        ends++
      }
    }
    // After each attribute, at the padding of those that have any: 1, 2, 4 with 3, 2, 3 bytes.
    assert.equal(ends, whole + 3 + 2 + 3)
  })

  it('are refused when they lie about their length', () => {
    for (const length of [0, 1, 3, 9]) {
      const lying = bytes('0800 0300 01020304')
      new DataView(lying.buffer).setUint16(0, length, true)
      assert.equal(Attributes.parse(lying), undefined, `length ${length}`)
    }
  })

  it('of any bytes whatsoever stay within them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        for (const message of parseMessages(noise) ?? []) assert.ok(message.body.length <= 184)
        const read = Attributes.parse(noise)
        for (const { type } of read?.list ?? []) {
          read!.u32(type)
          read!.text(type)
          read!.nested(type)
        }
      }),
    )
  })
})
