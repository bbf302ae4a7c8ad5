import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Flow } from '../dataplane/flow.ts'
import { FRAGMENT_TIMEOUT_S } from '../dataplane/limits.ts'
import { WaitingFragments } from './waiting-fragments.ts'

function flowOf(identification: number, source3 = 1): Flow {
  const flow = Flow.local()
  flow.identification = identification
  flow.source3 = source3
  return flow
}
const fragment = (number: number) => ({ bytes: Uint8Array.of(number), ingress: 2 })
const taken = (waiting: WaitingFragments, flow: Flow) =>
  waiting.take(flow).map(({ bytes }) => bytes[0])

describe('fragments before the first one', () => {
  it('are given back in order, once, and to their datagram only', () => {
    const waiting = new WaitingFragments()
    waiting.add(flowOf(1), fragment(1), 0)
    waiting.add(flowOf(2), fragment(2), 0)
    waiting.add(flowOf(1, 9), fragment(3), 0)
    waiting.add(flowOf(1), fragment(4), 0)
    assert.deepEqual(taken(waiting, flowOf(1)), [1, 4])
    assert.deepEqual(taken(waiting, flowOf(1)), [])
    assert.deepEqual([waiting.length, waiting.dropped], [2, 0])
  })

  it('are given up when the first does not come', () => {
    const waiting = new WaitingFragments()
    waiting.add(flowOf(1), fragment(1), 0)
    waiting.add(flowOf(2), fragment(2), 1000)
    waiting.add(flowOf(1), fragment(3), 2000)
    waiting.expire(FRAGMENT_TIMEOUT_S * 1000 - 1)
    assert.equal(waiting.length, 3)
    waiting.expire(FRAGMENT_TIMEOUT_S * 1000)
    assert.deepEqual([waiting.length, waiting.dropped], [1, 2])
    waiting.expire(FRAGMENT_TIMEOUT_S * 1000 + 1000)
    assert.deepEqual([waiting.length, waiting.dropped], [0, 3])
  })

  it('are bounded: of one datagram, and by datagrams, of which the oldest gives way', () => {
    const waiting = new WaitingFragments()
    for (let i = 0; i < 50; i++) waiting.add(flowOf(0), fragment(i), 0)
    assert.deepEqual([waiting.length, waiting.dropped], [48, 2])
    for (let i = 1; i <= 256; i++) waiting.add(flowOf(i), fragment(i), 0)
    assert.deepEqual([waiting.length, waiting.dropped], [256, 50])
    assert.deepEqual(taken(waiting, flowOf(0)), [])
    assert.deepEqual(taken(waiting, flowOf(1)), [1])
  })
})
