import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'
import { setTimeoutS } from '../../director/timeouts.ts'
import { TimeoutRow } from '../timeout.ts'

const A = '10.50.0.1'
const B = '10.50.1.30'

function load(service: OneService, actives: readonly number[]): void {
  actives.forEach((active, i) => (service.serverRow(i + 1).active = active))
}

test('a set grows while its servers have too many and another is idle, and shares the rest', () => {
  assert.equal(new OneService('lblcr', [1, 1, 1]).openNext(15), '332211123123123')
  assert.equal(new OneService('lblcr', [1, 1, 1], { family: 6 }).openNext(9), '332211123')
})

test('each destination has a set of its own', () => {
  const service = new OneService('lblcr', [1, 1, 1])
  load(service, [1, 1, 0])
  assert.equal(service.choose(A), 3)
  load(service, [0, 1, 1])
  assert.deepEqual([service.choose(B), service.choose(A)], [1, 3])
})

test('the least loaded of the set by weight, of equals the one that joined last', () => {
  const service = new OneService('lblcr', [1, 4, 1])
  // Server 3 first, then 2, then 1.
  assert.equal(service.choose(A), 3)
  load(service, [0, 0, 9])
  assert.equal(service.choose(A), 2)
  load(service, [0, 9, 9])
  assert.equal(service.choose(A), 1)
  load(service, [2, 8, 2])
  assert.equal(service.choose(A), 1)
  load(service, [3, 8, 2])
  assert.equal(service.choose(A), 2)
  load(service, [3, 9, 2])
  assert.equal(service.choose(A), 3)
  load(service, [3, 7, 2])
  assert.equal(service.choose(A), 2)
})

test('overloaded, drained and removed servers stay in the set and get nothing', () => {
  const service = new OneService('lblcr', [1, 1])
  assert.equal(service.choose(A), 2)
  service.edit(2, { upperThreshold: 1 })
  service.openNext(1)
  assert.ok(service.isOverloaded(2))
  assert.equal(service.choose(A), 1)
  service.edit(2, {})
  load(service, [1, 0])
  assert.equal(service.choose(A), 2)
  service.edit(2, { weight: 0 })
  assert.equal(service.choose(A), 1)
  service.edit(2, {})
  load(service, [1, 1])
  service.remove(2)
  assert.equal(service.choose(A), 1)
  service.add(2)
  load(service, [1, 0])
  assert.equal(service.choose(A), 2)
})

test('a set that does not change for lblcr_expiration loses its most loaded server, one at a time', () => {
  const service = new OneService('lblcr', [1, 1, 1])
  setTimeoutS(TimeoutRow.lblcr, 60)
  service.openNext(6)
  load(service, [5, 4, 6])
  service.lab.sleep(60)
  assert.equal(service.choose('10.0.0.100'), 2)
  load(service, [5, 6, 4])
  assert.equal(service.choose('10.0.0.100'), 3)
  service.lab.sleep(1)
  // Chosen from the whole set; then server 2 leaves it.
  assert.equal(service.choose('10.0.0.100'), 3)
  load(service, [5, 3, 4])
  service.lab.sleep(60)
  assert.equal(service.choose('10.0.0.100'), 3)
  service.lab.sleep(1)
  assert.equal(service.choose('10.0.0.100'), 3)
  // The last one stays.
  load(service, [0, 0, 1])
  service.lab.sleep(100)
  assert.equal(service.choose('10.0.0.100'), 3)
  service.lab.sleep(100)
  assert.equal(service.choose('10.0.0.100'), 3)
  // Who joins again is the first of the set.
  load(service, [0, 1, 2])
  assert.equal(service.choose('10.0.0.100'), 1)
  load(service, [2, 1, 2])
  assert.equal(service.choose('10.0.0.100'), 1)
})

test('nobody: without servers, and with weights 0 alone', () => {
  assert.equal(new OneService('lblcr', []).openNext(1), '-')
  assert.equal(new OneService('lblcr', [0, 0]).openNext(2), '--')
})
