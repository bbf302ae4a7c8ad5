import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  FRAME_MAX,
  frameFloor,
  HEADROOM,
  RESERVE,
  ringRequest,
  shapeRing,
  Slot,
  slotOffsets,
  SLOT_SIZE,
} from './packet-ring.ts'
import { VIRTIO_HEADER_SIZE } from './virtio-header.ts'

/** Where af_packet.c puts an Ethernet frame: tpacket_rcv. */
const FRAME_AT = 16 * Math.ceil((Slot.free + 16) / 16) + RESERVE + VIRTIO_HEADER_SIZE - 14

test('A slot has room for the largest frame and the headroom', () => {
  assert.equal(FRAME_AT, 204)
  assert.ok(FRAME_AT - frameFloor(0) >= HEADROOM)
  assert.ok(FRAME_AT + FRAME_MAX <= SLOT_SIZE)
})

test('Slots lie in order, in whole blocks, none over another', () => {
  for (const wanted of [1, 15, 16, 256, 4096]) {
    const shape = shapeRing(wanted)
    assert.ok(shape.slots >= wanted && shape.slots < wanted + 15)
    const offsets = slotOffsets(shape)
    assert.equal(offsets.length, shape.slots)
    offsets.forEach((offset, index) => {
      const next = offsets[index + 1] ?? shape.size
      assert.ok(next - offset >= SLOT_SIZE)
      const block = Math.floor(offset / shape.blockSize)
      assert.ok(offset + SLOT_SIZE <= (block + 1) * shape.blockSize, 'within its block')
    })
  }
})

test('The request says what the kernel checks: frames = blocks × frames a block', () => {
  const shape = shapeRing(256)
  const [blockSize, blocks, slotSize, slots] = new Uint32Array(ringRequest(shape).buffer)
  assert.equal(slots, blocks! * Math.floor(blockSize! / slotSize!))
  assert.equal(blockSize! % 4096, 0)
})
