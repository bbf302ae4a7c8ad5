import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '../base/random.ts'
import { Packet } from './packet.ts'

/** A frame of 60 bytes at 100, with room from 80 to 200. */
function framed(): Packet {
  const packet = new Packet()
  packet.point(new DataView(new ArrayBuffer(300)), 100, 60, 80, 200)
  return packet
}
const placeOf = ({ start, length }: Packet) => [start, length]

describe('a packet', () => {
  it('grows and shrinks at its head', () => {
    const packet = framed()
    assert.ok(packet.adjustHead(-20))
    assert.deepEqual(placeOf(packet), [80, 80])
    assert.ok(packet.adjustHead(14))
    assert.deepEqual(placeOf(packet), [94, 66])
    assert.ok(packet.adjustHead(66))
    assert.deepEqual(placeOf(packet), [160, 0])
  })

  it('grows and shrinks at its end', () => {
    const packet = framed()
    assert.ok(packet.adjustTail(40))
    assert.deepEqual(placeOf(packet), [100, 100])
    assert.ok(packet.adjustTail(-100))
    assert.deepEqual(placeOf(packet), [100, 0])
  })

  it('stays as it is where there is no room', () => {
    const packet = framed()
    for (const bytes of [-21, -1000, 61, 1000]) assert.ok(!packet.adjustHead(bytes), `${bytes}`)
    for (const bytes of [41, 1000, -61, -1000]) assert.ok(!packet.adjustTail(bytes), `${bytes}`)
    assert.deepEqual(placeOf(packet), [100, 60])
  })

  it('never leaves its room, whatever is asked', () => {
    const random = new Random(1)
    const packet = framed()
    for (let i = 0; i < 5000; i++) {
      const [start, end] = [packet.start, packet.start + packet.length]
      const bytes = random.below(80) - 40
      const isHead = random.oneIn(2)
      const isMoved = isHead ? packet.adjustHead(bytes) : packet.adjustTail(bytes)
      const wanted = isHead ? [start + bytes, end] : [start, end + bytes]
      const hasRoom = wanted[0]! >= 80 && wanted[1]! <= 200 && wanted[0]! <= wanted[1]!
      assert.equal(isMoved, hasRoom)
      const place = [packet.start, packet.start + packet.length]
      assert.deepEqual(place, hasRoom ? wanted : [start, end])
    }
  })

  it('forgets the offloads of the frame before', () => {
    const packet = framed()
    packet.hasPartialChecksum = true
    packet.segmentSize = 1448
    packet.point(packet.bytes, 90, 70, 80, 200)
    assert.deepEqual([packet.hasPartialChecksum, packet.segmentSize], [false, 0])
    packet.hasPartialChecksum = true
    packet.segmentSize = 1448
    packet.clearOffloads()
    assert.deepEqual([packet.hasPartialChecksum, packet.segmentSize], [false, 0])
    assert.deepEqual(placeOf(packet), [90, 70])
  })
})
