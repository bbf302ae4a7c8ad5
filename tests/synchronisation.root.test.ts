/**
 * Two directors, one the backup of the other: clients keep their connections while the VIPs, and the servers' gateway,
 * move from one to the other. Every request is counted, none may fail.
 *
 *     client ── net1 ──┬── one, then other ── net2 ── nat
 *                      └── dr
 */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { deleteAddress } from '../src/kernel/netlink/address.ts'
import { deleteNeighbour } from '../src/kernel/netlink/neighbour.ts'
import { startCommand } from '../src/lab/commands.ts'
import { Director, type EngineChoice } from '../src/lab/director.ts'
import { failuresIn } from '../src/lab/evidence.ts'
import type { Host } from '../src/lab/host.ts'
import { Lan } from '../src/lab/lan.ts'
import { clearLab, labFolder, labPrefix } from '../src/lab/leftovers.ts'
import { HTTP_PORT } from '../src/lab/modes.ts'
import { startRealServer } from '../src/lab/real-server.ts'
import { Traffic } from '../src/lab/traffic.ts'
import { notRoot } from './kernel/own-network.ts'

/** Clients that keep their connections, for each VIP. */
const KEPT = 20
const LOAD = { new: 0, kept: KEPT, udp: 0, pauseMs: 20 }
/** Requests on each connection before, and after, the VIPs move. */
const REQUESTS = 10
const VIPS = { nat: '10.1.0.100', dr: '10.1.0.101' } as const
const SERVERS = { nat: '10.2.0.11', dr: '10.1.0.12' } as const
/** Of the NAT server. */
const GATEWAY = '10.2.0.1'
const PATIENCE_MS = 60_000

describe('a backup director', { skip: notRoot }, () => {
  after(() => clearLab())

  for (const engine of ['v8', 'kernel'] as const) {
    it(`goes on with the master's connections: ${engine}`, async (context) => {
      const failover = new Failover(engine)
      context.after(() => failover.takeDown())
      await failover.begin()
      await failover.run()
      if (engine === 'kernel') await failover.restart()
    })
  }
})

class Failover {
  readonly #lan: Lan
  readonly #engine: EngineChoice
  readonly #folder: string
  readonly #hosts: Readonly<Record<'client' | 'one' | 'other' | 'nat' | 'dr', Host>>
  #one!: Director
  #other!: Director
  #traffics: readonly Traffic[] = []

  constructor(engine: EngineChoice) {
    this.#engine = engine
    this.#lan = new Lan(`${labPrefix()}-${engine}`)
    this.#folder = join(labFolder(), engine)
    for (const network of ['net1', 'net2']) this.#lan.addNetwork(network)
    const add = (name: string, ...addresses: readonly string[]) => {
      const host = this.#lan.addHost(name)
      for (const ip of addresses) {
        const network = ip.startsWith('10.1.') ? 'net1' : 'net2'
        this.#lan.plug(host, network)
        host.addAddress(network, ip, 24)
      }
      return host
    }
    this.#hosts = {
      client: add('client', '10.1.0.2'),
      one: add('one', '10.1.0.3', '10.2.0.3'),
      other: add('other', '10.1.0.4', '10.2.0.4'),
      nat: add('nat', SERVERS.nat),
      dr: add('dr', SERVERS.dr),
    }
    this.#hosts.nat.setDefaultRoute(GATEWAY)
    this.#give(this.#hosts.one)
  }

  takeDown(): void {
    this.#lan.takeDown()
  }

  #give(host: Host): void {
    for (const vip of Object.values(VIPS)) host.addAddress('net1', vip, 32)
    host.addAddress('net2', GATEWAY, 32)
  }

  /** VIPs and gateway are the other director's from now on, and everybody learns it. */
  #move(from: Host, to: Host): void {
    const { client, nat } = this.#hosts
    const remove = (network: string, ip: string) =>
      deleteAddress(from.socket, { interfaceIndex: from.indexOf(network), ip, bits: 32 })
    for (const vip of Object.values(VIPS)) remove('net1', vip)
    remove('net2', GATEWAY)
    this.#give(to)
    for (const vip of Object.values(VIPS)) {
      deleteNeighbour(client.socket, client.indexOf('net1'), vip)
    }
    deleteNeighbour(nat.socket, nat.indexOf('net2'), GATEWAY)
  }

  async begin(): Promise<void> {
    mkdirSync(this.#folder)
    const { nat, dr } = this.#hosts
    const realserver = ['realserver', '--mode', 'dr', '--vip', VIPS.dr, '--name', dr.namespace]
    const [one, other] = await Promise.all([
      this.#start('one'),
      this.#start('other'),
      startRealServer(nat, this.#folder, SERVERS.nat),
      startCommand(dr, 'sluice', realserver, `${this.#folder}/realserver.log`).then(() =>
        startRealServer(dr, this.#folder, VIPS.dr),
      ),
    ])
    ;[this.#one, this.#other] = [one, other]
    await other.ipvsadm('--start-daemon backup --mcast-interface net2 --syncid 9')
    await one.ipvsadm('--start-daemon master --mcast-interface net2 --syncid 9')
    // The backup is told what there is while connections are there already.
    await configure(one)
    this.#traffics = Object.values(VIPS).map((vip) =>
      Traffic.start(this.#hosts.client, vip, join(this.#folder, `${vip}.log`), LOAD),
    )
  }

  async #start(name: 'one' | 'other', folder: string = name): Promise<Director> {
    const place = join(this.#folder, folder)
    mkdirSync(place)
    const options = { attach: 'tc', more: [] } as const
    return Director.start(this.#hosts[name], ['net1', 'net2'], this.#engine, place, options)
  }

  async run(): Promise<void> {
    await this.#see('before')
    await configure(this.#other)
    await this.#until('the backup knows every connection', async () => {
      const listing = await this.#other.ipvsadm('-L -n -c')
      return listing.split('\n').filter((line) => line.includes('ESTABLISHED')).length === 2 * KEPT
    })
    const counts = (await this.#other.ipvsadm('-L -n')).match(/->.*\d+/g)!
    assert.deepEqual(counts.map(activeAndInactive), [
      [KEPT, 0],
      [KEPT, 0],
    ])
    for (const traffic of this.#traffics) traffic.enter('moving')
    this.#move(this.#hosts.one, this.#hosts.other)
    await this.#see('after')
    await this.#one.kill()
    await this.#see('alone')
    for (const traffic of this.#traffics) {
      await traffic.stop()
      assert.deepEqual(failuresIn(traffic.results), [])
      const connections = new Set(traffic.results.map(({ connection }) => connection))
      assert.equal(connections.size, KEPT, 'nobody had to connect anew')
    }
  }

  /** Daemons that were killed go on where they were, with the kernel engine: the backup hears its master again. */
  async restart(): Promise<void> {
    const before = await this.#other.ipvsadm('-L --daemon')
    assert.match(before, /^backup sync daemon \(mcast=net2, syncid=9, /)
    await this.#other.kill()
    const next = await this.#start('other', 'other-again')
    assert.equal(await next.ipvsadm('-L --daemon'), before)
    this.#one = await this.#start('one', 'one-again')
    assert.match(await this.#one.ipvsadm('-L --daemon'), /^master sync daemon /)
    this.#move(this.#hosts.other, this.#hosts.one)
    await this.#seeNew(next)
    assert.equal(await next.ipvsadm('--stop-daemon backup'), '')
    assert.equal(await next.ipvsadm('-L --daemon'), '')
  }

  /** A connection that is opened through the master comes to be known by this backup. */
  async #seeNew(backup: Director): Promise<void> {
    const clients = async (director: Director) => {
      const listing = await director.ipvsadm('-L -n -c')
      return new Set(listing.match(/(?<=ESTABLISHED +)10\.1\.0\.2:\d+/g))
    }
    const old = await clients(this.#one)
    const log = join(this.#folder, 'new.log')
    // Those of before have their ports again; the one more has its own.
    const load = { ...LOAD, kept: KEPT + 1 }
    const traffic = Traffic.start(this.#hosts.client, VIPS.nat, log, load)
    traffic.enter('again')
    await this.#until('the backup knows the new connection', async () => {
      const opened = [...(await clients(this.#one))].filter((client) => !old.has(client))
      const known = await clients(backup)
      return opened.length === 1 && known.has(opened[0]!)
    })
    await traffic.stop()
    assert.deepEqual(failuresIn(traffic.results), [])
  }

  /** So many requests on each connection in a phase. */
  async #see(phase: string): Promise<void> {
    const seen = this.#traffics.map(({ results }) => results.length)
    for (const traffic of this.#traffics) traffic.enter(phase)
    await this.#until(`requests ${phase}`, () => {
      const failures = this.#traffics.flatMap(({ results }) => failuresIn(results))
      assert.deepEqual(failures, [], `${phase}: ${this.#said('one')}${this.#said('other')}`)
      return this.#traffics.every(({ results }, i) => {
        const counts = new Map<number, number>()
        for (const { connection } of results.slice(seen[i])) {
          counts.set(connection, (counts.get(connection) ?? 0) + 1)
        }
        return [...counts.values()].filter((count) => count >= REQUESTS).length === KEPT
      })
    })
  }

  #said(name: string): string {
    return readFileSync(join(this.#folder, name, 'director.log'), 'utf8')
  }

  async #until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
    const end = performance.now() + PATIENCE_MS
    while (!(await isTrue())) {
      if (performance.now() > end) {
        throw new Error(`not in time: ${what}; ${this.#said('one')}${this.#said('other')}`)
      }
      await sleep(50)
    }
  }
}

async function configure(director: Director): Promise<void> {
  const rules = [
    `-A -t ${VIPS.nat}:${HTTP_PORT} -s rr`,
    `-a -t ${VIPS.nat}:${HTTP_PORT} -r ${SERVERS.nat}:${HTTP_PORT} -m`,
    `-A -t ${VIPS.dr}:${HTTP_PORT} -s rr`,
    `-a -t ${VIPS.dr}:${HTTP_PORT} -r ${SERVERS.dr}:${HTTP_PORT} -g`,
  ]
  await director.ipvsadm('-R', `${rules.join('\n')}\n`)
}

/** '  -> 10.2.0.11:80   Masq    1      20         0'. */
function activeAndInactive(line: string): number[] {
  return line.trim().split(/\s+/).slice(-2).map(Number)
}
