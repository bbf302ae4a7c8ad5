import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MESSAGE_SIZE, SEND_MAX, SendQueue } from './send-queue.ts'

/** Where the queue would lie: an address that needs more than 32 bits. */
const ADDRESS = 0x7f12_3456_7000
const NAME = Uint8Array.from({ length: 20 }, (_, i) => i + 1)

test('Each message points at its iovec and the one name, each iovec at its frame', () => {
  const buffer = new ArrayBuffer(SendQueue.size)
  const view = new DataView(buffer)
  const queue = new SendQueue(buffer, ADDRESS, NAME)
  const memory = { bytes: new DataView(new ArrayBuffer(0)), address: 0x7fff_ffff_f000 }
  for (let i = 0; i < SEND_MAX; i++) {
    assert.equal(queue.isFull, false)
    queue.add(memory, 1000 * i + 10, 60 + i)
  }
  assert.ok(queue.isFull)
  assert.throws(() => queue.add(memory, 10, 60), /cannot be sent/)

  const at = (offset: number): number => Number(view.getBigUint64(offset, true))
  const name = ADDRESS + SEND_MAX * (MESSAGE_SIZE + 16)
  for (let i = 0; i < SEND_MAX; i++) {
    const message = MESSAGE_SIZE * i
    const iovec = SEND_MAX * MESSAGE_SIZE + 16 * i
    assert.equal(at(message), name)
    assert.equal(view.getUint32(message + 8, true), NAME.length)
    assert.equal(at(message + 16), ADDRESS + iovec)
    assert.equal(at(message + 24), 1, 'one iovec')
    assert.equal(at(message + 32) + at(message + 40) + at(message + 48), 0, 'no control, no flags')
    assert.equal(at(iovec), 0x7fff_ffff_f000 + 1000 * i, 'from the virtio header on')
    assert.equal(at(iovec + 8), 60 + i + 10)
  }
  assert.deepEqual(new Uint8Array(buffer, name - ADDRESS, NAME.length), NAME)

  queue.clear()
  assert.equal(queue.length, 0)
  queue.add(memory, 10, 99)
  assert.equal(at(SEND_MAX * MESSAGE_SIZE + 8), 109)
})

test('A frame without room for its virtio header is a mistake of ours', () => {
  const queue = new SendQueue(new ArrayBuffer(SendQueue.size), ADDRESS, NAME)
  const memory = { bytes: new DataView(new ArrayBuffer(64)), address: 4096 }
  assert.throws(() => queue.add(memory, 9, 60), /cannot be sent/)
})
