import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import { ipToWords } from '../base/ip.ts'
import { Sweep } from '../director/sweep.ts'
import { now, setNow, TICKS_PER_SECOND } from '../subset/clock.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { findReply, findRequest, freeLine, insertConnection, unbindLine } from './connection.ts'
import { Flow } from './flow.ts'
import { CONNECTION_LINES, PROBES_MAX } from './limits.ts'
import { Connection, connections, NONE, servers, settings, type Server } from './tables.ts'
import { UDP_TIMEOUT_S } from './timeout.ts'

const TICKS = UDP_TIMEOUT_S * TICKS_PER_SECOND
const VIP = ipToWords('10.0.0.100')[3]
const SERVER = ipToWords('192.168.10.11')[3]
const flow = Flow.local()

/** A laboratory with one UDP service and its NAT server, 192.168.10.11:8080; the server's row. */
function makeLaboratory(lines: number, connectionsMax?: number): Server {
  const lab = new Laboratory({
    capacities: { connections: lines + PROBES_MAX },
    ...(connectionsMax === undefined ? {} : { connectionsMax }),
  })
  const key = { protocol: 'udp', address: '10.0.0.100', port: 80 } as const
  lab.addService(key)
  const server = { address: '192.168.10.11', port: 8080 }
  lab.addServer(key, server, { forwarding: 'masquerade' })
  setSide('destination', '10.0.0.100', 80)
  return servers.row(lab.director.find(key)!.servers[0]!.row)
}

function setSide(side: 'source' | 'destination', ip: string, port: number): void {
  const [word0, word1, word2, word3] = ipToWords(ip)
  flow[`${side}0`] = word0
  flow[`${side}1`] = word1
  flow[`${side}2`] = word2
  flow[`${side}3`] = word3
  flow[`${side}Port`] = port
  flow.protocol = Protocol.udp
}

/** The n-th client, of 1000 ports at each address. */
function setClient(n: number): void {
  flow.source0 = 0
  flow.source1 = 0
  flow.source2 = 0xffff
  flow.source3 = 0x0a000000 + Math.floor(n / 1000)
  flow.sourcePort = 1024 + (n % 1000)
}

/** The flow becomes its server's answer. */
function turnRound(): void {
  flow.destination3 = flow.source3
  flow.destinationPort = flow.sourcePort
  flow.source3 = SERVER
  flow.sourcePort = 8080
}

describe('the table', () => {
  it('has a cache line for each connection', () => assert.equal(Connection.size, 64))

  it('finds what was put in by either side, until it expires', () => {
    const server = makeLaboratory(64)
    setClient(1)
    assert.equal(findRequest(flow), NONE)
    const line = insertConnection(flow, 1, server, TICKS)
    assert.equal(findRequest(flow), line)
    turnRound()
    assert.equal(findReply(flow), line)
    flow.sourcePort = 8081
    assert.equal(findReply(flow), NONE)
    flow.sourcePort = 8080
    setNow(now() + TICKS - 1)
    assert.equal(findReply(flow), line)
    setNow(now() + 1)
    assert.equal(findReply(flow), NONE)
  })

  it('lasts over the clock turning round', () => {
    const server = makeLaboratory(64)
    setNow(0xffffffff)
    setClient(1)
    findRequest(flow)
    const line = insertConnection(flow, 1, server, TICKS)
    setNow(TICKS - 2)
    assert.equal(findRequest(flow), line)
    setNow(TICKS - 1)
    assert.equal(findRequest(flow), NONE)
  })

  it('tells apart flows of which any part differs', () => {
    const server = makeLaboratory(64)
    setClient(1)
    findRequest(flow) // leaves the hash in the flow
    const line = insertConnection(flow, 1, server, TICKS)
    const parts = ['source3', 'destination3', 'source0', 'destination1', 'sourcePort'] as const
    for (const part of [...parts, 'destinationPort', 'protocol'] as const) {
      flow[part] += 1
      assert.equal(findRequest(flow), NONE, part)
      flow[part] -= 1
    }
    assert.equal(findRequest(flow), line)
  })

  it('holds whatever fits near its home, refuses the rest, and gives places back', () => {
    const server = makeLaboratory(64) // all lines are within reach of each home
    const lines = new Set<number>()
    for (let n = 0; n < 64 + PROBES_MAX; n++) {
      setClient(n)
      assert.equal(findRequest(flow), NONE)
      lines.add(insertConnection(flow, 1, server, TICKS))
    }
    const refused = lines.delete(NONE)
    assert.ok(refused && lines.size >= PROBES_MAX, `${lines.size} lines`)
    assert.equal(settings.row(0).connections, lines.size)
    for (const row of lines) {
      const line = connections.row(row)
      assert.ok(unbindLine(line, server))
      assert.ok(!unbindLine(line, server), 'whoever comes second ends nothing')
      freeLine(line, line.owner)
    }
    assert.deepEqual([settings.row(0).connections, server.inactive], [0, 0])
    setClient(0)
    findRequest(flow)
    assert.notEqual(insertConnection(flow, 1, server, TICKS), NONE)
  })
})

it('a million connections: all in, all found from both sides, all swept away', (t) => {
  const MILLION = 1_000_000
  const server = makeLaboratory(CONNECTION_LINES, MILLION)
  const { capacity } = connections.memory
  const bytes = capacity * Connection.size
  t.diagnostic(`${(bytes / 2 ** 20).toFixed(1)} MiB for ${capacity} lines of 64 bytes`)
  assert.equal(bytes, connections.memory.bytes.byteLength)
  let wrong = 0
  for (let n = 0; n < MILLION; n++) {
    setClient(n)
    if (findRequest(flow) !== NONE) wrong++
    if (insertConnection(flow, 1, server, TICKS) === NONE) wrong++
  }
  assert.deepEqual([wrong, settings.row(0).connections, server.inactive], [0, MILLION, MILLION])
  setClient(MILLION)
  findRequest(flow)
  assert.equal(insertConnection(flow, 1, server, TICKS), NONE, 'one more than may be')

  for (let n = 0; n < MILLION; n++) {
    flow.destination3 = VIP
    flow.destinationPort = 80
    setClient(n)
    const line = findRequest(flow)
    if (line === NONE || connections.row(line).clientPort !== flow.sourcePort) wrong++
    turnRound()
    if (findReply(flow) !== line) wrong++
  }
  assert.equal(wrong, 0, 'every request and every answer finds its connection')

  const sweep = new Sweep()
  assert.equal(sweep.run(capacity), 0)
  setNow(now() + TICKS)
  assert.equal(sweep.run(capacity), MILLION)
  assert.deepEqual([settings.row(0).connections, server.inactive], [0, 0])
  let far = 0
  for (let line = 0; line < capacity; line++) far += connections.row(line).reach & 0xff
  assert.equal(far, 0, 'and a search ends at its first line again')
})
