/**
 * What each scheduler's choice costs in V8, by the number of real servers: the part of a new connection that grows.
 *
 * Loads and weights are drawn; a tenth of the servers has weight 0, and another tenth is overloaded. Every question is
 * another client's and for one of 1024 destinations, which lblc and lblcr know already.
 *
 * The peer is what a TypeScript program would do without our tables: the same servers as objects in an array, looked
 * through for the least (256 × active + inactive) / weight.
 */
import { Random } from '../src/base/random.ts'
import { clearFlow, Flow } from '../src/dataplane/flow.ts'
import { pickServer, SchedulerId } from '../src/dataplane/schedule.ts'
import { NONE, servers, services, TABLES, type Service } from '../src/dataplane/tables.ts'
import { Director } from '../src/director/director.ts'
import { initTables } from '../src/director/init.ts'
import { setNow } from '../src/subset/clock.ts'
import { allocateTables } from '../src/subset/table.ts'
import { measure, printTable } from './parts/measure.ts'

const SERVERS = [10, 100, 1000]
const PICKS = 4000
const DESTINATIONS = 1024
/** sh and mh with both flags, fallback and port. */
const FLAGS = 3
const SEED = 7

interface Plain {
  readonly active: number
  readonly inactive: number
  readonly weight: number
  readonly isOverloaded: boolean
}

const names = Object.keys(SchedulerId).filter((name) => name !== 'none')
const columns = SERVERS.map((count) => measureAll(count))
printTable([
  ['scheduler', ...SERVERS.map((count) => `${count} servers, ns`)],
  ...[...names, 'objects, as wlc'].map((name, i) => [
    name,
    ...columns.map((column) => column[i]!.toFixed(0)),
  ]),
])
console.log('\nns a choice, the best of several rounds, one core.')

function measureAll(count: number): number[] {
  const flow = Flow.local()
  clearFlow(flow)
  flow.family = 4
  const each = names.map((name) => {
    const { memory, service } = furnish(name, count)
    let at = 0
    let chosen = 0
    return {
      name,
      run: (picks: number) => {
        memory.use()
        for (let i = 0; i < picks; i++) {
          at = (at + 1) & 0xfffff
          flow.source3 = 0x0a400000 + at
          flow.sourcePort = 1024 + (at & 0x7fff)
          flow.destination3 = 0x0a320000 + (at & (DESTINATIONS - 1))
          if (pickServer(service, flow) !== NONE) chosen++
        }
        // dh has no way around servers that take nothing.
        if (chosen < picks / 2) throw new Error(`${name} chose ${chosen} times`)
      },
    }
  })
  const plain = plainServers(count)
  let found = 0
  const peer = {
    name: 'objects',
    run: (picks: number) => {
      for (let i = 0; i < picks; i++) found += leastOf(plain)?.weight ?? 0
      if (found === 0) throw new Error('the peer found nobody')
    },
  }
  return measure([...each, peer], PICKS)
}

function plainServers(count: number): Plain[] {
  const random = new Random(SEED)
  return Array.from({ length: count }, () => ({
    weight: random.oneIn(10) ? 0 : 1 + random.below(100),
    active: random.below(20),
    inactive: random.below(1000),
    isOverloaded: random.oneIn(10),
  }))
}

function leastOf(list: readonly Plain[]): Plain | undefined {
  let best: Plain | undefined
  for (const one of list) {
    if (one.weight === 0 || one.isOverloaded) continue
    const isLess =
      best === undefined ||
      (256 * one.active + one.inactive) * best.weight <
        (256 * best.active + best.inactive) * one.weight
    if (isLess) best = one
  }
  return best
}

/** Tables of their own with one service of that scheduler. */
function furnish(scheduler: string, count: number) {
  // Room for all the lists that mh has on the way to a thousand servers.
  const memory = allocateTables(TABLES, { pool: 1 << 23 })
  memory.use()
  initTables({ hashSeed: 0x5eed })
  setNow(1)
  const director = new Director()
  const key = { protocol: 'tcp', address: '10.0.0.100', port: 80 } as const
  const netmask = 0xffffffff
  const rest = { persistenceTimeoutS: 0, netmask, onePacket: false, persistenceEngine: null }
  must(director.addService(key, { scheduler, schedulerFlags: FLAGS, ...rest }))
  const tunnel = { type: 'ipip', port: 0, checksum: 'none' } as const
  plainServers(count).forEach(({ weight }, i) => {
    const server = { address: `10.9.${i >> 8}.${i & 255}`, port: 80 }
    const settings = { forwarding: 'direct', weight, upperThreshold: 0, lowerThreshold: 0 } as const
    must(director.addServer(key, server, { ...settings, tunnel }))
    if (i % 100 === 0) director.reclaim()
  })
  const entry = director.find(key)!
  const plain = plainServers(count)
  // The list begins with the server added last.
  ;[...entry.servers].reverse().forEach(({ row }, i) => {
    const server = servers.row(row)
    const { active, inactive, isOverloaded } = plain[i]!
    server.active = active
    server.inactive = inactive
    server.overloaded = isOverloaded ? 1 : 0
  })
  const service: Service = services.row(entry.row)
  return { memory, service }
}

function must(outcome: unknown): void {
  if (outcome !== null) throw new Error(`refused: ${JSON.stringify(outcome)}`)
}
