/**
 * The director's process: engine, tables, network and control socket, wired together.
 *
 *   control socket ──► calls ──► Director ──► tables ◄── engine ◄── frames
 *                                   │            ▲          ▲
 *                                   └─ claims ───┼──────────┘
 *   rtnetlink ──► NetworkFollower ──► Hops ──────┘
 *
 * All of it runs on one loop, so no change is ever half made when a frame comes.
 */
import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { CallTable } from '../control/call-table.ts'
import { ControlError } from '../control/control-error.ts'
import { ControlServer } from '../control/server.ts'
import { SocketPlace } from '../control/socket-place.ts'
import { adoptTables } from '../director/adopt.ts'
import * as tables from '../dataplane/tables.ts'
import { Director } from '../director/director.ts'
import type { OwnAddress } from '../director/hops/hop-source.ts'
import { Hops } from '../director/hops/hops.ts'
import { initTables } from '../director/init.ts'
import { recount } from '../director/recount.ts'
import type { Engine, EngineLink } from '../engine/engine.ts'
import { KernelError } from '../kernel/errno.ts'
import { FileLock } from '../kernel/file-lock.ts'
import type { Link } from '../kernel/netlink/link.ts'
import { notifyManager } from '../kernel/sd-notify.ts'
import { explainOn } from '../replay/explain.ts'
import { refuseQuestion } from '../replay/probe.ts'
import { directorCalls } from './calls.ts'
import { ClaimKeeper } from './claim-keeper.ts'
import { freePages } from './free-memory.ts'
import { Housekeeping } from './housekeeping.ts'
import { openEngine, type EngineOptions } from './engine-choice.ts'
import { chooseInterfaces } from './interface-choice.ts'
import type { Log } from './log.ts'
import { NetworkFollower } from './network-follower.ts'
import { readStatus } from './status.ts'
import { Synchronisation } from './synchronisation.ts'

export interface DaemonOptions extends EngineOptions {
  readonly socketPath: string
  /** Interfaces to take frames from; none: all that take part in routing. */
  readonly interfaces: readonly string[]
}

/** How often unused next hops of removed servers are let go. */
const KEEP_SERVERS_INTERVAL_MS = 10_000
/** A few at a time. */
const KEEP_MORE_SERVERS_MS = 20

export class DirectorDaemon {
  readonly calls: CallTable
  readonly #options: DaemonOptions
  readonly #log: Log
  readonly #engine: Engine
  readonly #director: Director
  readonly #hops: Hops
  readonly #claims: ClaimKeeper
  readonly #network: NetworkFollower
  readonly #housekeeping: Housekeeping
  readonly #synchronisation: Synchronisation
  readonly #place: SocketPlace
  readonly #startedMs = performance.now()
  #links: readonly Link[] = []
  #control: ControlServer | undefined
  #keepServers: NodeJS.Timeout | undefined
  /** Interfaces that could not be attached, by index: told once. */
  readonly #refused = new Set<number>()

  private constructor(place: SocketPlace, options: DaemonOptions, log: Log) {
    this.#place = place
    this.#options = options
    this.#log = log
    this.#engine = openEngine(
      options,
      {
        onUnresolved: (interfaceIndex, ip) => this.#network.resolve({ interfaceIndex, ip }),
        onProblem: (text) => log('warning', text),
        isIpv4Only: () => this.#director.isIpv4Only,
      },
      log,
    )
    const { tables } = this.#engine
    tables.use()
    const { director, hops } = beginOrAdopt(this.#engine, options)
    this.#director = director
    this.#hops = hops
    this.#claims = new ClaimKeeper(this.#engine, this.#director.claims)
    this.#network = new NetworkFollower(this.#hops, {
      use: () => tables.use(),
      onNetwork: (links, addresses) => this.#takeNetwork(links, addresses),
      onResolved: (index, address) => this.#engine.releaseWaiting(index, address),
      onProblem: (text) => log('warning', text),
    })
    this.#housekeeping = new Housekeeping(this.#director, this.#engine)
    this.#synchronisation = new Synchronisation({
      director,
      use: () => {
        this.#engine.tick()
        tables.use()
      },
      log,
    })
    this.calls = this.#makeCalls()
  }

  /**
   * Takes the control socket's place, before anything that a second daemon could spoil for the first, and opens what
   * the kernel must grant; takes no frame yet. Rejects with ControlError if another daemon has the place, KernelError.
   */
  static async open(options: DaemonOptions, log: Log): Promise<DirectorDaemon> {
    const place = await SocketPlace.take(options.socketPath, (path) => FileLock.take(path))
    try {
      return new DirectorDaemon(place, options, log)
    } catch (error) {
      place.leave()
      throw error
    }
  }

  #makeCalls(): CallTable {
    const { tables } = this.#engine
    const calls = directorCalls({
      director: this.#director,
      use: () => tables.use(),
      applied: () => this.#claims.applied(),
      onServerAdded: (address) => {
        this.#network.addServer(address)
        this.#synchronisation.serversChanged()
      },
      freePages,
      synchronisation: this.#synchronisation,
    })
    return {
      ...calls,
      ...announced(calls, this.#engine),
      status: () => {
        tables.use()
        const uptimeS = (performance.now() - this.#startedMs) / 1000
        return {
          ...readStatus(this.#engine, this.#director, uptimeS),
          synchronisation: this.#synchronisation.counters(),
        }
      },
      explain: async (question) => {
        const refusal = refuseQuestion(question)
        if (refusal !== undefined) throw new ControlError(refusal.errno, refusal.message)
        const paper = await tables.copyGradually(setImmediate)
        return explainOn(paper, tables, question, (index) => this.#nameOf(index))
      },
    }
  }

  /** What an earlier daemon left is gone on with: rules to begin with are none. */
  get isAdopted(): boolean {
    return this.#engine.isAdopted
  }

  /** Learns the network and takes frames; still nobody can ask it anything. Throws KernelError, ControlError. */
  start(): void {
    this.#network.start()
    if (this.#engine.isAdopted) this.#tellAdopted()
    const attached = this.#engine.attached.map(({ name }) => name)
    const missing = this.#options.interfaces.filter((name) => !attached.includes(name))
    for (const name of missing) {
      this.#log('warning', `interface ${name} is not there or not up: it joins when it is`)
    }
    if (attached.length === 0 && missing.length === 0) {
      this.#log('warning', 'no interface with an address is up: none is attached yet')
    }
    this.#engine.beginChange()
    this.#engine.endChange()
    this.#housekeeping.start()
    this.#keepServers = setTimeout(() => this.#forgetServers(), KEEP_SERVERS_INTERVAL_MS)
  }

  #tellAdopted(): void {
    for (const { servers } of this.#director.services.values()) {
      for (const { key } of servers) this.#network.addServer(key.address)
    }
    const { services, servers } = this.#director.counts
    const { connections } = tables.settings.row(0)
    const found = `${services} services, ${servers} real servers, ${connections} connections`
    const whose =
      this.#engine.isTakenOver === true ? 'a daemon of another release' : 'an earlier daemon'
    this.#log('info', `goes on with what ${whose} left: ${found}`)
  }

  /** Answers on the control socket from here on. Rejects with ControlError. */
  async listen(): Promise<void> {
    this.#control = await ControlServer.listen(this.#place, this.calls, {
      onFault: (error) => this.#log('error', `a call failed: ${faultText(error)}`),
    })
  }

  /** Tells the service manager, if one waits. */
  announceReady(): void {
    notifyManager('READY=1')
  }

  get attached(): string {
    const names = this.#engine.attached.map(({ name, how }) => `${name} (${how})`)
    return names.length === 0 ? 'no interface' : names.join(', ')
  }

  #nameOf(index: number): string {
    return this.#links.find((link) => link.index === index)?.name ?? `interface ${index}`
  }

  #takeNetwork(links: readonly Link[], addresses: readonly OwnAddress[]): void {
    this.#links = links
    this.#synchronisation.takeNetwork(links, addresses)
    this.#claims.setOwnAddresses(addresses.map(({ ip }) => ip))
    const reaching = addresses.filter(({ scope }) => scope === 'global')
    const chosen = chooseInterfaces({
      links,
      withAddress: new Set(reaching.map(({ interfaceIndex }) => interfaceIndex)),
      wanted: this.#options.interfaces,
      except: this.#engine.hostDevice,
      mayBeDown: this.#engine.isLasting,
    })
    const next = new Set(chosen.map(({ index }) => index))
    for (const { index, name } of this.#engine.attached) {
      if (next.has(index)) continue
      this.#engine.detach(index)
      this.#hops.setAttached(index, false)
      this.#log('info', `${name}: left to the host`)
    }
    for (const one of chosen) this.#attach(one)
    for (const { index } of links) {
      this.#hops.setTakesXdp(index, this.#engine.takesXdp(index))
      this.#hops.setSendsBack(index, this.#engine.sendsBack(index))
    }
  }

  #attach(one: EngineLink): void {
    const old = this.#engine.attached.find(({ index }) => index === one.index)
    let why: string
    try {
      why = this.#engine.attach(one)
    } catch (error) {
      if (!(error instanceof KernelError)) throw error
      if (!this.#refused.has(one.index)) this.#log('error', `${one.name}: ${error.message}`)
      this.#refused.add(one.index)
      return
    }
    this.#refused.delete(one.index)
    this.#hops.setAttached(one.index, true)
    const { how } = this.#engine.attached.find(({ index }) => index === one.index)!
    if (old?.how === how && old.name === one.name) return
    this.#log('info', `${one.name}: attached by ${how}${why === '' ? '' : ` (${why})`}`)
  }

  #forgetServers(): void {
    this.#engine.tables.use()
    const areMore = this.#hops.keepServers(this.#director.serverAddresses)
    const restMs = areMore ? KEEP_MORE_SERVERS_MS : KEEP_SERVERS_INTERVAL_MS
    this.#keepServers = setTimeout(() => this.#forgetServers(), restMs)
  }

  /**
   * Ends. 'leave': the kernel forwards on, where the engine is in it; 'detach': everything is given back to the host.
   * May be called at any time, twice too.
   */
  async close(ending: 'leave' | 'detach'): Promise<void> {
    clearTimeout(this.#keepServers)
    await this.#control?.close()
    this.#housekeeping.stop()
    this.#synchronisation.close()
    this.#network.stop()
    this.#engine.close(ending)
    this.#place.leave()
  }
}

function beginOrAdopt(
  engine: Engine,
  { connectionsMax }: DaemonOptions,
): { director: Director; hops: Hops } {
  const { isAdopted } = engine
  const wait = () => engine.waitForReaders()
  if (!isAdopted) {
    const hashSeed = randomBytes(4).readUInt32LE(0)
    initTables(connectionsMax === undefined ? { hashSeed } : { hashSeed, connectionsMax })
    return { director: new Director(undefined, wait), hops: Hops.begin() }
  }
  if (connectionsMax !== undefined) tables.settings.row(0).connectionsMax = connectionsMax
  const director = new Director(adoptTables(), wait)
  recount(wait)
  return { director, hops: Hops.adopt() }
}

/** Those calls that may change which addresses are in the tables: the engine hears before and afterwards. */
function announced(calls: ReturnType<typeof directorCalls>, engine: Engine) {
  const announce =
    <P, R>(call: (parameters: P) => R | Promise<R>) =>
    async (parameters: P): Promise<R> => {
      engine.beginChange()
      try {
        return await call(parameters)
      } finally {
        engine.endChange()
      }
    }
  return {
    'service.add': announce(calls['service.add']),
    'server.add': announce(calls['server.add']),
    'local.add': announce(calls['local.add']),
    'service.delete': announce(calls['service.delete']),
    'server.delete': announce(calls['server.delete']),
    'service.flush': announce(calls['service.flush']),
    'table.commit': announce(calls['table.commit']),
  }
}

function faultText(error: unknown): string {
  if (error instanceof ControlError || error instanceof KernelError) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
