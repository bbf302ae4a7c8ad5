/** A connection goes on at another director, whatever it is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { show } from '../../../tests/goldens/departed-text.ts'
import {
  ack,
  WEB,
  CLIENT,
  type Servers,
  laboratory,
  ONE,
  TWO,
  establish,
  answerFrame,
  scan,
  learn,
  listed,
  counts,
  setSwitches,
} from '../../../tests/director/two-directors.ts'
import { tcpFrame } from '../../wire/flow.ts'
import { SyncFlag } from '../../wire/sync-message.ts'
import type { ServerKey, ServerSettings, ServiceKey } from '../model.ts'
import { SyncLearner } from './learner.ts'
import { SyncScan } from './scan.ts'

const TUNNEL: Partial<ServerSettings> = { forwarding: 'tunnel' }
/** Service, server, the same client, and the server's end where it answers through the director. */
const KINDS: readonly [string, Servers, string, string, string][] = [
  ['NAT', ONE, CLIENT, '10.0.0.100:80', '192.168.10.11:8080'],
  [
    'direct routing',
    { service: WEB, servers: [['192.168.10.11', 80, { forwarding: 'direct' }]] },
    ...([CLIENT, '10.0.0.100:80', ''] as const),
  ],
  [
    'a tunnel',
    { service: WEB, servers: [['192.168.10.11', 80, TUNNEL]] },
    ...([CLIENT, '10.0.0.100:80', ''] as const),
  ],
  [
    'IPv6 NAT',
    {
      service: { protocol: 'tcp', address: '2001:db8:a::100', port: 80 },
      servers: [['2001:db8:b::11', 8080]],
    },
    ...(['[2001:db8:a::10]:40000', '[2001:db8:a::100]:80', '[2001:db8:b::11]:8080'] as const),
  ],
  [
    'port 0',
    {
      service: { ...WEB, port: 0 },
      settings: { persistenceTimeoutS: 60 },
      servers: [['192.168.10.11', 0]],
    },
    ...([CLIENT, '10.0.0.100:4444', '192.168.10.11:4444'] as const),
  ],
  [
    'a range of ports',
    { service: { ...WEB, port: 8000, lastPort: 8100 }, servers: [['192.168.10.11', 8000]] },
    ...([CLIENT, '10.0.0.100:8050', '192.168.10.11:8050'] as const),
  ],
]

for (const [what, services, client, virtual, server] of KINDS) {
  test(`a connection goes on at the other director: ${what}`, () => {
    const [one, other] = [laboratory(services), laboratory(services)]
    other.use()
    const learner = new SyncLearner(other.director)
    one.use()
    establish(one, client, virtual, server)
    const records = scan(one, new SyncScan())
    learn(other, learner, records)
    assert.deepEqual(listed(other), listed(one))
    assert.deepEqual(counts(other, services.service), counts(one, services.service))
    const request = tcpFrame(client, virtual, { flags: ack, data: 'GET' })
    const [here, there] = [one, other].map((lab) => lab.send('client', request))
    assert.equal(here!.departed.length, 1)
    assert.deepEqual(there!.departed.map(show), here!.departed.map(show))
    if (server === '') return
    const answer = answerFrame(server, client, ack, '200')
    const [from, back] = [one, other].map((lab) => lab.send('server', answer))
    assert.equal(from!.departed.length, 1)
    assert.deepEqual(back!.departed.map(show), from!.departed.map(show))
  })
}

test('a template keeps its client at the other director, and with sync_persist_mode is told alone', () => {
  const services: Servers = { ...TWO, settings: { persistenceTimeoutS: 300 } }
  const [one, other] = [laboratory(services), laboratory(services)]
  const learner = new SyncLearner(other.director)
  setSwitches(one, { sync_persist_mode: 1 })
  establish(one)
  const records = scan(one, new SyncScan())
  assert.deepEqual(
    records.map(({ flags }) => flags & SyncFlag.template),
    [SyncFlag.template],
  )
  learn(other, learner, records)
  const [template] = listed(other)
  assert.equal(listed(other).length, 1)
  // Whoever would be next in turn: the client stays.
  for (let port = 40001; port < 40005; port++) establish(other, `10.0.0.10:${port}`)
  const servers = new Set(listed(other).map(({ server }) => server.address))
  assert.deepEqual(servers, new Set([template!.server.address]))
  assert.equal(
    counts(other)
      .flat()
      .reduce((sum, count) => sum + count, 0),
    5,
  )
  other.sleep(250)
  assert.ok(
    listed(other).some(({ client }) => client.port === 0),
    'each of them made its time begin anew',
  )
})

test('FULLNAT is not told, and not learnt', () => {
  const servers: Servers = {
    service: WEB,
    servers: [['192.168.10.11', 8080, { forwarding: 'fullnat' }]],
  }
  const [one, masquerading] = [laboratory(servers), laboratory(ONE)]
  one.use()
  one.addLocal(WEB, '192.168.10.1')
  establish(one)
  assert.equal(listed(one).length, 1)
  assert.deepEqual(scan(one, new SyncScan()), [])
  masquerading.use()
  establish(masquerading, '10.0.0.10:2', '10.0.0.100:80', '192.168.10.11:8080')
  const records = scan(masquerading, new SyncScan())
  assert.equal(records.length, 1)
  const learner = new SyncLearner(one.director)
  learn(one, learner, records)
  assert.deepEqual([listed(one).length, learner.counts.unknown], [1, 1])
})

function serverText({ address, port }: ServerKey): string {
  return `${address}:${port}`
}

test('firewall marks: connection and template name the mark, and find the service by it', () => {
  const mark: ServiceKey = { firewallMark: 7, family: 4 }
  const services: Servers = {
    service: mark,
    settings: { persistenceTimeoutS: 60 },
    servers: [
      ['192.168.10.11', 0],
      ['192.168.10.12', 0],
    ],
  }
  const rule = {
    mark: 7,
    protocol: null,
    source: null,
    destination: '10.0.0.0/24',
    sourcePorts: null,
    destinationPorts: null,
  }
  const [one, other] = [laboratory(services), laboratory(services)]
  one.use()
  assert.equal(one.director.marks.set([rule]), null)
  establish(one, CLIENT, '10.0.0.77:81')
  const records = scan(one, new SyncScan())
  assert.deepEqual(
    records.map(({ firewallMark }) => firewallMark),
    [7, 7],
  )
  learn(other, new SyncLearner(other.director), records)
  assert.deepEqual(listed(other), listed(one))
  assert.equal(
    new Set(listed(other).map(({ server }) => serverText({ ...server, port: 0 }))).size,
    1,
  )
})
