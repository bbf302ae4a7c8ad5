/**
 * Clients that never notice: while fifty of them fetch pages through the VIP, the daemon is killed and started again,
 * its programs are replaced, and the service changes under their connections. Every request is counted, none may fail.
 *
 * The first daemon may be of another release, in the folder EARLIER_RELEASE: tools/prove-upgrade.mjs.
 */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { mountedBpfFilesystem } from '../src/kernel/bpf/filesystem.ts'
import { linkInfo } from '../src/kernel/bpf/info.ts'
import { openPinned } from '../src/kernel/bpf/pin.ts'
import { close } from '../src/kernel/ffi.ts'
import { buildMode } from '../src/lab/build-mode.ts'
import { Director, instanceOf } from '../src/lab/director.ts'
import { connectionsIn, failuresIn } from '../src/lab/evidence.ts'
import type { Host } from '../src/lab/host.ts'
import { Lan } from '../src/lab/lan.ts'
import { clearLab, labFolder, labPrefix } from '../src/lab/leftovers.ts'
import {
  ADDED,
  addressOf,
  DRAINED,
  ECHO_PORT,
  FIRST_SERVERS,
  HTTP_PORT,
  modeOf,
  type HostPlan,
} from '../src/lab/modes.ts'
import type { RequestResult } from '../src/lab/request-result.ts'
import { startRealServer } from '../src/lab/real-server.ts'
import { SLOWNESS } from '../src/lab/slowness.ts'
import { Traffic } from '../src/lab/traffic.ts'
import { notRoot } from './kernel/own-network.ts'

const EARLIER = process.env['EARLIER_RELEASE']
/** Fifty clients that fetch pages, and some that exchange datagrams; on a slow machine some of each. */
const LOAD =
  SLOWNESS > 1
    ? { new: 3, kept: 3, udp: 1, pauseMs: 30 }
    : { new: 25, kept: 25, udp: 5, pauseMs: 30 }
const MODE = modeOf('nat')
const NETWORKS = ['net1', 'net2']
const SERVICES = [
  { name: `-t ${MODE.vip}:${HTTP_PORT}`, port: HTTP_PORT },
  { name: `-u ${MODE.vip}:${ECHO_PORT}`, port: ECHO_PORT },
]
const [drained, added] = [MODE.servers[DRAINED]!, MODE.servers[ADDED]!]

describe('clients in the middle of everything', { skip: notRoot }, () => {
  after(() => clearLab())

  for (const attach of ['tc', 'xdp'] as const) {
    it(`lose no request under ${attach}`, async (context) => {
      const lan = new Lan(`${labPrefix()}-${attach}`)
      context.after(() => lan.takeDown())
      const scenario = new Scenario(lan, attach)
      await scenario.begin()
      await scenario.run()
      context.diagnostic(`${scenario.judge()} requests, none failed`)
    })
  }
})

class Scenario {
  readonly #lan: Lan
  readonly #attach: 'tc' | 'xdp'
  readonly #folder: string
  readonly #host: Host
  #starts = 0
  #director!: Director
  #traffic!: Traffic
  /** The kernel's numbers of the programs that ran, by phase. */
  readonly #programs: string[] = []

  constructor(lan: Lan, attach: 'tc' | 'xdp') {
    this.#lan = lan
    this.#attach = attach
    this.#folder = join(labFolder(), attach)
    mkdirSync(this.#folder)
    buildMode(lan, MODE)
    this.#host = lan.host('director')
    if (attach === 'tc') return
    for (const network of NETWORKS) lan.readyForXdp('director', network)
  }

  async begin(): Promise<void> {
    await Promise.all([
      this.#start(),
      ...MODE.servers.map((plan) =>
        startRealServer(this.#lan.host(plan.name), this.#folder, addressOf(plan)),
      ),
    ])
    await this.#change('-A', '-s rr')
    for (const plan of MODE.servers.slice(0, FIRST_SERVERS)) await this.#change('-a', '-m', plan)
    const log = join(this.#folder, 'client.log')
    this.#traffic = Traffic.start(this.#lan.host('client'), MODE.vip, log, LOAD)
  }

  async run(): Promise<void> {
    await this.#see('steady')
    await this.#while('killed', () => this.#director.kill())
    await this.#while('adopted', () => this.#start())
    await this.#while('between two releases', () => this.#end())
    await this.#while('upgraded', () => this.#start())
    await this.#while('edited', () => this.#change('-E', '-s wlc'))
    await this.#while('added', () => this.#change('-a', '-m', added))
    await this.#while('drained', () => this.#change('-e', '-m -w 0', drained))
    await this.#traffic.stop()
  }

  /** How many requests there were. */
  judge(): number {
    const { results } = this.#traffic
    const failures = failuresIn(results)
    assert.deepEqual(
      failures.filter((each) => !isHeldOff(each)),
      [],
    )
    if (failures.length > 0)
      console.log(`${failures.length} datagrams were held off, of ${LOAD.udp} clients`)
    // Each daemon brought programs of its own (for IPv4 alone where that is enough, once things have settled), and
    // those of the one before ran until then.
    const [steady, killed, adopted, between, upgraded, ...later] = this.#programs
    const [first, second, third] = [
      [steady, killed],
      [adopted, between],
      [upgraded, ...later],
    ]
    const daemons = [first, second, third].map((some) => new Set(some))
    const all = new Set(this.#programs)
    assert.equal(
      all.size,
      daemons.reduce((sum, { size }) => sum + size, 0),
    )
    // Least connections: somebody new gets most, not all need to get some.
    assert.ok(!this.#serversIn('edited').has(added.name))
    assert.ok(this.#serversIn('added').has(added.name))
    assert.ok(!this.#serversIn('drained').has(drained.name))
    assert.deepEqual(this.#serversIn('adopted'), this.#serversIn('steady'))
    const kept = results.filter(({ kind }) => kind === 'kept')
    assert.equal(new Set(kept.map(({ connection }) => connection)).size, LOAD.kept)
    return results.length
  }

  async #start(): Promise<void> {
    const folder = this.#directorsFolder(++this.#starts)
    mkdirSync(folder)
    const release = this.#starts === 1 ? EARLIER : undefined
    const options = { attach: this.#attach, more: [], release }
    this.#director = await Director.start(this.#host, NETWORKS, 'kernel', folder, options)
  }

  #directorsFolder(start: number): string {
    return join(this.#folder, `director-${start}`)
  }

  async #end(): Promise<void> {
    assert.ok(await this.#director.stop(), 'the daemon ends when it is asked to')
  }

  /** Both services, or that server of both. */
  async #change(verb: string, more: string, plan?: HostPlan): Promise<void> {
    for (const { name, port } of SERVICES) {
      const server = plan === undefined ? '' : `-r ${addressOf(plan)}:${port} `
      await this.#director.ipvsadm(`${verb} ${name} ${server}${more}`)
    }
  }

  /** Does something while traffic flows; then there is traffic for a while. */
  async #while(phase: string, change: () => Promise<void>): Promise<void> {
    this.#traffic.enter(`not yet ${phase}`)
    await change()
    await this.#see(phase)
  }

  async #see(phase: string): Promise<void> {
    await this.#traffic.run(phase)
    this.#programs.push(programsOf(instanceOf(this.#host)))
    const failures = failuresIn(this.#traffic.results).filter((each) => !isHeldOff(each))
    const said = readFileSync(join(this.#directorsFolder(this.#starts), 'director.log'), 'utf8')
    const first = JSON.stringify(failures[0])
    assert.equal(failures.length, 0, `${phase}: ${first}; the director said:\n${said}`)
  }

  #serversIn(phase: string): Set<string | undefined> {
    const fresh = connectionsIn(this.#traffic.results).filter(
      ({ kind, openedIn }) => kind === 'new' && openedIn === phase,
    )
    return new Set(fresh.map(({ server }) => server))
  }
}

/**
 * While another release's tables are taken over no connection is opened: a client of UDP that never sends again has no
 * answer then.
 */
function isHeldOff({ kind, openedIn }: RequestResult): boolean {
  return EARLIER !== undefined && kind === 'udp' && openedIn === 'not yet adopted'
}

/** Which programs the instance's two links run. */
function programsOf(instance: string): string {
  const folder = join(mountedBpfFilesystem()!, 'sluice', instance)
  const links = readdirSync(folder).filter((name) => /^link_\d+_(tc|xdp|xdp-generic)$/.test(name))
  assert.equal(links.length, 2, links.join())
  const numbers = links.sort().map((name) => {
    const fd = openPinned(join(folder, name), 'link')!
    try {
      return `${name} ${linkInfo(fd).program}`
    } finally {
      close(fd)
    }
  })
  return numbers.join()
}
