import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'

test('the server added last comes first, and each in turn', () => {
  assert.equal(new OneService('rr', [1, 1, 1]).openNext(7), '3213213')
})

test('weights do not count, but weight 0 takes nothing', () => {
  assert.equal(new OneService('rr', [7, 0, 1]).openNext(4), '3131')
})

test('nobody: without servers, and with weights 0 alone', () => {
  assert.equal(new OneService('rr', []).openNext(1), '-')
  assert.equal(new OneService('rr', [0, 0]).openNext(2), '--')
})

test('one server gets all', () => {
  assert.equal(new OneService('rr', [1]).openNext(3), '111')
})

test('an overloaded server is passed over until it is not any more', () => {
  const service = new OneService('rr', [1, 1])
  service.edit(2, { upperThreshold: 1 })
  assert.equal(service.openNext(4), '2111')
  service.edit(2, { upperThreshold: 5 })
  assert.equal(service.openNext(2), '21')
})

test('the position survives edits of servers and of the service', () => {
  const service = new OneService('rr', [1, 1, 1])
  assert.equal(service.openNext(1), '3')
  service.edit(1, { weight: 5 })
  assert.equal(service.openNext(1), '2')
  service.editService()
  assert.equal(service.openNext(1), '1')
})

test('a server added in mid-round comes with the next round', () => {
  const service = new OneService('rr', [1, 1, 1])
  assert.equal(service.openNext(2), '32')
  service.add(4)
  assert.equal(service.openNext(5), '14321')
})

test('the round goes on where a server is taken out', () => {
  for (const [removed, next] of [
    [3, '1212'],
    [2, '1313'],
    [1, '3232'],
  ] as const) {
    const service = new OneService('rr', [1, 1, 1])
    assert.equal(service.openNext(2), '32')
    service.remove(removed)
    assert.equal(service.openNext(4), next, `without server ${removed}`)
  }
})

test('another scheduler and back: the round begins anew', () => {
  const service = new OneService('rr', [1, 1, 1])
  assert.equal(service.openNext(1), '3')
  service.editService('lc')
  service.editService('rr')
  assert.equal(service.openNext(2), '32')
})
