import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, viewOf } from './bytes.ts'

test('viewOf sees exactly the bytes of a part', () => {
  const view = viewOf(Uint8Array.of(1, 2, 3, 4, 5).subarray(1, 4))
  assert.equal(view.byteLength, 3)
  assert.equal(view.getUint16(0), 0x0203)
})

test('concatBytes copies', () => {
  const part = Uint8Array.of(1, 2)
  const whole = concatBytes(part, new Uint8Array(), Uint8Array.of(3))
  part[0] = 9
  assert.deepEqual(whole, Uint8Array.of(1, 2, 3))
  assert.deepEqual(concatBytes(), new Uint8Array())
})
