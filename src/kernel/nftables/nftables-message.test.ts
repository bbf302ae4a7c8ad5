import assert from 'node:assert/strict'
import { test } from 'node:test'
import { drop } from './nftables-expression.ts'
import { AttributeWriter, Transaction } from './nftables-message.ts'

interface Message {
  type: number
  flags: number
  sequence: number
  family: number
  body: Buffer
}

function read(datagram: Uint8Array): Message[] {
  const bytes = Buffer.from(datagram)
  const messages: Message[] = []
  let at = 0
  while (at < bytes.length) {
    const length = bytes.readUInt32LE(at)
    messages.push({
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      family: bytes[at + 16]!,
      body: bytes.subarray(at + 20, at + length),
    })
    at += length
  }
  assert.equal(at, bytes.length)
  return messages
}

test('A transaction is numbered messages between begin and end, the last one acknowledged', () => {
  const transaction = new Transaction('t', 100)
  transaction.newTable(2)
  transaction.newChain('c')
  transaction.newRule('c', [drop])
  assert.equal(transaction.size, 3)
  assert.equal(transaction.last, 103)
  assert.equal(transaction.describe(102), 'new chain c')
  assert.equal(transaction.describe(100), 'the transaction')
  const messages = read(transaction.finish())
  assert.deepEqual(
    messages.map(({ type, flags, sequence, family }) => [type, flags, sequence, family]),
    [
      [16, 1, 100, 5], // begin
      [0xa00, 0x601, 101, 5], // new table: request, create, exclusive
      [0xa03, 0x401, 102, 5],
      [0xa06, 0xc05, 103, 5], // new rule: and append, and acknowledge
      [17, 1, 104, 5], // end
    ],
  )
  assert.equal(messages[1]!.body.toString('hex'), '0600010074000000' + '0800020000000002')
  assert.equal(
    messages[3]!.body.toString('hex'),
    '0600010074000000' + // table t
      '0600020063000000' + // chain c
      '34000480' + // expressions
      '30000180' + // one
      '0e000100696d6d656469617465000000' + // immediate
      '1c000280' + // data
      '0800010000000000' + // into the verdict register
      '10000280' +
      '0c000280' +
      '0800010000000000', // NF_DROP
  )
})

test('A set’s key is as long, and typed, as nft has it', () => {
  const transaction = new Transaction('t', 1)
  transaction.newSet('s', [
    { type: 'ipv4', length: 4 },
    { type: 'protocol', length: 1 },
    { type: 'port', length: 2 },
  ])
  transaction.newSet('i', [{ type: 'icmpType', length: 1 }])
  const [, endpoint, icmp] = read(transaction.finish())
  const keyType = ((7 << 12) | (12 << 6) | 13).toString(16).padStart(8, '0')
  assert.ok(endpoint!.body.toString('hex').includes(`08000400${keyType}080005000000000c`))
  assert.ok(icmp!.body.toString('hex').includes('080004000000000e0800050000000001'))
})

test('Many elements are many messages, each list within 16 bits of length', () => {
  const transaction = new Transaction('t', 1)
  const keys = Array.from({ length: 10_000 }, (_, i) =>
    Uint8Array.of(10, 0, i >>> 8, i, 6, 0, 0, 0),
  )
  transaction.addElements('s', keys)
  transaction.removeElements('s', [])
  const messages = read(transaction.finish()).slice(1, -1)
  assert.ok(messages.length > 3 && messages.length < 10, `${messages.length} messages`)
  const seen: string[] = []
  for (const { type, body } of messages) {
    assert.equal(type, 0xa0c)
    assert.equal(body.toString('hex', 0, 16), '0600010074000000' + '0600020073000000')
    const list = body.subarray(16)
    assert.equal(list.readUInt16LE(0), list.length)
    for (let at = 4; at < list.length; at += 20) {
      assert.equal(list.toString('hex', at, at + 12), '14000180' + '10000180' + '0c000100')
      seen.push(list.toString('hex', at + 12, at + 20))
    }
  }
  assert.deepEqual(
    seen,
    keys.map((key) => Buffer.from(key).toString('hex')),
  )
})

test('The buffer grows under an attribute that is being written', () => {
  const writer = new AttributeWriter()
  writer.nested(1, () => {
    for (let i = 0; i < 3000; i++) writer.u32(2, i)
    writer.string(3, 'end')
  })
  const bytes = Buffer.from(writer.written())
  assert.equal(bytes.length, 4 + 3000 * 8 + 8)
  assert.equal(bytes.readUInt16LE(0), bytes.length)
  assert.equal(bytes.readUInt32BE(4 + 2999 * 8 + 4), 2999)
  assert.equal(bytes.toString('latin1', bytes.length - 4), 'end\0')
})
