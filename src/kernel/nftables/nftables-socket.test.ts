import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAnswers } from './nftables-socket.ts'

/** An error answer to message `sequence`: nlmsghdr, the error, the header that it answers. */
function answer(sequence: number, error: number, type = 2): Buffer {
  const bytes = Buffer.alloc(36)
  bytes.writeUInt32LE(36, 0)
  bytes.writeUInt16LE(type, 4)
  bytes.writeUInt32LE(sequence, 8)
  bytes.writeInt32LE(error, 16)
  return bytes
}

test('Answers are read one after the other, other messages stepped over', () => {
  const datagram = Buffer.concat([answer(7, -17), answer(8, 0, 3), answer(9, 0)])
  assert.deepEqual(readAnswers(datagram), [
    { sequence: 7, error: -17 },
    { sequence: 9, error: 0 },
  ])
})

test('A datagram cut anywhere gives the answers before the cut', () => {
  const datagram = Buffer.concat([answer(7, -17), answer(9, 0)])
  for (let length = 0; length <= datagram.length; length++) {
    const whole = length < 20 ? 0 : length < 36 + 20 ? 1 : 2
    assert.equal(readAnswers(datagram.subarray(0, length)).length, whole, `${length} bytes`)
  }
  assert.deepEqual(readAnswers(Buffer.alloc(64)), [], 'a length of 0 ends the reading')
})
