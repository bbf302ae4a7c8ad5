import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '../base/random.ts'
import { Decapsulation, Encapsulation, Packet } from './packet.ts'

/** A frame of 60 bytes at 100, each its number, with room from 80 to 200. */
function framed(): Packet {
  const packet = new Packet()
  const bytes = new Uint8Array(300)
  for (let i = 0; i < 60; i++) bytes[100 + i] = i
  packet.point(new DataView(bytes.buffer), 100, 60, 80, 200)
  return packet
}
const placeOf = ({ start, length }: Packet) => [start, length]
const bytesOf = ({ bytes, start, length }: Packet) => [
  ...new Uint8Array(bytes.buffer, start, length),
]
const whole = bytesOf(framed())
const ETHERNET = 14

describe('a packet', () => {
  it('opens room behind its Ethernet header, and closes it', () => {
    const packet = framed()
    assert.ok(packet.encapsulate(20, Encapsulation.ipv4))
    assert.deepEqual(placeOf(packet), [80, 80])
    const bytes = bytesOf(packet)
    assert.deepEqual(bytes.slice(0, ETHERNET), whole.slice(0, ETHERNET))
    assert.deepEqual(bytes.slice(ETHERNET + 20), whole.slice(ETHERNET))
    assert.ok(packet.decapsulate(12, Decapsulation.sameFamily))
    assert.deepEqual(bytesOf(packet).slice(0, ETHERNET), whole.slice(0, ETHERNET))
    assert.ok(packet.decapsulate(8, Decapsulation.sameFamily))
    assert.deepEqual(bytesOf(packet), whole)
    assert.ok(packet.decapsulate(46, Decapsulation.sameFamily))
    assert.deepEqual(bytesOf(packet), whole.slice(0, ETHERNET))
  })

  it('moves its Ethernet header by less than its length', () => {
    for (const bytes of [0, 1, 4, 13, 14, 20]) {
      const packet = framed()
      assert.ok(packet.encapsulate(bytes, Encapsulation.none))
      assert.deepEqual(bytesOf(packet).slice(0, ETHERNET), whole.slice(0, ETHERNET))
      assert.ok(packet.decapsulate(bytes, Decapsulation.sameFamily))
      assert.deepEqual(bytesOf(packet), whole)
    }
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
    for (const bytes of [-1, 21, 1000]) {
      assert.ok(!packet.encapsulate(bytes, Encapsulation.ipv4), `${bytes}`)
    }
    for (const bytes of [-1, 47, 60, 1000])
      assert.ok(!packet.decapsulate(bytes, Decapsulation.sameFamily), `${bytes}`)
    for (const bytes of [41, 1000, -61, -1000]) assert.ok(!packet.adjustTail(bytes), `${bytes}`)
    assert.deepEqual(bytesOf(packet), whole)
    packet.adjustTail(-47)
    for (const bytes of [0, 1]) {
      assert.ok(!packet.encapsulate(bytes, Encapsulation.none), 'no Ethernet header')
      assert.ok(!packet.decapsulate(bytes, Decapsulation.sameFamily), 'no Ethernet header')
    }
  })

  it('never leaves its room, whatever is asked', () => {
    const random = new Random(1)
    const packet = framed()
    for (let i = 0; i < 5000; i++) {
      const [start, end] = [packet.start, packet.start + packet.length]
      const bytes = random.below(80) - 40
      const isHead = random.oneIn(2)
      const isMoved = !isHead
        ? packet.adjustTail(bytes)
        : bytes < 0
          ? packet.encapsulate(-bytes, Encapsulation.ipv6)
          : packet.decapsulate(bytes, Decapsulation.sameFamily)
      const wanted = isHead ? [start + bytes, end] : [start, end + bytes]
      const least = isHead ? ETHERNET : 0
      const hasRoom =
        wanted[0]! >= 80 &&
        wanted[1]! <= 200 &&
        wanted[0]! + least <= wanted[1]! &&
        start + least <= end
      assert.equal(isMoved, hasRoom)
      const place = [packet.start, packet.start + packet.length]
      assert.deepEqual(place, hasRoom ? wanted : [start, end])
    }
  })

  it('keeps its offloads in a tunnel; one that is cut stands for itself', () => {
    const packet = framed()
    packet.hasPartialChecksum = true
    packet.segmentSize = 1448
    packet.encapsulate(20, Encapsulation.ipv4)
    assert.deepEqual([packet.hasPartialChecksum, packet.segmentSize], [true, 1448])
    packet.adjustTail(-1)
    assert.deepEqual([packet.hasPartialChecksum, packet.segmentSize], [true, 0])
  })

  it('forgets the offloads of the frame before', () => {
    const packet = framed()
    packet.hasPartialChecksum = true
    packet.segmentSize = 1448
    packet.point(packet.bytes, 90, 70, 80, 200)
    assert.deepEqual([packet.hasPartialChecksum, packet.segmentSize], [false, 0])
  })
})
