import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'

test('an idle server first, whatever its weight; then the shortest delay', () => {
  assert.equal(new OneService('nq', [1, 1, 1]).openNext(7), '3213213')
  assert.equal(new OneService('nq', [1, 3]).openNext(8), '21222221')
})

test('a server is idle that has inactive connections only', () => {
  const service = new OneService('nq', [1, 9])
  const clients = ['172.31.0.1:1024', '172.31.0.2:1024']
  assert.deepEqual(
    clients.map((client) => service.establish(client)),
    [2, 1],
  )
  service.reset(clients[1]!)
  assert.deepEqual(service.counts(1), [0, 1])
  assert.equal(service.openNext(2), '12')
})

test('weight 0 and overload take nothing, even idle', () => {
  const service = new OneService('nq', [1, 0, 1])
  service.edit(3, { upperThreshold: 1 })
  assert.equal(service.openNext(4), '3111')
})

test('the largest weights and counts are compared exactly', () => {
  const service = new OneService('nq', [0x7fffffff, 0x7ffffffe])
  service.serverRow(1).active = 0x7ffffffe
  service.serverRow(2).active = 0x7ffffffd
  assert.equal(service.openNext(1), '2')
  assert.equal(service.openNext(1), '1')
})

test('a server added or freed in the middle is idle, and next', () => {
  const service = new OneService('nq', [5])
  assert.equal(service.openNext(3), '111')
  service.add(2)
  assert.equal(service.openNext(2), '21')
  service.edit(1, { weight: 0 })
  assert.equal(service.openNext(2), '22')
})

test('nobody: without servers, and with weights 0 alone', () => {
  assert.equal(new OneService('nq', []).openNext(1), '-')
  assert.equal(new OneService('nq', [0, 0]).openNext(2), '--')
})
