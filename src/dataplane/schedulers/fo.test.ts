import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'

test('the heaviest gets all, of equals the server added last', () => {
  assert.equal(new OneService('fo', [1, 3, 2]).openNext(4), '2222')
  assert.equal(new OneService('fo', [7, 7, 7]).openNext(3), '333')
})

test('with weight 0 or another weight the next is in charge, and back', () => {
  const service = new OneService('fo', [1, 3, 2])
  service.edit(2, { weight: 0 })
  assert.equal(service.openNext(2), '33')
  service.edit(1, { weight: 9 })
  assert.equal(service.openNext(2), '11')
  service.edit(2, { weight: 10 })
  assert.equal(service.openNext(2), '22')
})

test('a server that comes takes over if it is as heavy, one that goes leaves it to the next', () => {
  const service = new OneService('fo', [1, 3])
  service.add(3, { weight: 3 })
  assert.equal(service.openNext(2), '33')
  service.remove(3)
  assert.equal(service.openNext(2), '22')
})

test('the heaviest comes back from overload only below its lower threshold', () => {
  const service = new OneService('fo', [1, 3])
  service.edit(2, { weight: 3, upperThreshold: 4, lowerThreshold: 2 })
  const clients = Array.from({ length: 5 }, () => service.nextClient())
  const choices = clients.map((client) => service.establish(client))
  assert.deepEqual(choices, [2, 2, 2, 2, 1])
  for (const client of clients.slice(0, 2)) service.reset(client)
  service.lab.sleep(11)
  assert.deepEqual(service.counts(2), [2, 0])
  assert.equal(service.openNext(1), '1')
  service.reset(clients[2]!)
  service.lab.sleep(11)
  assert.deepEqual(service.counts(2), [1, 0])
  assert.equal(service.openNext(4), '2221')
})

test('nobody: without servers, and with weights 0 alone', () => {
  assert.equal(new OneService('fo', []).openNext(1), '-')
  assert.equal(new OneService('fo', [0, 0]).openNext(2), '--')
})
