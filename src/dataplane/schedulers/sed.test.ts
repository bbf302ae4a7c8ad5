import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'

test('the shortest delay with the connection to come, of equals the server added last', () => {
  assert.equal(new OneService('sed', [1, 1, 1]).openNext(7), '3213213')
  // (0 + 1) / 1 against (0 + 1) / 3: server 1 must wait until 3 / 3.
  assert.equal(new OneService('sed', [1, 3]).openNext(8), '22212221')
})

test('connections follow the weights', () => {
  const service = new OneService('sed', [1, 2, 5])
  service.openNext(80)
  const actives = [1, 2, 3].map((n) => service.counts(n)[0])
  assert.deepEqual(actives, [10, 20, 50])
})

test('inactive connections do not count', () => {
  const service = new OneService('sed', [1])
  for (let i = 0; i < 300; i++) {
    const client = service.nextClient()
    service.establish(client)
    service.reset(client)
  }
  assert.deepEqual(service.counts(1), [0, 300])
  service.add(2)
  assert.equal(service.openNext(3), '212')
})

test('weight 0 takes nothing', () => {
  assert.equal(new OneService('sed', [1, 0, 1]).openNext(4), '3131')
})

test('the largest weights and counts are compared exactly', () => {
  const service = new OneService('sed', [0x7fffffff, 0x7ffffffe])
  service.serverRow(1).active = 0x7ffffffe
  service.serverRow(2).active = 0x7ffffffd
  // Both have exactly one connection for each unit of weight; then server 1 has less.
  assert.equal(service.openNext(1), '2')
  assert.equal(service.openNext(1), '1')
})

test('an edited weight counts from the next flow on', () => {
  const service = new OneService('sed', [1, 1])
  assert.equal(service.openNext(4), '2121')
  service.edit(1, { weight: 4 })
  assert.equal(service.openNext(10), '1111111112')
})

test('an overloaded server is passed over', () => {
  const service = new OneService('sed', [1, 9])
  service.edit(2, { weight: 9, upperThreshold: 1 })
  assert.equal(service.openNext(4), '2111')
})

test('nobody: without servers, and with weights 0 alone', () => {
  assert.equal(new OneService('sed', []).openNext(1), '-')
  assert.equal(new OneService('sed', [0, 0]).openNext(2), '--')
})
