import { test } from 'node:test'
import assert from 'node:assert/strict'
import { callsOn } from '../../tests/goldens/ipvsadm-program.ts'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import type { ServiceKey, ServiceSettings } from '../director/model.ts'
import type { Steps } from '../director/replace-table.ts'
import { Turns } from './turns.ts'

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Takes longer than a slice. */
function busy(): void {
  const endMs = performance.now() + 3
  while (performance.now() < endMs);
}

test('long work gives the turn away after each slice', async () => {
  const turns = new Turns()
  const log: string[] = []
  function* work(): Steps<string> {
    for (const step of ['a', 'b']) {
      busy()
      log.push(step)
      yield undefined
    }
    return 'done'
  }
  const done = turns.run(work(), async () => {
    log.push('others')
    await nextTurn()
  })
  assert.equal(turns.isBusy, true)
  assert.equal(await done, 'done')
  assert.equal(turns.isBusy, false)
  assert.deepEqual(log, ['a', 'others', 'b', 'others', 'others'])
})

test('one piece of work comes after the other, whatever becomes of the first', async () => {
  const turns = new Turns()
  const log: string[] = []
  function* fail(): Steps<void> {
    log.push('first')
    yield 'rest'
    log.push('fails')
    throw new Error('as it should')
  }
  const first = turns.run(fail(), nextTurn)
  const second = turns.hold(async () => void log.push('second'))
  const free = turns.free().then(() => log.push('free'))
  await assert.rejects(first, /as it should/)
  await Promise.all([second, free])
  assert.deepEqual(log.slice(0, 2), ['first', 'fails'])
  assert.equal(log.includes('second'), true)
})

const SETTINGS: ServiceSettings = {
  scheduler: 'mh',
  schedulerFlags: 0,
  persistenceTimeoutS: 0,
  netmask: 0xffffffff,
  onePacket: false,
  persistenceEngine: null,
}

test('many changes at once do not fill the pool for good, and keep their order', async () => {
  // Room for the tables of a few services, but not for all that are replaced on the way.
  const laboratory = new Laboratory({ capacities: { pool: 1 << 15 } })
  const calls = callsOn(laboratory)
  const service: ServiceKey = { protocol: 'tcp', address: '10.0.0.100', port: 80 }
  const outcomes = [calls['service.add']({ service, settings: SETTINGS })]
  const settings = {
    forwarding: 'direct',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    tunnel: { type: 'ipip', port: 0, checksum: 'none' },
  } as const
  for (let i = 1; i <= 30; i++) {
    const server = { address: `192.168.10.${i}`, port: 80 }
    outcomes.push(calls['server.add']({ service, server, settings }))
    if (i % 2 === 0) outcomes.push(calls['server.delete']({ service, server }))
  }
  await Promise.all(outcomes)
  const left = laboratory.director.find(service)!.servers.map(({ key }) => key.address)
  assert.deepEqual(
    left,
    Array.from({ length: 15 }, (_, i) => `192.168.10.${29 - 2 * i}`),
  )
})

test('a table in the making is forgotten when there are too many, and found by its number only', async () => {
  const calls = callsOn(new Laboratory())
  const { table } = calls['table.begin']()
  assert.throws(() => calls['table.put']({ table: table + 1, changes: [] }), { errno: 'ENOENT' })
  for (let i = 0; i < 3; i++) calls['table.begin']()
  assert.throws(() => calls['table.begin'](), { errno: 'EBUSY' })
  assert.deepEqual(await calls['table.commit']({ table }), [])
  await assert.rejects(calls['table.commit']({ table }), { errno: 'ENOENT' })
  assert.ok(calls['table.begin']().table > table)
})
