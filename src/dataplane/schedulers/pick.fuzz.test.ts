/**
 * Random edits, packets and pauses, by every scheduler, on a table that soon is full (FUZZ_SEED and FUZZ_STORIES).
 *
 * Whoever gets a flow is in the list, has weight and is not overloaded (lblc's last server may be); and every server's
 * counts are those of the connections that name it, always. That this would be noticed if it were not so is tried, too:
 * with tables that lie to the packet path alone (`DEFECTS`).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkLocalities } from '../../../tests/dataplane/locality-check.ts'
import { DIRECTOR_MAC, Laboratory, type Side } from '../../../tests/goldens/laboratory.ts'
import { Random } from '../../base/random.ts'
import type { ServiceEntry } from '../../director/entries.ts'
import type { ForwardingMethod, ServiceKey } from '../../director/model.ts'
import { tcpFrame, udpFrame } from '../../wire/flow.ts'
import { TcpFlag } from '../../wire/tcp.ts'
import { BUSY, forwardingOf } from '../connection.ts'
import { localRowOf } from '../local-port.ts'
import { PROBES_MAX } from '../limits.ts'
import { flow } from '../main.ts'
import { SchedulerId } from '../schedule.ts'
import { Switch } from '../switch.ts'
import {
  connections,
  Forwarding,
  locals,
  reasons,
  servers,
  services,
  settings,
  Status,
} from '../tables.ts'
import { Reason } from '../verdict.ts'

const SEED = Number(process.env.FUZZ_SEED ?? 20_250_103)
const STORIES = Number(process.env.FUZZ_STORIES ?? 60)
const STEPS = 200

const SCHEDULERS = Object.keys(SchedulerId).filter((name) => name !== 'none')
const LIP = '192.168.10.200'
const FLAGS = [
  TcpFlag.syn,
  TcpFlag.syn,
  TcpFlag.syn,
  TcpFlag.ack,
  TcpFlag.fin | TcpFlag.ack,
  TcpFlag.rst,
]
/** Of a server that could be chosen: what says whether it may be. */
interface Candidate {
  readonly weight: number
  readonly isOverloaded: boolean
}

/** Makes schedulers blind to something, between the moment when candidates are noted and the packet that comes. */
interface Defect {
  readonly what: string
  /** What the property must say. */
  readonly noticed: RegExp
  readonly tamper: (entry: ServiceEntry, stalePool: number) => void
}

const DEFECTS: readonly Defect[] = [
  {
    what: 'schedulers that take weight 0 for weight 1',
    noticed: /has weight 0/,
    tamper: ({ servers: list }) => {
      for (const { row } of list) servers.row(row).weight ||= 1
    },
  },
  {
    what: 'schedulers that do not look at overload',
    noticed: /is overloaded|is full/,
    tamper: ({ servers: list }) => {
      for (const { row } of list) servers.row(row).overloaded = 0
    },
  },
  {
    what: 'a service that keeps the list it had before its last server went',
    noticed: /is not in the list/,
    tamper: ({ row }, stalePool) => {
      if (stalePool !== 0) services.row(row).pool = stalePool
    },
  },
  {
    what: 'a connection that is counted twice',
    noticed: /^row \d+ counts/,
    tamper: ({ servers: list }) => {
      if (list.length > 0) servers.row(list[0]!.row).addInactive(1)
    },
  },
]

class Story {
  readonly #random: Random
  readonly #defect: Defect | undefined
  /** The list of servers before the last removal, 0: there is none. */
  #stalePool = 0
  readonly #lab: Laboratory
  readonly #key: Extract<ServiceKey, { readonly port: number }>
  readonly #forwarding: ForwardingMethod
  readonly #done: string[] = []

  constructor(seed: number, defect?: Defect) {
    const random = new Random(seed)
    this.#random = random
    this.#defect = defect
    const capacities = { connections: 32 + PROBES_MAX, localPorts: 64 + PROBES_MAX }
    this.#lab = new Laboratory({ connectionsMax: 30, capacities })
    this.#key = { protocol: random.pick(['tcp', 'udp']), address: '10.0.0.100', port: 80 }
    this.#forwarding = random.pick(['masquerade', 'direct', 'tunnel', 'fullnat'])
    if (random.below(2) === 0) settings.row(0).switches |= Switch.expireNoDestination
    this.#note(`${this.#key.protocol}, ${this.#forwarding}`)
    this.#openService()
  }

  #note(text: string): void {
    this.#done.push(text)
  }

  #settings() {
    return {
      scheduler: this.#random.pick(SCHEDULERS),
      schedulerFlags: this.#random.below(4),
      persistenceTimeoutS: 0,
      netmask: 0xffffffff,
      onePacket: false,
      persistenceEngine: null,
    }
  }

  #openService(): void {
    const chosen = this.#settings()
    this.#note(`service ${chosen.scheduler} ${chosen.schedulerFlags}`)
    assert.equal(this.#lab.director.addService(this.#key, chosen), null)
    if (this.#forwarding === 'fullnat') this.#lab.addLocal(this.#key, LIP)
  }

  get #entry() {
    return this.#lab.director.find(this.#key)!
  }

  run(): void {
    for (let step = 0; step < STEPS; step++) {
      const what = this.#random.below(20)
      if (what < 2) this.#add()
      else if (what < 4) this.#edit()
      else if (what === 4) this.#remove()
      else if (what === 5) this.#sleep()
      else if (what === 6 && this.#random.below(10) === 0) this.#reopenService()
      else if (what === 7) this.#editService()
      else if (what < 10) this.#answer()
      else this.#ask()
      this.#checkCounts()
      if (step % 20 === 0) checkLocalities(() => this.#story())
    }
  }

  #serverSettings() {
    const random = this.#random
    const upperThreshold = random.below(2) * random.below(5)
    return {
      forwarding: this.#forwarding,
      weight: random.below(4),
      upperThreshold,
      lowerThreshold: upperThreshold === 0 ? 0 : random.below(upperThreshold + 1),
      tunnel: { type: 'ipip', port: 0, checksum: 'none' },
    } as const
  }

  #add(): void {
    const server = { address: `192.168.10.${11 + this.#random.below(6)}`, port: 80 }
    const chosen = this.#serverSettings()
    this.#note(`add ${server.address} ${chosen.weight} ${chosen.upperThreshold}`)
    // Refused if it is there.
    this.#lab.director.addServer(this.#key, server, chosen)
  }

  #edit(): void {
    const { servers } = this.#entry
    if (servers.length === 0) return
    const { key } = this.#random.pick(servers)
    const chosen = this.#serverSettings()
    this.#note(`edit ${key.address} ${chosen.weight} ${chosen.upperThreshold}`)
    assert.equal(this.#lab.director.editServer(this.#key, key, chosen), null)
  }

  #remove(): void {
    const { servers } = this.#entry
    if (servers.length === 0) return
    const { key } = this.#random.pick(servers)
    this.#note(`remove ${key.address}`)
    this.#stalePool = services.row(this.#entry.row).pool
    assert.equal(this.#lab.director.deleteServer(this.#key, key), null)
  }

  #sleep(): void {
    const seconds = this.#random.pick([0.2, 1, 11, 70, 130, 1000])
    this.#note(`sleep ${seconds}`)
    this.#lab.sleep(seconds)
  }

  #reopenService(): void {
    this.#note('delete the service')
    assert.equal(this.#lab.director.deleteService(this.#key), null)
    this.#openService()
  }

  #editService(): void {
    const chosen = this.#settings()
    this.#note(`edit service ${chosen.scheduler} ${chosen.schedulerFlags}`)
    assert.equal(this.#lab.director.editService(this.#key, chosen), null)
  }

  #ask(): void {
    const client = `172.16.0.${this.#random.below(50)}:1024`
    const candidates = this.#candidates()
    const before = settings.row(0).connections
    this.#defect?.tamper(this.#entry, this.#stalePool)
    this.#send('client', client, '10.0.0.100:80', this.#random.pick(FLAGS))
    if (flow.opened === 0) return
    const chosen = candidates.get(flow.server)
    assert.ok(chosen !== undefined, `row ${flow.server} is not in the list: ${this.#story()}`)
    assert.ok(chosen.weight > 0, `row ${flow.server} has weight 0: ${this.#story()}`)
    if (this.#entry.settings.scheduler === 'lblc') return
    // A connection that made room for this one may have been its server's one too many.
    if (settings.row(0).connections === before) return
    assert.ok(!chosen.isOverloaded, `row ${flow.server} is overloaded: ${this.#story()}`)
  }

  #candidates(): Map<number, Candidate> {
    const listed = this.#entry.servers.map(({ row }) => {
      const { weight, overloaded } = servers.row(row)
      return [row, { weight, isOverloaded: overloaded !== 0 }] as const
    })
    return new Map(listed)
  }

  /** Some connection's server answers, as far as its answers pass the director. */
  #answer(): void {
    const rows = liveLines()
    if (rows.length === 0) return
    const line = connections.row(this.#random.pick(rows))
    const from = `192.168.10.${servers.row(line.server).address3 & 0xff}:80`
    const isFullnat = forwardingOf(line) === Forwarding.fullnat
    const to = isFullnat
      ? `192.168.10.${locals.row(localRowOf(line)).address3 & 0xff}:${line.binding >>> 16}`
      : `172.16.0.${line.client3 & 0xff}:${line.clientPort}`
    const flags = this.#random.pick([
      TcpFlag.syn | TcpFlag.ack,
      TcpFlag.ack,
      TcpFlag.fin | TcpFlag.ack,
      TcpFlag.rst,
    ])
    this.#send('server', from, to, flags)
  }

  #send(at: Side, from: string, to: string, flags: number): void {
    this.#note(`${from} > ${to} ${flags}`)
    const over = { destinationMac: DIRECTOR_MAC[at] }
    const isTcp = this.#key.protocol === 'tcp'
    this.#lab.send(at, isTcp ? tcpFrame(from, to, { flags, over }) : udpFrame(from, to, { over }))
  }

  #checkCounts(): void {
    const active = new Map<number, number>()
    const inactive = new Map<number, number>()
    const lines = liveLines()
    for (const row of lines) {
      const { server, status } = connections.row(row)
      const counted = (status & Status.inactive) === 0 ? active : inactive
      counted.set(server, (counted.get(server) ?? 0) + 1)
    }
    assert.equal(settings.row(0).connections, lines.length, this.#story())
    for (let row = 0; row < 40; row++) {
      const server = servers.row(row)
      assert.deepEqual(
        [server.active, server.inactive],
        [active.get(row) ?? 0, inactive.get(row) ?? 0],
        `row ${row} counts otherwise: ${this.#story()}`,
      )
    }
    for (const { row } of this.#entry.servers) {
      const { active, inactive, upperThreshold, overloaded } = servers.row(row)
      const isFull = upperThreshold !== 0 && active + inactive >= upperThreshold
      if (isFull)
        assert.ok(overloaded !== 0, `row ${row} is full, and free for more: ${this.#story()}`)
    }
  }

  #story(): string {
    return this.#done.join('\n')
  }
}

function liveLines(): number[] {
  const rows: number[] = []
  for (let row = 0; row < connections.memory.capacity; row++) {
    const { owner, status } = connections.row(row)
    if (owner > BUSY && (status & Status.ended) === 0) rows.push(row)
  }
  return rows
}

/** What all stories together must have come across: else they prove little. */
const NEEDED = [
  Reason.toServer,
  Reason.toClient,
  Reason.answeredUnreachable,
  Reason.connectionTableFull,
  Reason.serverGone,
]

test(`servers are chosen and counted rightly (seed ${SEED})`, () => {
  const seen = new Set<number>()
  for (let story = 0; story < STORIES; story++) {
    new Story(SEED * 1000 + story).run()
    for (const reason of NEEDED) if (reasons.row(reason).packets > 0) seen.add(reason)
  }
  assert.deepEqual(seen, new Set(NEEDED))
})

for (const defect of DEFECTS) {
  test(`it would be noticed: ${defect.what}`, () => {
    const tellStories = () => {
      for (let story = 0; story < STORIES; story++) new Story(SEED * 1000 + story, defect).run()
    }
    assert.throws(tellStories, { name: 'AssertionError', message: defect.noticed })
  })
}
