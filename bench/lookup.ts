/**
 * The connection table alone: what finding one of many connections costs, by how many there are.
 *
 * A connection is one line of 64 bytes, and a lookup touches one line, mostly; so the cost grows by one miss where the
 * table does not fit the processor's caches any more. The peer is a `Map` in the same process, keyed by a number made
 * from the client's address and port.
 */
import { Director } from '../src/director/director.ts'
import { initTables } from '../src/director/init.ts'
import { ipToWords } from '../src/base/ip.ts'
import { findReply, findRequest, insertConnection } from '../src/dataplane/connection.ts'
import { Flow } from '../src/dataplane/flow.ts'
import { NONE, servers, TABLES } from '../src/dataplane/tables.ts'
import { setNow } from '../src/subset/clock.ts'
import { allocateTables } from '../src/subset/table.ts'
import { Protocol } from '../src/wire/ip-protocol.ts'
import { measure, printTable } from './parts/measure.ts'

const SIZES = [1_000, 10_000, 100_000, 1_000_000]
const LOOKUPS = 400_000
/** Prime to every size: an order that no cache foresees. */
const STRIDE = 611_953
const TICKS = 1 << 20
const [, , , VIP] = ipToWords('10.0.0.100')
const [, , , SERVER] = ipToWords('192.168.10.11')
const [VIRTUAL_PORT, SERVER_PORT] = [80, 8080]

const flow = Flow.local()

/** `isReply`: comes from the server; else to the VIP. */
function setFlow(client: number, isReply: boolean): void {
  const address = 0x0a400000 + (client >>> 10)
  const port = 1024 + (client & 1023)
  flow.source3 = isReply ? SERVER : address
  flow.sourcePort = isReply ? SERVER_PORT : port
  flow.destination3 = isReply ? address : VIP
  flow.destinationPort = isReply ? port : VIRTUAL_PORT
}

function fill(size: number): void {
  allocateTables(TABLES).use()
  initTables({ hashSeed: 0x5eed })
  setNow(1)
  const director = new Director()
  const key = { protocol: 'udp', address: '10.0.0.100', port: VIRTUAL_PORT } as const
  const tunnel = { type: 'ipip', port: 0, checksum: 'none' } as const
  const service = {
    scheduler: 'rr',
    schedulerFlags: 0,
    persistenceTimeoutS: 0,
    netmask: 0xffffffff,
    onePacket: false,
    persistenceEngine: null,
  }
  const server = {
    forwarding: 'masquerade',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
  } as const
  const address = { address: '192.168.10.11', port: SERVER_PORT }
  const refusal =
    director.addService(key, service) ?? director.addServer(key, address, { ...server, tunnel })
  if (refusal !== null) throw new Error(refusal.message)
  const { row } = director.find(key)!.servers[0]!
  flow.source2 = flow.destination2 = 0xffff
  flow.protocol = Protocol.udp
  for (let client = 0; client < size; client++) {
    setFlow(client, false)
    findRequest(flow)
    if (insertConnection(flow, row, servers.row(row), TICKS) === NONE) throw new Error('full')
  }
}

function keyOf(client: number): number {
  return (0x0a400000 + (client >>> 10)) * 65536 + 1024 + (client & 1023)
}

function measureSize(size: number): number[] {
  fill(size)
  const map = new Map<number, { client: number }>()
  for (let client = 0; client < size; client++) map.set(keyOf(client), { client })
  let at = 0
  const next = () => (at = (at + STRIDE) % size)
  let missed = 0
  let sum = 0
  const each = (step: (client: number) => void) => (count: number) => {
    for (let i = 0; i < count; i++) step(next())
  }
  const find = (isReply: boolean, beyond: number) => (client: number) => {
    setFlow(client + beyond, isReply)
    const found = isReply ? findReply(flow) : findRequest(flow)
    if ((found === NONE) !== beyond > 0) missed++
  }
  const [request, reply, miss, set, peer, empty] = measure(
    [
      { name: 'request', run: each(find(false, 0)) },
      { name: 'reply', run: each(find(true, 0)) },
      { name: 'miss', run: each(find(false, 1 << 24)) },
      { name: 'set', run: each((client) => setFlow(client, false)) },
      { name: 'map', run: each((client) => (sum += map.get(keyOf(client))!.client)) },
      { name: 'empty', run: each((client) => (sum += keyOf(client))) },
    ],
    LOOKUPS,
  )
  if (missed > 0 || sum === 0) throw new Error(`${missed} lookups went wrong`)
  return [request! - set!, reply! - set!, miss! - set!, peer! - empty!]
}

const costs = SIZES.map(measureSize)
const last = costs.at(-1)!
printTable([
  ['connections', 'request, ns', 'reply, ns', 'unknown, ns', 'Map, ns'],
  ...costs.map((row, i) => [SIZES[i]!.toLocaleString('en'), ...row.map((cost) => cost.toFixed(0))]),
  ['1,000,000 against 1,000', ...last.map((cost, i) => `× ${(cost / costs[0]![i]!).toFixed(1)}`)],
])
console.log(
  '\nns for one lookup, in an order that no cache foresees. One core; best of several rounds.',
)
