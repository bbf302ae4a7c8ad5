import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'

test('the heaviest takes one more than its weight, then the next, then nobody', () => {
  assert.equal(new OneService('ovf', [1, 3, 2]).openNext(12), '222233311---')
})

test('of equals the server added last', () => {
  assert.equal(new OneService('ovf', [1, 1]).openNext(5), '2211-')
})

test('only active connections count: where one is reset, there is room at once', () => {
  const service = new OneService('ovf', [1, 2])
  const clients = Array.from({ length: 4 }, () => service.nextClient())
  const choices = clients.map((client) => service.establish(client))
  assert.deepEqual(choices, [2, 2, 2, 1])
  service.reset(clients[0]!)
  assert.deepEqual(service.counts(2), [2, 1])
  assert.equal(service.openNext(3), '21-')
})

test('edits count from the next flow on', () => {
  const service = new OneService('ovf', [1, 2])
  assert.equal(service.openNext(3), '222')
  service.edit(2, { weight: 4 })
  assert.equal(service.openNext(3), '221')
  service.edit(1, { weight: 0 })
  assert.equal(service.openNext(1), '-')
  service.add(3, { weight: 1 })
  assert.equal(service.openNext(3), '33-')
})

test('a threshold below the weight comes first, with its hysteresis', () => {
  const service = new OneService('ovf', [1, 9])
  service.edit(2, { weight: 9, upperThreshold: 2, lowerThreshold: 1 })
  const clients = Array.from({ length: 3 }, () => service.nextClient())
  const choices = clients.map((client) => service.establish(client))
  assert.deepEqual(choices, [2, 2, 1])
  service.reset(clients[0]!)
  service.lab.sleep(11)
  assert.deepEqual(service.counts(2), [1, 0])
  assert.equal(service.openNext(1), '1')
  service.reset(clients[1]!)
  service.lab.sleep(11)
  assert.equal(service.openNext(3), '22-')
})

test('nobody: without servers, and with weights 0 alone', () => {
  assert.equal(new OneService('ovf', []).openNext(1), '-')
  assert.equal(new OneService('ovf', [0, 0]).openNext(2), '--')
})
