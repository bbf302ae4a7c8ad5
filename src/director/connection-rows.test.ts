import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import { connectionOf } from '../control/connection-row.ts'
import { tcpFrame, udpFrame } from '../wire/flow.ts'
import { ConnectionRows } from './connection-rows.ts'
import { listConnections } from './listing.ts'
import type { ConnectionRow } from './model.ts'

it('the rows say what the listing says, of every kind of connection', () => {
  const lab = new Laboratory()
  const server = { address: '192.168.10.11', port: 8080 }
  const kinds = [
    ['10.0.0.100', '10.0.0.10', server, 'masquerade'],
    ['10.0.0.101', '10.0.0.10', server, 'fullnat'],
    [
      '2001:db8:a::100',
      '[2001:db8:a::10]',
      { address: '2001:db8:b::11', port: 8080 },
      'masquerade',
    ],
  ] as const
  for (const protocol of ['tcp', 'udp'] as const) {
    for (const [address, client, real, forwarding] of kinds) {
      const key = { protocol, address, port: 80 }
      lab.addService(key)
      lab.addServer(key, real, { forwarding })
      if (forwarding === 'fullnat') lab.addLocal(key, '192.168.10.1')
      const virtual = address.includes(':') ? `[${address}]:80` : `${address}:80`
      for (const port of [4000, 4001]) {
        const from = `${client}:${port}`
        lab.send(
          'client',
          protocol === 'tcp' ? tcpFrame(from, virtual, { flags: 2 }) : udpFrame(from, virtual),
        )
      }
    }
  }
  const rows = JSON.parse(new ConnectionRows(() => lab.use()).text()) as ConnectionRow[]
  const listed = [...listConnections()]
  assert.equal(listed.length, 12)
  assert.equal(listed.filter(({ local }) => local !== null).length, 4)
  assert.deepEqual(rows.map(connectionOf), listed)
})
