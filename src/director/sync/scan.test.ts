/** What a master tells, and when. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Laboratory } from '../../../tests/goldens/laboratory.ts'
import {
  syn,
  ack,
  fin,
  DNS,
  CLIENT,
  type Servers,
  laboratory,
  ONE,
  establish,
  answerFrame,
  scan,
  learn,
  listed,
  counts,
  setSwitches,
  zeros,
} from '../../../tests/director/two-directors.ts'
import { tcpFrame, udpFrame } from '../../wire/flow.ts'
import { SyncFlag } from '../../wire/sync-message.ts'
import type { ServiceKey } from '../model.ts'
import { SyncLearner } from './learner.ts'
import { SyncScan } from './scan.ts'
import type { SysctlName } from '../sysctls.ts'

test('only what changed is told: the states near the end, and nothing of a beginning', () => {
  const one = laboratory(ONE)
  const other = laboratory(ONE)
  const [scanner, learner] = [new SyncScan(), new SyncLearner(other.director)]
  one.send('client', tcpFrame(CLIENT, '10.0.0.100:80', { flags: syn }))
  assert.deepEqual(scan(one, scanner), [], 'SYN_RECV')
  one.send('server', answerFrame('192.168.10.11:8080', CLIENT, syn | ack))
  one.send('client', tcpFrame(CLIENT, '10.0.0.100:80', { flags: ack }))
  const told: [number, number, number][] = []
  const tell = () => {
    const records = scan(one, scanner)
    told.push(
      ...records.map(
        ({ state, flags, timeoutS }) => [state, flags, timeoutS] as [number, number, number],
      ),
    )
    learn(other, learner, records)
  }
  tell()
  tell()
  assert.deepEqual(counts(other), [[1, 0, 0]])
  one.send('client', tcpFrame(CLIENT, '10.0.0.100:80', { flags: fin | ack }))
  tell()
  assert.deepEqual(counts(other), [[0, 1, 0]])
  one.send('server', answerFrame('192.168.10.11:8080', CLIENT, fin | ack))
  tell()
  // As the kernel told it, see tests/packets/sync-messages.txt.
  assert.deepEqual(told, [
    [1, 0, 900],
    [7, SyncFlag.inactive, 60],
    [5, SyncFlag.inactive, 120],
  ])
  assert.deepEqual(listed(other), listed(one))
  assert.deepEqual(learner.counts, { ...zeros(learner), created: 1, updated: 2 })
  // The client comes again with the same port.
  establish(one, CLIENT, '10.0.0.100:80', '192.168.10.11:8080')
  tell()
  assert.deepEqual(counts(other), [[1, 0, 0]])
})

test('UDP is told once there is more than a packet, unless sync_threshold says at once', () => {
  const services: Servers = { service: DNS, servers: [['192.168.10.11', 53]] }
  const ask = (lab: Laboratory) => lab.send('client', udpFrame(CLIENT, '10.0.0.100:53'))
  const [one, other] = [laboratory(services), laboratory(services)]
  const [scanner, learner] = [new SyncScan(), new SyncLearner(other.director)]
  one.use()
  ask(one)
  assert.deepEqual(scan(one, scanner), [])
  one.sleep(1)
  assert.deepEqual(scan(one, scanner), [])
  ask(one)
  const records = scan(one, scanner)
  assert.equal(records.length, 1)
  learn(other, learner, records)
  assert.deepEqual(counts(other, DNS), [[0, 1, 0]])
  const eager = laboratory(services)
  setSwitches(eager, { sync_threshold: 0 })
  ask(eager)
  assert.equal(scan(eager, new SyncScan()).length, 1)
})

test('of calls the connections are told, not the templates', () => {
  const service: ServiceKey = { protocol: 'udp', address: '10.0.0.100', port: 5060 }
  const settings = { persistenceTimeoutS: 60, persistenceEngine: 'sip' }
  const one = laboratory({ service, settings, servers: [['192.168.10.11', 5060]] })
  setSwitches(one, { sync_threshold: 0 })
  const data = 'INVITE sip:b@example.com SIP/2.0\r\nCall-ID: one@x\r\n\r\n'
  assert.equal(one.send('client', udpFrame(CLIENT, '10.0.0.100:5060', { data })).departed.length, 1)
  assert.deepEqual(
    listed(one).map(({ client }) => client.port),
    [0, 40000],
  )
  assert.deepEqual(
    scan(one, new SyncScan()).map(({ flags, clientPort }) => [
      flags & SyncFlag.template,
      clientPort,
    ]),
    [[0, 40000]],
  )
})

test('a walk stops when enough was told, and goes on from there; what can wait gives way', () => {
  const one = laboratory(ONE)
  const scanner = new SyncScan()
  const opened = 60
  for (let port = 1; port <= opened; port++) establish(one, `10.0.0.10:${1000 + port}`)
  const told: number[] = []
  const walk = () => scanner.run(Infinity, 10, ({ clientPort }) => told.push(clientPort))
  one.use()
  for (let i = 0; i < 6; i++) assert.equal(walk(), 10)
  assert.deepEqual(
    [...told].sort((a, b) => a - b),
    Array.from({ length: opened }, (_, i) => 1001 + i),
  )
  assert.equal(walk(), 0)
  one.sleep(100)
  for (let port = 1; port <= opened; port++) {
    one.send('client', tcpFrame(`10.0.0.10:${1000 + port}`, '10.0.0.100:80', { flags: ack }))
  }
  assert.equal(walk(), 5, 'half of it is kept for what is new')
})

test('all is told anew once it is forgotten, from where the walk is', () => {
  const one = laboratory(ONE)
  const scanner = new SyncScan()
  for (let port = 1; port <= 3; port++) establish(one, `10.0.0.10:${port}`)
  assert.equal(scan(one, scanner).length, 3)
  assert.equal(scan(one, scanner).length, 0)
  scanner.forget()
  assert.equal(
    scanner.run(Infinity, 1, () => undefined),
    1,
  )
  assert.equal(scan(one, scanner).length, 2)
  assert.equal(scan(one, scanner).length, 0)
})

test('told again when the end has moved on, as the switches say', () => {
  const cases: [string, Partial<Record<SysctlName, number>>, number[]][] = [
    ['after ten seconds', {}, [10, 20, 30]],
    ['never', { sync_period: 0 }, []],
    ['after sync_refresh_period', { sync_period: 0, sync_refresh_period: 16 }, [16, 32]],
    [
      'and sync_retries times soon',
      { sync_refresh_period: 16, sync_retries: 2 },
      [2, 4, 20, 22, 24],
    ],
  ]
  for (const [what, switches, wanted] of cases) {
    const one = laboratory(ONE)
    const scanner = new SyncScan()
    setSwitches(one, switches)
    establish(one)
    assert.equal(scan(one, scanner).length, 1)
    const told: number[] = []
    for (let second = 1; second < 33; second++) {
      one.sleep(1)
      one.send('client', tcpFrame(CLIENT, '10.0.0.100:80', { flags: ack }))
      if (scan(one, scanner).length > 0) told.push(second)
    }
    assert.deepEqual(told, wanted, what)
  }
})

test('what was heard is not told back, until our own packets have moved it on', () => {
  const [one, other] = [laboratory(ONE), laboratory(ONE)]
  const learner = new SyncLearner(other.director)
  const echo = new SyncScan((line, end) => learner.isAsLearnt(line, end))
  one.use()
  establish(one, CLIENT, '10.0.0.100:80', '192.168.10.11:8080')
  learn(other, learner, scan(one, new SyncScan()))
  assert.equal(scan(other, new SyncScan()).length, 1, 'a master that begins tells of it')
  assert.deepEqual(scan(other, echo), [])
  other.sleep(1)
  const send = (flags: number) => other.send('client', tcpFrame(CLIENT, '10.0.0.100:80', { flags }))
  send(ack)
  assert.deepEqual(scan(other, echo), [], 'it is known')
  send(fin | ack)
  assert.deepEqual(
    scan(other, echo).map(({ state }) => state),
    [7],
  )
})
