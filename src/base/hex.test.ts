import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesToHex, hexToBytes } from './hex.ts'

test('hex there and back', () => {
  assert.equal(bytesToHex(new Uint8Array([0, 10, 255])), '000aff')
  assert.deepEqual(hexToBytes('000aFF'), new Uint8Array([0, 10, 255]))
  assert.deepEqual(hexToBytes(' 00\n0a ff'), new Uint8Array([0, 10, 255]))
  assert.deepEqual(hexToBytes(''), new Uint8Array())
})

test('hexToBytes refuses what is no hex', () => {
  for (const text of ['0', '0g', '0x00', '-1']) assert.equal(hexToBytes(text), undefined, text)
})
