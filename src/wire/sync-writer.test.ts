import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { IpWords } from '../base/ip.ts'
import { parseSyncMessage, type SyncRecord } from './sync-message.ts'
import { SyncWriter } from './sync-writer.ts'

const half = fc.nat(0xffff)
const word = fc.nat(0xffffffff)
const mapped = word.map((address): IpWords => [0, 0, 0xffff, address])
const words = fc.tuple(word, word, word, word)
const engine = fc.record(
  {
    name: fc.stringMatching(/^[a-z]{1,16}$/),
    data: fc.uint8Array({ minLength: 1, maxLength: 255 }),
  },
  { noNullPrototype: true },
)

function record(family: 4 | 6, hasMore: boolean): fc.Arbitrary<SyncRecord> {
  const address: fc.Arbitrary<IpWords> = family === 4 ? mapped : words
  const fields: fc.Arbitrary<SyncRecord> = fc.record(
    {
      family: fc.constant(family),
      protocol: fc.nat(255),
      // Without sequence numbers.
      flags: (hasMore ? word : half).map((flags) => (flags & ~0x600) >>> 0),
      state: half,
      client: address,
      clientPort: half,
      virtual: address,
      virtualPort: half,
      server: address,
      serverPort: half,
      firewallMark: hasMore ? word : fc.constant(0),
      timeoutS: hasMore ? word : fc.constant(0),
    },
    { noNullPrototype: true },
  )
  if (!hasMore) return fields
  const withEngine = fc.tuple(fields, engine).map(([rest, own]) => ({ ...rest, engine: own }))
  return fc.oneof(fields, withEngine)
}

/** All the messages that the records fill. */
function write(version: 0 | 1, lengthMax: number, records: readonly SyncRecord[]): Uint8Array[] {
  const writer = new SyncWriter(version, 7, lengthMax)
  const messages: Uint8Array[] = []
  for (const one of records) {
    if (writer.put(one)) continue
    messages.push(writer.take())
    assert.equal(writer.put(one), true)
  }
  if (writer.count > 0) messages.push(writer.take())
  return messages
}

function check(version: 0 | 1, lengthMax: number, records: readonly SyncRecord[]): void {
  const messages = write(version, lengthMax, records).map((bytes) => {
    const message = parseSyncMessage(bytes)!
    const { syncId, skipped, problem } = message
    assert.deepEqual([message.version, syncId, skipped, problem], [version, 7, 0, null])
    assert.ok(bytes.length <= lengthMax || message.records.length === 1)
    return message
  })
  assert.deepEqual(
    messages.flatMap((message) => message.records),
    records,
  )
}

test('what is written is read, in messages of any length', () => {
  const length = fc.integer({ min: 1, max: 3000 })
  const both = fc.oneof(record(4, true), record(6, true))
  fc.assert(
    fc.property(length, fc.array(both, { minLength: 1, maxLength: 60 }), (lengthMax, records) =>
      check(1, lengthMax, records),
    ),
    { numRuns: 200 },
  )
  const old = fc.array(record(4, false), { minLength: 1, maxLength: 200 })
  fc.assert(
    fc.property(length, old, (lengthMax, records) => check(0, lengthMax, records)),
    { numRuns: 200 },
  )
})

test('a message is as full as it may be: 40 records in 1472 bytes, 61 of version 0, never more than 255', () => {
  const [one] = fc.sample(record(4, false), { numRuns: 1, seed: 1 })
  const many = Array.from({ length: 600 }, () => one!)
  const counts = (version: 0 | 1, lengthMax: number) =>
    write(version, lengthMax, many).map((bytes) => parseSyncMessage(bytes)!.records.length)
  assert.deepEqual(
    counts(1, 1472),
    Array.from({ length: 15 }, () => 40),
  )
  assert.deepEqual(
    counts(0, 1472).slice(0, 9),
    Array.from({ length: 9 }, () => 61),
  )
  assert.deepEqual(counts(1, 65507), [255, 255, 90])
})

test('version 0 cannot have IPv6', () => {
  const [one] = fc.sample(record(6, false), { numRuns: 1, seed: 1 })
  assert.throws(() => new SyncWriter(0, 1, 1000).put(one!), /version 0 has no IPv6/)
})
