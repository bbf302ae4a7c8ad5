import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'
import { LOCALITIES_PER_SERVICE_MAX } from '../limits.ts'
import { services, settings } from '../tables.ts'

const A = '10.50.0.1'
const B = '10.50.1.30'
const C = '10.50.2.59'

/** Active connections of servers 1, 2, … */
function load(service: OneService, actives: readonly number[]): void {
  actives.forEach((active, i) => (service.serverRow(i + 1).active = active))
}

test('a new destination goes where wlc says, and stays there', () => {
  const service = new OneService('lblc', [1, 1, 1])
  load(service, [1, 1, 0])
  assert.equal(service.choose(A), 3)
  load(service, [0, 1, 1])
  assert.deepEqual([service.choose(B), service.choose(A)], [1, 3])
  assert.equal(settings.row(0).localities, 2)
})

test('connections to one address stay together until its server has too many', () => {
  // At two active connections, of weight 1, it is too busy: others have none, which is less than 1 / 2.
  assert.equal(new OneService('lblc', [1, 1, 1]).openNext(9), '332211111')
  assert.equal(new OneService('lblc', [1, 1, 1], { family: 6 }).openNext(9), '332211111')
})

test('a busy server keeps it while nobody has less than half of his weight', () => {
  const service = new OneService('lblc', [4, 4])
  load(service, [4, 0])
  assert.equal(service.choose(A), 2)
  load(service, [2, 50])
  assert.equal(service.choose(A), 2)
  load(service, [1, 50])
  assert.equal(service.choose(A), 1)
  load(service, [4, 0])
  assert.equal(service.choose(A), 1)
})

test('one that is overloaded keeps it; with weight 0 or removed it does not', () => {
  const service = new OneService('lblc', [1, 1])
  assert.equal(service.choose(A), 2)
  service.edit(2, { upperThreshold: 1 })
  service.openNext(1)
  assert.ok(service.isOverloaded(2))
  assert.deepEqual([service.choose(A), service.choose(B)], [2, 1])
  service.edit(2, { weight: 0 })
  assert.equal(service.choose(A), 1)
  service.edit(2, {})
  assert.equal(service.choose(A), 1)
  service.remove(1)
  assert.equal(service.choose(A), 2)
})

test('a removed server that comes back while connections name it has its destinations again', () => {
  const service = new OneService('lblc', [1, 1])
  load(service, [1, 0])
  assert.deepEqual([service.choose(A), service.choose(B)], [2, 2])
  load(service, [0, 1])
  service.remove(2)
  assert.equal(service.choose(A), 1)
  service.add(2)
  assert.deepEqual([service.choose(A), service.choose(B)], [1, 2])
})

test('a row that another server gets has no destinations', () => {
  const service = new OneService('lblc', [1, 1])
  const rows = () => service.lab.director.find(service.key)!.servers.map(({ row }) => row)
  const [row] = rows()
  assert.equal(service.choose(A), 2)
  service.remove(2)
  for (let i = 0; i < 4; i++) service.lab.sleep(300)
  service.add(3)
  assert.equal(rows()[0], row)
  service.serverRow(3).active = 1
  assert.equal(service.choose(A), 1)
})

test('another scheduler and back: all is forgotten', () => {
  const service = new OneService('lblc', [1, 1])
  assert.equal(service.choose(A), 2)
  service.editService('rr')
  service.editService('lblc')
  load(service, [0, 1])
  assert.equal(service.choose(A), 1)
  service.editService()
  load(service, [1, 0])
  assert.equal(service.choose(A), 1)
  service.lab.sleep(1)
  assert.equal(settings.row(0).localities, 1)
})

test('with no more room a destination goes where wlc says every time', () => {
  const service = new OneService('lblc', [1, 1])
  assert.equal(service.choose(A), 2)
  const row = services.row(service.lab.director.find(service.key)!.row)
  row.localities = LOCALITIES_PER_SERVICE_MAX
  assert.equal(service.choose(B), 2)
  load(service, [0, 1])
  assert.deepEqual([service.choose(A), service.choose(B), service.choose(C)], [2, 1, 1])
})

test('nobody: without servers, and with weights 0 alone', () => {
  assert.equal(new OneService('lblc', []).openNext(1), '-')
  const service = new OneService('lblc', [1, 0])
  assert.equal(service.choose(A), 1)
  service.edit(1, { weight: 0 })
  assert.equal(service.choose(A), null)
  service.edit(2, { weight: 1 })
  assert.equal(service.choose(A), 2)
})
