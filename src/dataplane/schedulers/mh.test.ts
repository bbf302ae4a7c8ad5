import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'
import { buildMh, MH_SLOTS, type MhServer } from './mh.ts'

const FALLBACK = 1
const PORT = 2
const CLIENTS = Array.from({ length: 60 }, (_, i) => `172.16.3.${i}`)

/** Who gets each client, by its connection from `port`. */
function mapOf(service: OneService, port: number, clients = CLIENTS): (number | null)[] {
  return clients.map((client) => service.open(`${client}:${port}`))
}

test('a client stays with its server, from whatever port', () => {
  const service = new OneService('mh', [1, 2, 1])
  const map = mapOf(service, 1024)
  assert.deepEqual(new Set(map), new Set([1, 2, 3]))
  assert.deepEqual(mapOf(service, 1025), map)
})

test('with mh-port the port counts', () => {
  const service = new OneService('mh', [1, 1, 1], { flags: PORT })
  const choices = Array.from({ length: 60 }, (_, i) => service.open(`172.16.3.1:${1024 + i}`))
  assert.deepEqual(new Set(choices), new Set([1, 2, 3]))
})

test('a server that drains or has too much to do keeps its slots: its clients are refused', () => {
  for (const settings of [{ weight: 0 }, { upperThreshold: 1 }]) {
    const service = new OneService('mh', [1, 1, 1])
    const map = mapOf(service, 1024)
    service.edit(2, settings)
    const wanted = map.map((server) => (server === 2 ? null : server))
    assert.deepEqual(mapOf(service, 1025), wanted, JSON.stringify(settings))
    service.edit(2, {})
    assert.deepEqual(mapOf(service, 1026), map)
  }
})

test('with mh-fallback they get another, and nobody else notices', () => {
  const service = new OneService('mh', [1, 1, 1], { flags: FALLBACK })
  const map = mapOf(service, 1024)
  service.edit(2, { weight: 0 })
  const after = mapOf(service, 1025)
  const moved = after.filter((_, i) => map[i] === 2)
  assert.deepEqual(new Set(moved), new Set([1, 3]))
  assert.deepEqual(
    after.filter((_, i) => map[i] !== 2),
    map.filter((server) => server !== 2),
  )
})

test('nobody: without servers, and where none ever had weight, whatever the flags', () => {
  for (const flags of [0, FALLBACK, PORT, FALLBACK | PORT]) {
    assert.equal(new OneService('mh', [], { flags }).openNext(1), '-')
    assert.equal(new OneService('mh', [0, 0], { flags }).openNext(2), '--')
  }
})

function mhServers(weights: readonly number[]): MhServer[] {
  return weights.map((lastWeight, i) => ({ fold: 0xc0a80a0b + i, port: 80, lastWeight }))
}

/** Slots of each position in the list. */
function sharesOf(slots: Uint32Array, servers: number): number[] {
  return Array.from({ length: servers }, (_, i) => slots.filter((slot) => slot === i + 1).length)
}

test('every slot is taken, and equal servers have equal shares', () => {
  const shares = sharesOf(buildMh(mhServers([1, 1, 1, 1, 1])), 5)
  assert.equal(
    shares.reduce((sum, share) => sum + share, 0),
    MH_SLOTS,
  )
  assert.ok(Math.max(...shares) - Math.min(...shares) <= 1, `${shares}`)
})

test('shares follow the weights', () => {
  const [one, two, five, none] = sharesOf(buildMh(mhServers([10, 20, 50, 0])), 4)
  assert.ok(Math.abs(one! - MH_SLOTS / 8) <= 1, `${one}`)
  assert.ok(Math.abs(two! - MH_SLOTS / 4) <= 2, `${two}`)
  assert.ok(Math.abs(five! - (MH_SLOTS * 5) / 8) <= 5, `${five}`)
  assert.equal(none, 0)
})

test('weights further apart than 64 to 1 are evened out', () => {
  const [light, heavy] = sharesOf(buildMh(mhServers([1, 1_000_000])), 2)
  assert.ok(light! >= MH_SLOTS / 65 && heavy! > 30 * light!, `${light} ${heavy}`)
})

test('the order in which servers were added does not matter', () => {
  const servers = mhServers([1, 1, 1, 1, 1])
  const slots = buildMh(servers)
  const reversed = buildMh([...servers].reverse())
  const same = slots.filter((slot, i) => slot === 6 - reversed[i]!).length
  assert.ok(same > MH_SLOTS * 0.9, `${same}`)
})

test('without one of five servers few slots of the others change', () => {
  const servers = mhServers([1, 1, 1, 1, 1])
  const before = buildMh(servers)
  const after = buildMh(servers.slice(0, 4))
  const lost = before.filter((slot) => slot === 5).length
  const changed = before.filter((slot, i) => slot !== after[i]).length
  assert.ok(changed - lost < MH_SLOTS * 0.1, `${changed} changed, ${lost} had to`)
})
