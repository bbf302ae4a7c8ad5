import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as expression from './nftables-expression.ts'
import { AttributeWriter } from './nftables-message.ts'

const { Comparison, FIRST_UNIT, Header, Meta } = expression

/** An expression as attributes: `type:value`, nested ones in brackets. */
function show(write: expression.Expression): string {
  const writer = new AttributeWriter()
  write(writer)
  const list = showAttributes(Buffer.from(writer.written()))
  const [, name, data] = /^1\[1:([0-9a-f]+) 2\[(.*)\]\]$/.exec(list) ?? assert.fail(list)
  const text = Buffer.from(name!, 'hex').toString('latin1')
  assert.ok(text.endsWith('\0'))
  return `${text.slice(0, -1)} ${data}`
}

function showAttributes(bytes: Buffer): string {
  const shown: string[] = []
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt16LE(at)
    const type = bytes.readUInt16LE(at + 2)
    const value = bytes.subarray(at + 4, at + length)
    const number = type & 0x7fff
    shown.push(
      type & 0x8000 ? `${number}[${showAttributes(value)}]` : `${number}:${value.toString('hex')}`,
    )
    at += (length + 3) & ~3
  }
  return shown.join(' ')
}

test('Expressions are written as the kernel’s attributes have them', () => {
  const cases: [string, expression.Expression, string][] = [
    [
      'destination port',
      expression.loadBytes(Header.transport, 2, 2, FIRST_UNIT + 2),
      'payload 1:0000000a 2:00000002 3:00000002 4:00000002',
    ],
    ['EtherType', expression.loadMeta(Meta.protocol), 'meta 1:00000008 2:00000001'],
    ['protocol', expression.loadMeta(Meta.l4Protocol, 9), 'meta 1:00000009 2:00000010'],
    [
      'fragment header',
      expression.loadHasExtension(44),
      'exthdr 1:00000008 2:2c 3:00000000 4:00000001 5:00000001',
    ],
    [
      'mask',
      expression.mask([0x3f, 0xff]),
      'bitwise 1:00000008 2:00000008 3:00000002 4[1:3fff] 5[1:0000]',
    ],
    ['less', expression.compare(Comparison.less, [128]), 'cmp 1:00000008 2:00000002 3[1:80]'],
    ['in a set', expression.isIn('s'), 'lookup 1:7300 2:00000008'],
    ['not in a set', expression.isNotIn('s'), 'lookup 1:7300 2:00000008 5:00000001'],
    ['counter', expression.count, 'counter '],
    ['drop', expression.drop, 'immediate 1:00000000 2[2[1:00000000]]'],
    ['return', expression.goBack, 'immediate 1:00000000 2[2[1:fffffffb]]'],
    ['jump', expression.jump('c'), 'immediate 1:00000000 2[2[1:fffffffd 2:6300]]'],
  ]
  for (const [name, write, want] of cases) assert.equal(show(write), want, name)
})
