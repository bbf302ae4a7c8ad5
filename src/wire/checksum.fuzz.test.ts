import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { viewOf } from '../base/bytes.ts'
import { Packet } from '../subset/packet.ts'
import { applyDelta, checksum, fold, isChecksumRight, replace16, replace32 } from './checksum.ts'
import { sumBytes, sumFrame } from './checksum.ts'

const even = fc.uint8Array({ minLength: 8, maxLength: 64 }).map((b) => b.subarray(0, b.length & ~1))
const word = fc.nat(0xffffffff)

test('a delta gives what summing anew gives, but for the two zeros', () => {
  fc.assert(
    fc.property(even, fc.array(fc.tuple(fc.nat(), word, fc.boolean())), (bytes, edits) => {
      const view = viewOf(bytes)
      const before = checksum(bytes)
      let delta = 0
      for (const [place, value, wide] of edits) {
        const at = (place % (bytes.length - 3)) & ~1
        if (wide) delta = replace32(delta, view.getUint32(at), value)
        else delta = replace16(delta, view.getUint16(at), value & 0xffff)
        if (wide) view.setUint32(at, value)
        else view.setUint16(at, value & 0xffff)
      }
      const after = applyDelta(before, delta)
      assert.ok(
        after === checksum(bytes) || (after % 0xffff === 0 && checksum(bytes) % 0xffff === 0),
      )
    }),
  )
})

test('what the checksum is put into, is right', () => {
  fc.assert(
    fc.property(even, word, (bytes, pseudoSum) => {
      viewOf(bytes).setUint16(2, 0)
      viewOf(bytes).setUint16(2, checksum(bytes, pseudoSum & 0xfffff))
      assert.ok(isChecksumRight(bytes, pseudoSum & 0xfffff))
    }),
  )
})

test('sumFrame equals sumBytes wherever it stands', () => {
  const packet = new Packet()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(220), fc.nat(220), (bytes, from, n) => {
      packet.point(viewOf(bytes), 0, bytes.length, 0, bytes.length)
      const inside = bytes.subarray(from, from + n)
      if (from + n <= bytes.length) {
        assert.equal(fold(sumFrame(packet, from, n)), fold(sumBytes(inside)))
      } else {
        sumFrame(packet, from, n)
      }
    }),
  )
})
