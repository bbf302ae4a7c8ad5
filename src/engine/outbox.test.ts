import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VIRTIO_HEADER_SIZE } from '../kernel/packet/virtio-header.ts'
import { Outbox } from './outbox.ts'

test('frames lie one behind the other, with room for a virtio header before each', () => {
  const outbox = new Outbox()
  const sizes = [60, 1514, 65_535, 1]
  let end = 0
  for (const [i, size] of sizes.entries()) {
    const start = outbox.put(new Uint8Array(size).fill(i + 1))
    assert.ok(start - VIRTIO_HEADER_SIZE >= end, 'the header does not touch the frame before')
    const { buffer } = outbox.memory.bytes
    assert.deepEqual(new Uint8Array(buffer, start, size), new Uint8Array(size).fill(i + 1))
    end = start + size
  }
})

test('a full box says so, and begins anew once it is emptied', () => {
  const outbox = new Outbox()
  const frame = new Uint8Array(65_535)
  const first = outbox.put(frame)
  let frames = 1
  while (outbox.hasRoom(frame.length)) {
    outbox.put(frame)
    frames++
  }
  assert.ok(frames >= 60, `${frames} frames`)
  outbox.empty()
  assert.equal(outbox.put(frame), first)
})
