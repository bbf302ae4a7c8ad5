/**
 * Two directors without a network between them: what the scan of one finds, the other learns.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { show } from '../../tests/goldens/departed-text.ts'
import { DIRECTOR_MAC, Laboratory } from '../../tests/goldens/laboratory.ts'
import * as tables from '../dataplane/tables.ts'
import { tcpFrame, udpFrame } from '../wire/flow.ts'
import { SyncFlag, type SyncRecord } from '../wire/sync-message.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { listConnections } from './listing.ts'
import type { ServerKey, ServerSettings, ServiceKey, ServiceSettings } from './model.ts'
import { recount } from './recount.ts'
import { SyncLearner } from './sync-learner.ts'
import { SyncScan } from './sync-scan.ts'
import { setSysctl, type SysctlName } from './sysctls.ts'

const { syn, ack, fin } = TcpFlag
const WEB: ServiceKey = { protocol: 'tcp', address: '10.0.0.100', port: 80 }
const DNS: ServiceKey = { protocol: 'udp', address: '10.0.0.100', port: 53 }
const CLIENT = '10.0.0.10:40000'

interface Servers {
  readonly service: ServiceKey
  readonly settings?: Partial<ServiceSettings>
  readonly servers: readonly (readonly [string, number, Partial<ServerSettings>?])[]
}

function laboratory(...services: readonly Servers[]): Laboratory {
  const lab = new Laboratory()
  for (const { service, settings, servers } of services) {
    lab.addService(service, 'rr', settings)
    for (const [address, port, how] of servers) {
      lab.addServer(service, { address, port }, { forwarding: 'masquerade', ...how })
    }
  }
  return lab
}

const ONE: Servers = { service: WEB, servers: [['192.168.10.11', 8080]] }
const TWO: Servers = { service: WEB, servers: [...ONE.servers, ['192.168.10.12', 8080]] }

/** Client's SYN, server's answer (with masquerading), client's ACK. */
function establish(lab: Laboratory, client = CLIENT, virtual = '10.0.0.100:80', server = ''): void {
  lab.send('client', tcpFrame(client, virtual, { flags: syn }))
  if (server !== '') lab.send('server', answerFrame(server, client, syn | ack))
  lab.send('client', tcpFrame(client, virtual, { flags: ack }))
}

/** A segment of a real server's. */
function answerFrame(from: string, to: string, flags: number, data = ''): Uint8Array {
  return tcpFrame(from, to, { flags, data, over: { destinationMac: DIRECTOR_MAC.server } })
}

/** Everything that the scan has to tell now. */
function scan(lab: Laboratory, of: SyncScan): SyncRecord[] {
  lab.use()
  const records: SyncRecord[] = []
  of.run(Infinity, Infinity, (record) => records.push(record))
  return records
}

function learn(lab: Laboratory, learner: SyncLearner, records: readonly SyncRecord[]): void {
  lab.use()
  for (const record of records) learner.take(record)
}

function listed(lab: Laboratory) {
  lab.use()
  const all = [...listConnections()].map(({ expiresS, ...rest }) => ({ ...rest, expiresS }))
  return all.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

/** Connections of the service's servers, most recently added first: active, inactive, persistent. */
function counts(lab: Laboratory, service: ServiceKey = WEB): number[][] {
  lab.use()
  assert.equal(
    recount(() => undefined),
    0,
    'every count is right',
  )
  return lab.director.find(service)!.servers.map(({ row }) => {
    const { active, inactive, persistent } = tables.servers.row(row)
    return [active, inactive, persistent]
  })
}

function setSwitches(lab: Laboratory, values: Partial<Record<SysctlName, number>>): void {
  lab.use()
  for (const [name, value] of Object.entries(values)) assert.equal(setSysctl(name, value), null)
}

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

function zeros(learner: SyncLearner): SyncLearner['counts'] {
  return Object.fromEntries(Object.keys(learner.counts).map((key) => [key, 0])) as never
}

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
  // Who comes to a server is forwarded by that server's method.
  assert.equal(
    other.send('client', tcpFrame('10.0.0.10:3', '10.0.0.100:80', { flags: ack })).departed.length,
    1,
  )
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
