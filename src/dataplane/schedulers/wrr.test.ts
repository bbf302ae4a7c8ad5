import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'
import { adjustCurrentWeight, buildWrr } from './wrr.ts'

// The level in force while servers are added is that of the first: a fresh service begins low.
test('rounds ask for ever less weight, from the server added last', () => {
  for (const [weights, choices] of [
    [[1, 2, 3], '321332'],
    [[3, 2, 1], '321121'],
    [[2, 4], '212'],
    [[7, 3], '2111112121'],
    [[1], '1'],
    [[5, 5, 5], '321'],
    [[1, 2, 3, 0, 5], '53215553532'],
  ] as const) {
    const period = choices.length
    assert.equal(
      new OneService('wrr', weights).openNext(2 * period),
      choices + choices,
      `${weights}`,
    )
  }
})

test('weights far apart', () => {
  assert.equal(new OneService('wrr', [100, 1]).openNext(101), `21${'1'.repeat(99)}`)
})

test('nobody: without servers, and with weights 0 alone', () => {
  assert.equal(new OneService('wrr', []).openNext(1), '-')
  assert.equal(new OneService('wrr', [0, 0]).openNext(2), '--')
})

test('an overloaded server is passed over, however heavy', () => {
  const service = new OneService('wrr', [1, 200])
  service.edit(2, { weight: 200, upperThreshold: 1 })
  assert.equal(service.openNext(4), '2111')
})

test('an edit begins the round anew, at a level that the new weights have', () => {
  const service = new OneService('wrr', [1, 2, 3])
  assert.equal(service.openNext(4), '3213')
  service.edit(1, { weight: 2 })
  assert.equal(service.openNext(5), '33213')
  service.edit(3, { weight: 0 })
  assert.equal(service.openNext(4), '2121')
})

test('position and level survive an edit of the service', () => {
  const service = new OneService('wrr', [1, 2, 3])
  assert.equal(service.openNext(2), '32')
  service.editService()
  assert.equal(service.openNext(4), '1332')
})

test('what is built: the greatest common divisor, and the level to begin with', () => {
  assert.deepEqual(buildWrr([6, 0, 9]), { gcd: 3, firstWeight: 7 })
  assert.deepEqual(buildWrr([5]), { gcd: 5, firstWeight: 1 })
  assert.deepEqual(buildWrr([0, 0]), { gcd: 0, firstWeight: 0 })
  assert.deepEqual(buildWrr([]), { gcd: 0, firstWeight: 0 })
})

test('after a change the level is one of the new ones, and never above the first', () => {
  const mark = buildWrr([6, 9])
  assert.equal(adjustCurrentWeight(0, mark), 7)
  assert.equal(adjustCurrentWeight(8, mark), 7)
  assert.equal(adjustCurrentWeight(5, mark), 4)
  assert.equal(adjustCurrentWeight(2, mark), 1)
  assert.equal(adjustCurrentWeight(2, buildWrr([2, 3])), 2)
})
