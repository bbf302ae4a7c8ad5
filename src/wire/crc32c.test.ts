import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32c } from './crc32c.ts'

test('the check value, and the examples of RFC 3720 §B.4', () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i)
  const cases: [Uint8Array, number][] = [
    [new TextEncoder().encode('123456789'), 0xe3069283],
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [ascending, 0x46dd794e],
    [ascending.toReversed(), 0x113fdb5c],
    [new Uint8Array(), 0],
  ]
  for (const [bytes, want] of cases) assert.equal(crc32c(bytes), want, want.toString(16))
})

test('parts count as one', () => {
  const bytes = new TextEncoder().encode('123456789')
  assert.equal(crc32c(bytes.subarray(0, 4), new Uint8Array(), bytes.subarray(4)), 0xe3069283)
})
