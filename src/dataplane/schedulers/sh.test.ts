import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'
import { buildSh, SH_SLOTS } from './sh.ts'

const FALLBACK = 1
const PORT = 2
const CLIENTS = Array.from({ length: 60 }, (_, i) => `172.16.3.${i}`)

/** Who gets each client, by its connection from `port`. */
function mapOf(service: OneService, port: number, clients = CLIENTS): (number | null)[] {
  return clients.map((client) => service.open(`${client}:${port}`))
}

test('a client stays with its server, from whatever port', () => {
  const service = new OneService('sh', [1, 2, 1])
  const map = mapOf(service, 1024)
  assert.deepEqual(new Set(map), new Set([1, 2, 3]))
  assert.deepEqual(mapOf(service, 1025), map)
})

test('an IPv6 client, too', () => {
  const service = new OneService('sh', [1, 1, 1], { family: 6 })
  const clients = CLIENTS.map((_, i) => `[2001:db8:c::${i}]`)
  const map = mapOf(service, 1024, clients)
  assert.deepEqual(new Set(map), new Set([1, 2, 3]))
  assert.deepEqual(mapOf(service, 1025, clients), map)
})

test('with sh-port the port counts', () => {
  const service = new OneService('sh', [1, 1, 1], { flags: PORT })
  const choices = Array.from({ length: 60 }, (_, i) => service.open(`172.16.3.1:${1024 + i}`))
  assert.deepEqual(new Set(choices), new Set([1, 2, 3]))
})

test('a client whose server has weight 0 or too much to do is refused; nobody else notices', () => {
  for (const settings of [{ weight: 0 }, { upperThreshold: 1 }]) {
    const service = new OneService('sh', [1, 1, 1])
    const map = mapOf(service, 1024)
    service.edit(2, settings)
    const wanted = map.map((server) => (server === 2 ? null : server))
    assert.deepEqual(mapOf(service, 1025), wanted, JSON.stringify(settings))
  }
})

test('with sh-fallback it gets another, and always the same', () => {
  for (const settings of [{ weight: 0 }, { upperThreshold: 1 }]) {
    const service = new OneService('sh', [1, 1, 1], { flags: FALLBACK })
    const map = mapOf(service, 1024)
    service.edit(2, settings)
    const after = mapOf(service, 1025)
    assert.ok(after.every((server) => server === 1 || server === 3))
    assert.deepEqual(
      after.filter((_, i) => map[i] !== 2),
      map.filter((server) => server !== 2),
    )
    assert.deepEqual(mapOf(service, 1026), after)
  }
})

test('nobody: without servers, and with weights 0 alone, whatever the flags', () => {
  for (const flags of [0, FALLBACK, PORT, FALLBACK | PORT]) {
    assert.equal(new OneService('sh', [], { flags }).openNext(1), '-')
    assert.equal(new OneService('sh', [0, 0], { flags }).openNext(2), '--')
  }
})

test('what is built: each server as many slots in a row as it has weight, one with weight 0', () => {
  assert.deepEqual([...buildSh([1, 3, 0]).subarray(0, 11)], [1, 2, 2, 2, 3, 1, 2, 2, 2, 3, 1])
  assert.deepEqual(new Set(buildSh([7])), new Set([1]))
  assert.deepEqual(new Set(buildSh([1000, 1])), new Set([1]))
  assert.deepEqual(buildSh([]), new Uint32Array(SH_SLOTS))
})
