import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DaemonStatus } from '../../control/protocol.ts'
import { formatStatus } from './status.ts'

const STATUS: DaemonStatus = {
  version: '1.2.3',
  pid: 42,
  engine: 'v8',
  uptimeS: 3 * 3600 + 125,
  interfaces: [{ name: 'eth0', how: 'ring', mac: '02:00:00:00:00:01' }],
  services: 2,
  servers: 5,
  connections: 7,
  connectionsMax: 1000,
  localities: 0,
  localitiesMax: 65536,
  reasons: { toServer: 1200, noService: 3 },
  engineCounters: {},
  synchronisation: {},
}

test('everything there is, and nothing of what is not in use', () => {
  const text = [
    'sluice 1.2.3, process 42, engine v8, up 3 h 2 min',
    '',
    'interface    eth0  02:00:00:00:00:01  ring',
    'services     2, with 5 real servers',
    'connections  7 of 1000',
    '',
    'frames, by what became of them',
    '  1200  toServer',
    '     3  noService',
    'engine',
    '  none',
    '',
  ]
  assert.equal(formatStatus(STATUS), text.join('\n'))
})

test('destinations that are remembered', () => {
  const line = formatStatus({ ...STATUS, localities: 12 }).split('\n')[5]
  assert.equal(line, 'localities   12 of 65536: destinations that lblc and lblcr remember')
})

test('connection synchronisation, while it runs', () => {
  const text = formatStatus({
    ...STATUS,
    synchronisation: { messagesSent: 3, connectionsSent: 40 },
  })
  const lines = ['connection synchronisation', '   3  messagesSent', '  40  connectionsSent', '']
  assert.ok(text.endsWith(lines.join('\n')), text)
})
