import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { noOffloads } from '../kernel/packet/virtio-header.ts'
import { WaitingFrames, type WaitingFrame } from './waiting-frames.ts'

function frame(number: number, since = 0): WaitingFrame {
  return { bytes: Uint8Array.of(number), offloads: noOffloads(), grown: 0, outerBytes: 0, since }
}
const numbers = (frames: readonly WaitingFrame[]) => frames.map(({ bytes }) => bytes[0])

describe('frames that wait for a neighbour', () => {
  it('are given back in order, once, and to that neighbour only', () => {
    const waiting = new WaitingFrames()
    waiting.add(1, '10.0.0.1', frame(1))
    waiting.add(1, '10.0.0.2', frame(2))
    waiting.add(2, '10.0.0.1', frame(3))
    waiting.add(1, '10.0.0.1', frame(4))
    assert.deepEqual(numbers(waiting.take(1, '10.0.0.1')), [1, 4])
    assert.deepEqual(numbers(waiting.take(1, '10.0.0.1')), [])
    assert.equal(waiting.length, 2)
  })

  it('ask for the neighbour with the first, and again after a second', () => {
    const waiting = new WaitingFrames()
    const asked = [0, 500, 999, 1000, 1500, 2000].map((ms) => waiting.add(1, '::1', frame(0, ms)))
    assert.deepEqual(asked, [true, false, false, true, false, true])
  })

  it('give way, oldest first, when there are too many for one neighbour', () => {
    const waiting = new WaitingFrames()
    for (let i = 0; i < 103; i++) waiting.add(1, '10.0.0.1', frame(i))
    assert.equal(waiting.dropped, 3)
    const left = numbers(waiting.take(1, '10.0.0.1'))
    assert.equal(left.length, 100)
    assert.equal(left[0], 3)
  })

  it('are refused for too many neighbours at once', () => {
    const waiting = new WaitingFrames()
    for (let i = 0; i < 1030; i++) waiting.add(i, '10.0.0.1', frame(0))
    assert.equal(waiting.length, 1024)
    assert.equal(waiting.dropped, 6)
  })

  it('are given up, counted, after they waited too long', () => {
    const waiting = new WaitingFrames()
    waiting.add(1, '10.0.0.1', frame(1, 0))
    waiting.add(1, '10.0.0.1', frame(2, 1000))
    waiting.expire(3500)
    assert.equal(waiting.length, 2, 'not yet')
    waiting.expire(3501)
    assert.equal(waiting.length, 1)
    waiting.expire(5000)
    assert.equal(waiting.length, 0)
    assert.equal(waiting.dropped, 2)
    assert.equal(waiting.add(1, '10.0.0.1', frame(3, 5000)), true, 'asks anew')
  })
})
