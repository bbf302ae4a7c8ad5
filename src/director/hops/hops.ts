/**
 * Next hops: what the host's links, addresses, routes and neighbours mean for the packet path.
 *
 *   links, addresses, routes ── apply ──────► routeNodes, hops, interfaces       all of them, rarely
 *   one neighbour ── changeNeighbour ───────► its rows of hops, neighbourIndex   thousands, each cheap
 *   a real server ── ensureServerHop ───────► the row of its next hop
 *
 * Facts in, rows out; no clock, no socket. It works on the set of tables in use.
 *
 * Cached hops are forgotten (route-generation.ts) when the trie changed, and before a row that was taken back is given
 * to somebody else. A changed MAC address, own address or MTU is written in place. A new row for a neighbour that had
 * none needs nothing: the packet path caches no hop that it did not find.
 */
import { familyOf, ipToWords, wordsToIp } from '../../base/ip.ts'
import { macToParts, ZERO_MAC } from '../../base/mac.ts'
import { Flow } from '../../dataplane/flow.ts'
import { findHop } from '../../dataplane/route.ts'
import { InterfaceFlag, interfaces, NONE } from '../../dataplane/tables.ts'
import { findHops, findInterfaces } from './hop-adoption.ts'
import { HopEntries, type Link } from './hop-entries.ts'
import type { HopEntry, HopKey, Neighbour, NeighbourState } from './hop-entry.ts'
import { HopSources, type OwnAddress } from './hop-source.ts'
import { onLink, selectRoutes, throughHop, writeRoutes, type Route } from './routes.ts'

/** What changed; each list is complete. */
export interface NetworkChange {
  readonly links?: readonly Link[]
  readonly addresses?: readonly OwnAddress[]
  readonly routes?: readonly Route[]
}

/** A neighbour whose hop somebody relies on. */
export interface HopStatus extends HopKey {
  readonly state: NeighbourState
  readonly isResolved: boolean
}

/** Servers let go in one call: a millisecond. */
const RELEASES_A_CALL = 256

/** Which ways lead through which gateway. */
type GatewaysInUse = Map<HopEntry, Set<string>>

export class Hops {
  readonly #entries: HopEntries
  /** Next hop by address of real server, undefined where no route leads. */
  readonly #servers = new Map<string, HopEntry | undefined>()
  readonly #attached = new Set<number>()
  readonly #takingXdp = new Set<number>()
  readonly #sendingBack = new Set<number>()
  readonly #flow = Flow.local()
  #addresses: readonly OwnAddress[] = []
  #routes: readonly Route[] = []
  /** Rows of gateways that an earlier daemon left: the trie names them until it is written anew. */
  #abandoned: readonly number[] = []

  private constructor(entries: HopEntries) {
    this.#entries = entries
  }

  /** Of fresh tables. */
  static begin(): Hops {
    return new Hops(new HopEntries())
  }

  /** Goes on with what an earlier daemon left. Links, addresses, routes and neighbours are to be told all, next. */
  static adopt(): Hops {
    const found = findHops()
    const hops = new Hops(new HopEntries(found))
    hops.#abandoned = found.abandoned
    const links = findInterfaces()
    hops.#entries.links = new Map(links.map((link) => [link.index, link]))
    for (const { index, flags } of links) {
      if ((flags & InterfaceFlag.attached) !== 0) hops.#attached.add(index)
      if ((flags & InterfaceFlag.takesXdp) !== 0) hops.#takingXdp.add(index)
      if ((flags & InterfaceFlag.sendsBack) !== 0) hops.#sendingBack.add(index)
    }
    return hops
  }

  /** Rows of `hops` in use for neighbours. */
  get used(): number {
    return this.#entries.rows.used
  }

  /**
   * Takes over lists of links, addresses and routes, whichever changed, in one go. What could not be done is returned
   * in words, for the log; the rest is done.
   */
  apply(change: NetworkChange): string[] {
    const entries = this.#entries
    if (change.links !== undefined) this.#writeInterfaces(change.links)
    this.#addresses = change.addresses ?? this.#addresses
    if (change.routes !== undefined) this.#routes = selectRoutes(change.routes)
    entries.sources = new HopSources(this.#addresses, this.#routes)
    entries.rewrite()
    const { isChanged, problems } = this.#writeRoutes()
    for (const row of this.#abandoned) entries.rows.free(row)
    this.#abandoned = []
    for (const address of this.#servers.keys()) this.#assignServer(address)
    entries.rows.settle(isChanged)
    return problems
  }

  #writeRoutes(): { isChanged: boolean; problems: string[] } {
    const problems: string[] = []
    const inUse: GatewaysInUse = new Map()
    const { unreachable } = this.#entries.rows
    let withoutRow = 0
    const routes = this.#routes.map((route) => {
      const value = this.#hopOf(route, inUse)
      if (value === undefined) withoutRow++
      return { route, value: value ?? throughHop(unreachable) }
    })
    if (withoutRow > 0) {
      problems.push(`the table of next hops is full: ${withoutRow} routes lead nowhere`)
    }
    const { isChanged, problem } = writeRoutes(routes)
    if (problem !== undefined) problems.push(problem.message)
    for (const entry of this.#entries.list()) {
      for (const id of entry.gatewayUses.keys()) {
        if (inUse.get(entry)?.has(id) !== true) this.#entries.removeGateway(entry, id)
      }
    }
    return { isChanged, problems }
  }

  /** The trie's value for a route; notes the way through its gateway. Undefined: no row is left for that. */
  #hopOf(route: Route, inUse: GatewaysInUse): number | undefined {
    const { rows } = this.#entries
    if (route.kind !== 'forward') {
      return throughHop(route.kind === 'local' ? rows.local : rows.unreachable)
    }
    const { gateway, interfaceIndex } = route.nexthops[0]
    if (!this.#entries.canSendOn(interfaceIndex)) return throughHop(rows.unreachable)
    if (gateway === undefined) return onLink(interfaceIndex)
    const { mtu, preferredSource } = route
    const family = familyOf(route.prefix.ip)
    const id = `${family} ${mtu} ${preferredSource}`
    const entry = this.#entries.ensure({ interfaceIndex, ip: gateway })
    const row =
      entry.gatewayUses.get(id)?.row ??
      this.#entries.addGateway(entry, id, { family, mtu, preferredSource })
    if (row === undefined) {
      this.#entries.sortIn(entry)
      return undefined
    }
    inUse.set(entry, (inUse.get(entry) ?? new Set()).add(id))
    return throughHop(row)
  }

  /** Takes over the whole neighbour table; what is not in it is gone. Those with a new MAC address. */
  applyNeighbours(neighbours: readonly Neighbour[]): HopKey[] {
    const listed = new Set<HopEntry>()
    const resolved = neighbours.filter((neighbour) => {
      listed.add(this.#entries.ensure(neighbour))
      return this.changeNeighbour(neighbour)
    })
    for (const entry of this.#entries.list()) if (!listed.has(entry)) this.removeNeighbour(entry)
    return resolved
  }

  /** Takes over one entry of the neighbour table. True: its MAC address is new, and frames that wait for it may go. */
  changeNeighbour(neighbour: Neighbour): boolean {
    const entry = this.#entries.ensure(neighbour)
    const isNew = entry.update(neighbour)
    if (isNew) this.#entries.write(entry)
    if (entry.mac !== undefined) this.#entries.addRow(entry)
    this.#entries.sortIn(entry)
    this.#entries.rows.settle(false)
    return isNew && entry.mac !== undefined
  }

  /** The kernel has forgotten the neighbour. */
  removeNeighbour(key: HopKey): void {
    const entry = this.#entries.find(key)
    if (entry === undefined) return
    if (entry.update(undefined)) this.#entries.write(entry)
    this.#entries.sortIn(entry)
  }

  /**
   * From now on the next hop of this real server has a row, so that tunnels know their own address and MTU. What must
   * be resolved for it, or undefined: it is resolved, or nothing leads there.
   */
  ensureServerHop(address: string): HopKey | undefined {
    const entry = this.#assignServer(address)
    this.#entries.rows.settle(false)
    return entry === undefined || entry.mac !== undefined ? undefined : keyOf(entry)
  }

  /** No other address than these is a real server's any more. True: there are more to let go, at the next call. */
  keepServers(addresses: { has(address: string): boolean }): boolean {
    let left = RELEASES_A_CALL
    for (const [address, entry] of this.#servers) {
      if (addresses.has(address)) continue
      if (left-- === 0) return true
      this.#servers.delete(address)
      this.#releaseServer(entry)
    }
    return false
  }

  #assignServer(address: string): HopEntry | undefined {
    const old = this.#servers.get(address)
    const entry = this.#nextHopOf(address)
    if (entry !== undefined) {
      entry.servers++
      this.#entries.sortIn(entry)
    }
    this.#servers.set(address, entry)
    this.#releaseServer(old)
    return entry
  }

  #releaseServer(entry: HopEntry | undefined): void {
    if (entry === undefined) return
    entry.servers--
    this.#entries.sortIn(entry)
  }

  /** As the packet path finds it. */
  #nextHopOf(address: string): HopEntry | undefined {
    const flow = this.#flow
    const row = findHop(flow, ...ipToWords(address))
    if (flow.egress === 0) return undefined
    if (row !== NONE) return this.#entries.ofRow(row)
    const ip = wordsToIp(flow.next0, flow.next1, flow.next2, flow.next3)
    const entry = this.#entries.ensure({ interfaceIndex: flow.egress, ip })
    this.#entries.addRow(entry)
    return entry
  }

  /** A frame waits for this neighbour. True: its MAC address is known, the frame may go; else have it resolved. */
  ensureHop(key: HopKey): boolean {
    const entry = this.#entries.find(key)
    if (entry?.mac === undefined) return false
    this.#entries.addRow(entry)
    this.#entries.rows.settle(false)
    return entry.row !== undefined || entry.gatewayUses.size > 0
  }

  /** Next hops of routes and real servers. */
  neededHops(): HopStatus[] {
    return this.#entries
      .list()
      .filter(({ isNeeded }) => isNeeded)
      .map(statusOf)
  }

  /** Whose row of `hops` it is, if any neighbour's. */
  hopOfRow(row: number): HopStatus | undefined {
    const entry = this.#entries.ofRow(row)
    return entry === undefined ? undefined : statusOf(entry)
  }

  /** The row for packets to the neighbour itself. */
  rowOf(key: HopKey): number | undefined {
    return this.#entries.find(key)?.row
  }

  /** Does the engine take frames from this interface? */
  setAttached(interfaceIndex: number, isAttached: boolean): void {
    if (isAttached) this.#attached.add(interfaceIndex)
    else this.#attached.delete(interfaceIndex)
    const link = this.#entries.links.get(interfaceIndex)
    if (link !== undefined) this.#writeInterface(link)
  }

  /** Can frames be sent out by the interface right from XDP? */
  setTakesXdp(interfaceIndex: number, takesXdp: boolean): void {
    if (takesXdp) this.#takingXdp.add(interfaceIndex)
    else this.#takingXdp.delete(interfaceIndex)
    const link = this.#entries.links.get(interfaceIndex)
    if (link !== undefined) this.#writeInterface(link)
  }

  /** Does the interface's driver send back what XDP received there? */
  setSendsBack(interfaceIndex: number, sendsBack: boolean): void {
    if (sendsBack) this.#sendingBack.add(interfaceIndex)
    else this.#sendingBack.delete(interfaceIndex)
    const link = this.#entries.links.get(interfaceIndex)
    if (link !== undefined) this.#writeInterface(link)
  }

  #writeInterface({ index, mac, mtu }: Pick<Link, 'index' | 'mac' | 'mtu'>): void {
    const flags =
      (this.#attached.has(index) ? InterfaceFlag.attached : 0) |
      (this.#takingXdp.has(index) ? InterfaceFlag.takesXdp : 0) |
      (this.#sendingBack.has(index) ? InterfaceFlag.sendsBack : 0)
    writeInterface(index, mac, flags, mtu)
  }

  #writeInterfaces(links: readonly Link[]): void {
    const next = new Map(links.map((link) => [link.index, link]))
    for (const index of this.#entries.links.keys()) {
      if (!next.has(index)) writeInterface(index, undefined, 0)
    }
    for (const link of links) this.#writeInterface(link)
    this.#entries.links = next
  }
}

/**
 * Writes the row of an interface: the MAC address that frames for us carry. Interfaces past the table's end have none;
 * the packet path then takes every unicast frame from them.
 */
export function writeInterface(
  interfaceIndex: number,
  mac: string | undefined,
  flags: number,
  mtu = 0,
): void {
  if (interfaceIndex >= interfaces.memory.capacity) return
  const row = interfaces.row(interfaceIndex)
  const { high, low } = macToParts(mac ?? ZERO_MAC)
  row.macHigh = high
  row.macLow = low
  row.flags = flags
  row.mtu = mtu
}

function keyOf({ interfaceIndex, ip }: HopKey): HopKey {
  return { interfaceIndex, ip }
}

function statusOf(entry: HopEntry): HopStatus {
  return { ...keyOf(entry), state: entry.state, isResolved: entry.mac !== undefined }
}
