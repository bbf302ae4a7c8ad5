import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONNECTIONS_MAX, PROBES_MAX } from '../dataplane/limits.ts'
import { connections, localPorts } from '../dataplane/tables.ts'
import { capacitiesFor } from './table-sizes.ts'

test('tables grow with the connections wanted, by powers of two', () => {
  assert.deepEqual(capacitiesFor(undefined), {})
  const { capacity } = connections
  assert.deepEqual(capacitiesFor(CONNECTIONS_MAX), {
    connections: capacity,
    localPorts: localPorts.capacity,
  })
  assert.deepEqual(capacitiesFor(1), {
    connections: 4096 + PROBES_MAX,
    localPorts: 4096 + PROBES_MAX,
  })
  assert.equal(capacitiesFor(100_000).connections, (1 << 18) + PROBES_MAX)
  assert.equal(capacitiesFor(1e9).connections, (1 << 22) + PROBES_MAX)
})
