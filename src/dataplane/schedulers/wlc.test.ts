import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'

test('the least load per weight is chosen, of equals the server added last', () => {
  assert.equal(new OneService('wlc', [1, 1, 1]).openNext(7), '3213213')
  assert.equal(new OneService('wlc', [1, 2]).openNext(6), '212212')
})

test('connections follow the weights', () => {
  const service = new OneService('wlc', [1, 2, 5])
  service.openNext(80)
  assert.deepEqual(
    [1, 2, 3].map((n) => service.counts(n)),
    [
      [10, 0],
      [20, 0],
      [50, 0],
    ],
  )
})

test('weight 0 takes nothing', () => {
  assert.equal(new OneService('wlc', [1, 0, 1]).openNext(4), '3131')
})

test('the largest weights and loads are compared exactly', () => {
  const service = new OneService('wlc', [0x7fffffff, 0x7ffffffe])
  // Loads are equal at first; then 256 / 0x7fffffff is the smaller one.
  assert.equal(service.openNext(3), '211')
  assert.equal(service.openNext(3), '212')
})

test('an edited weight counts from the next flow on', () => {
  const service = new OneService('wlc', [1, 1])
  assert.equal(service.openNext(4), '2121')
  service.edit(1, { weight: 4 })
  assert.equal(service.openNext(6), '111111')
})

test('an active connection weighs as much as 256 inactive ones', () => {
  const service = new OneService('wlc', [1])
  for (let i = 0; i < 255; i++) {
    const client = service.nextClient()
    service.establish(client)
    service.reset(client)
  }
  assert.deepEqual(service.counts(1), [0, 255])
  service.add(2)
  assert.equal(service.openNext(2), '21')
  assert.deepEqual(
    [service.counts(1), service.counts(2)],
    [
      [1, 255],
      [1, 0],
    ],
  )
  // 511 against 256, then against 512.
  assert.equal(service.openNext(2), '21')
})

test('a connection that ended loads nobody', () => {
  const service = new OneService('wlc', [1, 1])
  const client = service.nextClient()
  assert.equal(service.establish(client), 2)
  assert.equal(service.establish(service.nextClient()), 1)
  service.reset(client)
  service.lab.sleep(11)
  assert.equal(service.openNext(1), '2')
})

test('an overloaded server is passed over', () => {
  const service = new OneService('wlc', [1, 1])
  service.edit(2, { upperThreshold: 1 })
  assert.equal(service.openNext(4), '2111')
})

test('nobody: without servers, and with weights 0 alone', () => {
  assert.equal(new OneService('wlc', []).openNext(1), '-')
  assert.equal(new OneService('wlc', [0, 0]).openNext(2), '--')
})
