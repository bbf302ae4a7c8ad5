import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'

test('the least loaded is chosen, of equals the one added last', () => {
  assert.equal(new OneService('lc', [1, 1, 1]).openNext(7), '3213213')
})

test('weights do not count, but weight 0 takes nothing', () => {
  assert.equal(new OneService('lc', [1, 0, 9]).openNext(4), '3131')
})

test('an active connection weighs as much as 256 inactive ones', () => {
  const service = new OneService('lc', [1])
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
  const service = new OneService('lc', [1, 1])
  const client = service.nextClient()
  assert.equal(service.establish(client), 2)
  assert.equal(service.establish(service.nextClient()), 1)
  service.reset(client)
  service.lab.sleep(11)
  assert.equal(service.openNext(1), '2')
})

test('an overloaded server is passed over', () => {
  const service = new OneService('lc', [1, 1])
  service.edit(2, { upperThreshold: 1 })
  assert.equal(service.openNext(4), '2111')
})

test('nobody: without servers, and with weights 0 alone', () => {
  assert.equal(new OneService('lc', []).openNext(1), '-')
  assert.equal(new OneService('lc', [0, 0]).openNext(2), '--')
})
