/** What a backup makes of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Laboratory } from '../../../tests/goldens/laboratory.ts'
import {
  ack,
  fin,
  WEB,
  CLIENT,
  laboratory,
  ONE,
  TWO,
  establish,
  scan,
  learn,
  listed,
  counts,
  zeros,
} from '../../../tests/director/two-directors.ts'
import { syncMessages } from '../../../tests/packets/sync-messages.ts'
import { tcpFrame } from '../../wire/flow.ts'
import { parseSyncMessage, SyncFlag, type SyncRecord } from '../../wire/sync-message.ts'
import type { ServerKey, ServiceKey } from '../model.ts'
import { SyncLearner } from './learner.ts'
import { SyncScan } from './scan.ts'

test('what our own packets have just said is not overwritten by what the master said before', () => {
  const [one, other] = [laboratory(ONE), laboratory(ONE)]
  const learner = new SyncLearner(other.director)
  one.use()
  establish(one, CLIENT, '10.0.0.100:80', '192.168.10.11:8080')
  const records = scan(one, new SyncScan())
  learn(other, learner, records)
  other.sleep(1)
  other.send('client', tcpFrame(CLIENT, '10.0.0.100:80', { flags: fin | ack }))
  learn(other, learner, records)
  assert.deepEqual(
    listed(other).map(({ state }) => state),
    ['CLOSE_WAIT'],
  )
  assert.equal(learner.counts.older, 1)
  // A while later the master knows better: the client went back to it.
  other.sleep(5)
  learn(other, learner, records)
  assert.deepEqual(
    listed(other).map(({ state }) => state),
    ['ESTABLISHED'],
  )
  assert.deepEqual(counts(other), [[1, 0, 0]])
})

test('who takes a backup over believes the master, though its timeouts are longer than ours', () => {
  const [one, other] = [laboratory(ONE), laboratory(ONE)]
  one.use()
  establish(one, CLIENT, '10.0.0.100:80', '192.168.10.11:8080')
  const [record] = scan(one, new SyncScan())
  learn(other, new SyncLearner(other.director), [{ ...record!, timeoutS: 7200 }])
  const next = new SyncLearner(other.director)
  learn(other, next, [{ ...record!, state: 7, flags: SyncFlag.inactive, timeoutS: 60 }])
  assert.deepEqual(next.counts, { ...zeros(next), updated: 1 })
  assert.deepEqual(counts(other), [[0, 1, 0]])
})

test('a connection that the master has with another server is replaced, but not by its end', () => {
  const [one, other] = [laboratory(TWO), laboratory(TWO)]
  const learner = new SyncLearner(other.director)
  one.use()
  establish(one, CLIENT, '10.0.0.100:80', '192.168.10.12:8080')
  const [record] = scan(one, new SyncScan())
  const moved = { ...record!, server: [0, 0, 0xffff, 0xc0a80a0b] } as const
  learn(other, learner, [record!, { ...moved, flags: SyncFlag.inactive, state: 5 }])
  assert.deepEqual(
    listed(other).map(({ server }) => server.address),
    ['192.168.10.12'],
  )
  learn(other, learner, [moved])
  assert.deepEqual(
    listed(other).map(({ server }) => server.address),
    ['192.168.10.11'],
  )
  assert.deepEqual(counts(other), [
    [0, 0, 0],
    [1, 0, 0],
  ])
})

test('a connection waits for its server, as long as it lasts', () => {
  const one = laboratory(ONE)
  const other = laboratory()
  const learner = new SyncLearner(other.director)
  one.use()
  for (let port = 1; port <= 3; port++) establish(one, `10.0.0.10:${port}`)
  const records = scan(one, new SyncScan())
  learn(other, learner, [...records, { ...records[0]!, timeoutS: 1 }])
  assert.deepEqual([learner.waiting, listed(other).length], [3, 0])
  other.sleep(2)
  other.addService(WEB)
  learner.serversChanged()
  learner.tryWaiting()
  assert.deepEqual([learner.waiting, listed(other).length], [2, 0])
  other.addServer(WEB, { address: '192.168.10.11', port: 8080 }, { forwarding: 'direct' })
  learner.serversChanged()
  learner.tryWaiting()
  assert.deepEqual([learner.waiting, listed(other).length], [0, 2])
  assert.deepEqual(
    listed(other).map(({ expiresS }) => expiresS),
    [898, 898],
    'as long as is left, not from now on',
  )
  // Who comes to a server is forwarded by that server's method.
  assert.equal(
    other.send('client', tcpFrame('10.0.0.10:3', '10.0.0.100:80', { flags: ack })).departed.length,
    1,
  )
})

test('those that wait and whose time is over are forgotten, though no server is added', () => {
  const [one, other] = [laboratory(ONE), laboratory()]
  const learner = new SyncLearner(other.director)
  one.use()
  for (let port = 1; port <= 2; port++) establish(one, `10.0.0.10:${port}`)
  const [first, second] = scan(one, new SyncScan())
  learn(other, learner, [{ ...first!, timeoutS: 1 }, second!])
  learner.tryWaiting()
  assert.equal(learner.waiting, 2)
  other.sleep(61)
  learner.tryWaiting()
  assert.equal(learner.waiting, 1)
})

test('a full table refuses, and says so', () => {
  const one = laboratory(ONE)
  one.use()
  for (let port = 1; port <= 5; port++)
    establish(one, `10.0.0.10:${port}`, '10.0.0.100:80', '192.168.10.11:8080')
  const records = scan(one, new SyncScan())
  const other = new Laboratory({ connectionsMax: 3 })
  other.addService(WEB)
  other.addServer(WEB, { address: '192.168.10.11', port: 8080 }, { forwarding: 'masquerade' })
  const learner = new SyncLearner(other.director)
  learn(other, learner, records)
  assert.deepEqual(counts(other), [[3, 0, 0]])
  assert.deepEqual(learner.counts, { ...zeros(learner), created: 3, tableFull: 2 })
})

test('records that mean nothing here change nothing', () => {
  const other = laboratory(ONE)
  const learner = new SyncLearner(other.director)
  const good: SyncRecord = {
    ...{
      family: 4,
      protocol: 6,
      flags: 0,
      state: 1,
      clientPort: 1,
      virtualPort: 80,
      serverPort: 8080,
    },
    ...{ firewallMark: 0, timeoutS: 900 },
    client: [0, 0, 0xffff, 0x0a00000a],
    virtual: [0, 0, 0xffff, 0x0a000064],
    server: [0, 0, 0xffff, 0xc0a80a0b],
  }
  const template = { ...good, flags: SyncFlag.template, clientPort: 0 }
  const nonsense: SyncRecord[] = [
    { ...good, state: 11 },
    { ...good, protocol: 17 },
    { ...good, protocol: 132, state: 14 },
    { ...good, protocol: 1, state: 0 },
    { ...good, clientPort: 0 },
    { ...template, state: 2 },
    { ...template, state: 0, clientPort: 65535 },
    { ...template, state: 0, protocol: 50 },
    { ...template, state: 0, engine: { name: 'sip', data: Uint8Array.of(1) } },
  ]
  learn(other, learner, nonsense)
  assert.deepEqual(listed(other), [])
  assert.deepEqual(learner.counts, { ...zeros(learner), unknown: nonsense.length })
  learn(other, learner, [
    { ...good, timeoutS: 0xffffffff },
    { ...good, clientPort: 2, timeoutS: 0 },
    { ...template, state: 0, timeoutS: 0 },
  ])
  assert.deepEqual(
    listed(other)
      .map(({ expiresS }) => expiresS)
      .sort((a, b) => a - b),
    [180, 900, 2_678_400],
  )
})

test('those that wait are so many and no more; whose time is over makes room', () => {
  const one = laboratory(ONE)
  const other = laboratory()
  const learner = new SyncLearner(other.director)
  one.use()
  establish(one)
  const [record] = scan(one, new SyncScan())
  const of = (i: number, timeoutS: number): SyncRecord => ({
    ...record!,
    client: [0, 0, 0xffff, 0x0b000000 + i],
    timeoutS,
  })
  const most = 1 << 16
  other.use()
  for (let i = 0; i < most; i++) learner.take(of(i, 10))
  learner.take(of(most, 10))
  assert.deepEqual([learner.waiting, learner.counts.unbound], [most, 1])
  other.sleep(11)
  learner.take(of(most, 10))
  assert.deepEqual([learner.waiting, learner.counts.unbound], [1, 1])
})

/** Those to 10.0.0.100 find no service here, and wait. */
test("what Linux's own master told becomes connections, as Linux has them", () => {
  const at = (port: number, protocol: 'tcp' | 'udp' = 'tcp'): ServiceKey => {
    return { protocol, address: '10.1.0.100', port }
  }
  const persistent = { persistenceTimeoutS: 300 }
  const other = laboratory(
    { service: at(80), servers: [['10.2.0.20', 8080]] },
    { service: at(82), settings: persistent, servers: [['10.2.0.20', 8080]] },
    { service: at(53, 'udp'), servers: [['10.2.0.20', 5353]] },
    { service: { firewallMark: 7, family: 4 }, settings: persistent, servers: [['10.2.0.20', 0]] },
    {
      service: { protocol: 'tcp', address: 'fd00:1::100', port: 80 },
      servers: [['fd00:2::20', 8080]],
    },
  )
  const learner = new SyncLearner(other.director)
  for (const bytes of syncMessages().values()) {
    learn(other, learner, parseSyncMessage(bytes)!.records)
  }
  const end = ({ address, port }: ServerKey) => `${address} ${port}`
  const rows = listed(other).map(({ protocol, state, client, virtual, server, expiresS }) =>
    [protocol, state, end(client), end(virtual), end(server), expiresS].join(', '),
  )
  assert.deepEqual(rows.sort(), [
    'ip, ASSURED, 10.1.0.10 0, 0.0.0.7 0, 10.2.0.20 0, 60',
    'tcp, ESTABLISHED, 10.1.0.10 40082, 10.1.0.100 82, 10.2.0.20 8080, 900',
    'tcp, ESTABLISHED, 10.1.0.10 44444, 10.1.0.100 4444, 10.2.0.20 4444, 900',
    'tcp, ESTABLISHED, fd00:1::10 40080, fd00:1::100 80, fd00:2::20 8080, 900',
    'tcp, NONE, 10.1.0.10 0, 10.1.0.100 82, 10.2.0.20 8080, 300',
    'tcp, TIME_WAIT, 10.1.0.10 40080, 10.1.0.100 80, 10.2.0.20 8080, 120',
    'udp, UDP, 10.1.0.10 45353, 10.1.0.100 53, 10.2.0.20 5353, 300',
  ])
  assert.deepEqual(counts(other, at(80)), [[0, 1, 0]])
  assert.deepEqual(counts(other, at(82)), [[1, 0, 1]])
  assert.deepEqual(learner.counts, { ...zeros(learner), created: 7, updated: 3, waiting: 3 })
})
