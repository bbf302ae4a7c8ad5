/**
 * The director's control half: virtual services, real servers, local addresses, written into the tables.
 *
 * Requests in, changed rows out; no clock, no socket. It works on the set of tables in use (`TableSet.use`). Every
 * request either does all it says or refuses and changes nothing.
 *
 * The daemon may be killed between any two writes, and the packet path reads on. So each request has one write that
 * makes it true: `service.pool` for everything about servers and settings, `hashed` in a service's flags for its being
 * there, `service.locals` for local addresses. What must be there before stands before it, what only follows from it
 * behind; adopt.ts makes up for what is missing behind.
 */
import { familyOf } from '../base/ip.ts'
import { Role, ServerFlag, ServiceFlag } from '../dataplane/tables.ts'
import { Switch } from '../dataplane/switch.ts'
import * as tables from '../dataplane/tables.ts'
import { BYPASS_SERVER } from '../dataplane/forward-bypass.ts'
import { SchedulerId } from '../dataplane/schedule.ts'
import { adjustCurrentWeight } from '../dataplane/schedulers/wrr.ts'
import { PoolOffset } from '../dataplane/pool.ts'
import { AddressRoles } from './address-roles.ts'
import { ClaimLog, tunnelEnd } from './claim-log.ts'
import {
  checkOnePacket,
  checkServer,
  checkServerAddress,
  checkServerCount,
  checkServiceKey,
  checkServiceSettings,
  isOfOtherFamily,
  noServer,
  noService,
  refuse,
  serviceFamily,
  serverText,
  serviceText,
} from './check.ts'
import {
  connectionsOf,
  serverId,
  serviceId,
  zeroCounters,
  type ServerEntry,
  type ServiceEntry,
} from './entries.ts'
import { CountedAddresses } from './counted-addresses.ts'
import { Defence } from './defence.ts'
import { destinationsOf, sourcesOf } from './endpoints.ts'
import { Estimator } from './estimator.ts'
import type { WaitForReaders } from './grace.ts'
import { LocalAddresses } from './local-addresses.ts'
import { Localities } from './localities.ts'
import { Marks } from './marks.ts'
import type {
  Refusal,
  ServerKey,
  ServerSettings,
  ServiceKey,
  ServiceSettings,
  SyncRequest,
} from './model.ts'
import { NatServers } from './nat-servers.ts'
import { PoolAllocator } from './pool-allocator.ts'
import { RowAllocator } from './row-allocator.ts'
import { retireServerList, writeServerList } from './server-list.ts'
import {
  beginServerRow,
  forgetPath,
  joinService,
  returnsThroughUs,
  writeServerRow,
} from './server-rows.ts'
import { ServerTrash } from './server-trash.ts'
import { enterService, hasRoomForService, leaveService } from './service-index.ts'
import { beginServiceRow, clearServiceRow, writeServiceRow } from './service-rows.ts'
import { serviceSpec } from './spec.ts'
import { SpecialPorts } from './special-ports.ts'
import { endAllOf } from './sweep.ts'
import { SyncDaemons } from './sync-daemons.ts'

/** A refusal, or null: done. */
export type Outcome = Refusal | null

/** What a director knows: nothing at first, or what adopt.ts found in tables. */
export interface Model {
  readonly services: Map<string, ServiceEntry>
  readonly locals: LocalAddresses
  readonly marks: Marks
  readonly ports: SpecialPorts
  readonly claims: ClaimLog
  readonly roles: AddressRoles
  readonly serviceRows: RowAllocator
  readonly serverRows: RowAllocator
  readonly pool: PoolAllocator
  readonly trash: ServerTrash
  readonly localities: Localities
  /** Of all servers, those among them that only connections name. */
  readonly addresses: CountedAddresses
  /** For the next service. */
  order: number
}

/** The first row is nobody's: BYPASS_SERVER. */
export const FIRST_SERVER_ROW = BYPASS_SERVER + 1

function emptyModel(): Model {
  const [claims, roles] = [new ClaimLog(), new AddressRoles()]
  const serverRows = new RowAllocator(tables.servers.memory.capacity, FIRST_SERVER_ROW)
  const localities = new Localities()
  const addresses = new CountedAddresses()
  const pool = new PoolAllocator(tables.pool.memory.capacity)
  return {
    services: new Map(),
    locals: new LocalAddresses(roles, pool, claims),
    marks: new Marks(pool, roles, claims),
    ports: new SpecialPorts(),
    claims,
    roles,
    serviceRows: new RowAllocator(tables.services.memory.capacity),
    serverRows,
    pool,
    trash: new ServerTrash({ rows: serverRows, roles, claims, localities, addresses }),
    localities,
    addresses,
    order: 1,
  }
}

export class Director {
  readonly sync = new SyncDaemons()
  readonly defence = new Defence()
  readonly locals: LocalAddresses
  /** Rules that give firewall marks. */
  readonly marks: Marks
  readonly ports: SpecialPorts
  /** What packets are taken from the host's own stack. */
  readonly claims: ClaimLog
  readonly roles: AddressRoles
  readonly #natServers = new NatServers()
  readonly #model: Model

  /** Of fresh tables, or what `adoptTables` returned. `waitForReaders`: where others than this thread read tables. */
  constructor(model: Model = emptyModel(), waitForReaders: WaitForReaders = () => undefined) {
    this.#model = model
    this.locals = model.locals
    this.marks = model.marks
    this.ports = model.ports
    this.claims = model.claims
    this.roles = model.roles
    const { pool, serviceRows, serverRows } = model
    for (const each of [pool, serviceRows, serverRows]) each.waitForReaders = waitForReaders
  }

  get services(): ReadonlyMap<string, ServiceEntry> {
    return this.#model.services
  }

  /** Does a server have this address, or did one that connections still name? */
  get serverAddresses(): { has(address: string): boolean } {
    return this.#model.addresses
  }

  /** Is there no service, and no server, with an IPv6 address? */
  get isIpv4Only(): boolean {
    for (const { key, servers } of this.#model.services.values()) {
      if (serviceFamily(key) === 6) return false
      if (servers.some((server) => familyOf(server.key.address) === 6)) return false
    }
    return true
  }

  /** Virtual services, and real servers of all of them. */
  get counts(): { services: number; servers: number } {
    let servers = 0
    for (const entry of this.services.values()) servers += entry.servers.length
    return { services: this.services.size, servers }
  }

  find(key: ServiceKey): ServiceEntry | undefined {
    return this.services.get(serviceId(key))
  }

  addService(key: ServiceKey, settings: ServiceSettings): Outcome {
    if (this.find(key) !== undefined) {
      return refuse('EEXIST', `service ${serviceText(key)} exists already`)
    }
    const refusal = checkServiceKey(key) ?? checkServiceSettings(key, settings)
    if (refusal !== undefined) return refusal
    const { serviceRows, pool, roles, claims, ports } = this.#model
    const overlap = ports.overlapWith(key)
    if (overlap !== undefined) {
      return refuse('EEXIST', `${serviceText(key)} shares ports with the service on ${overlap}`)
    }
    if (!hasRoomForService(key)) {
      return refuse('ENOSPC', 'the index of virtual services is full')
    }
    const row = serviceRows.take()
    if (row === undefined) return refuse('ENOSPC', 'the table of virtual services is full')
    const service = tables.services.row(row)
    beginServiceRow(row, key, this.#model.order)
    const spec = serviceSpec(settings)
    if (!writeServerList(pool, service, spec, [])) {
      clearServiceRow(row)
      serviceRows.free(row)
      return refuse('ENOSPC', 'the pool of server lists is full')
    }
    this.#resetScheduler(row)
    if (!('firewallMark' in key)) roles.add(key.address, Role.virtual)
    writeServiceRow(service, spec)
    // Now it is there; packets find it by the index.
    this.#model.order++
    this.#model.services.set(serviceId(key), newServiceEntry(row, key, settings))
    enterService(key, row)
    ports.add(key)
    for (const claim of destinationsOf(key)) claims.claim('destinations', claim)
    return null
  }

  editService(key: ServiceKey, settings: ServiceSettings): Outcome {
    const entry = this.find(key)
    if (entry === undefined) return noService(key)
    const wishes = entry.servers.map((each) => each.settings)
    const refusal = checkServiceSettings(key, settings) ?? checkOnePacket(settings, wishes)
    if (refusal !== undefined) return refusal
    const isOther = settings.scheduler !== entry.settings.scheduler
    if (!this.#writeList(entry, entry.servers, settings)) return poolIsFull()
    entry.settings = settings
    const service = tables.services.row(entry.row)
    writeServiceRow(service, serviceSpec(settings))
    if (isOther) this.#resetScheduler(entry.row)
    return null
  }

  #resetScheduler(row: number): void {
    const service = tables.services.row(row)
    service.position = 0
    service.currentWeight = poolWordAt(service.pool + PoolOffset.firstWeight)
    this.#model.localities.begin(row, poolWordAt(service.pool + PoolOffset.scheduler))
  }

  deleteService(key: ServiceKey): Outcome {
    const entry = this.find(key)
    if (entry === undefined) return noService(key)
    const { services, roles, claims, trash, pool, locals, localities, serviceRows, ports } =
      this.#model
    const service = tables.services.row(entry.row)
    service.flags &= ~ServiceFlag.hashed
    // Now it is gone; what it had follows.
    services.delete(serviceId(key))
    leaveService(key, entry.row)
    ports.remove(key)
    if (!('firewallMark' in key)) roles.remove(key.address, Role.virtual)
    for (const claim of destinationsOf(key)) claims.release('destinations', claim)
    for (const server of entry.servers) {
      trash.discard(serviceId(key), server)
      this.#natServers.forget()
      tables.servers.row(server.row).service = tables.NONE
    }
    trash.dropService(serviceId(key))
    retireServerList(pool, service.pool)
    locals.removeAll(entry)
    localities.end(entry.row)
    clearServiceRow(entry.row)
    serviceRows.retire(entry.row)
    return null
  }

  /** Removes every service. */
  flush(): void {
    for (const { key } of [...this.services.values()]) this.deleteService(key)
  }

  /** Zeroes the counters of one service and its servers or, without a key, of all. */
  zero(key?: ServiceKey): Outcome {
    const entry = key === undefined ? undefined : this.find(key)
    if (key !== undefined && entry === undefined) return noService(key)
    for (const each of entry === undefined ? this.services.values() : [entry]) {
      zeroCounters(tables.services.row(each.row))
      each.estimator.zero()
      for (const server of each.servers) {
        zeroCounters(tables.servers.row(server.row))
        server.estimator.zero()
      }
    }
    return null
  }

  addServer(key: ServiceKey, server: ServerKey, settings: ServerSettings): Outcome {
    const entry = this.find(key)
    if (entry === undefined) return noService(key)
    const refusal =
      this.#refuseServer(key, server, settings) ?? checkOnePacket(entry.settings, [settings])
    if (refusal !== undefined) return refusal
    if (findServer(entry, server) !== undefined) {
      return refuse('EEXIST', `${serviceText(key)} has ${serverText(server)} already`)
    }
    const unfit = checkServerAddress(server) ?? checkServerCount(entry.servers.length)
    if (unfit !== undefined) return unfit
    const { trash, serverRows } = this.#model
    const revived = trash.find(serviceId(key), serverId(server))
    const row = revived?.row ?? serverRows.take() ?? trash.takeIdle()
    if (row === undefined) return refuse('ENOSPC', 'the table of real servers is full')
    const added: ServerEntry = {
      row,
      key: server,
      sources: sourcesOf(key, server),
      settings,
      lastWeight: settings.weight,
      hasRole: revived?.hasRole ?? false,
      hasTunnel: revived?.hasTunnel ?? false,
      estimator: revived?.estimator ?? new Estimator(),
    }
    // The row first, then the list that names it.
    if (revived === undefined) this.#begin(key, added)
    else reviveRow(added)
    writeServerRow(added)
    forgetPath(row)
    this.#addRole(added)
    joinService(row, entry.row)
    this.#natServers.note(row)
    if (!this.#writeList(entry, [added, ...entry.servers])) {
      this.#takeBack(key, added, revived)
      return poolIsFull()
    }
    if (revived !== undefined) trash.revive(serviceId(key), serverId(server))
    entry.servers = [added, ...entry.servers]
    this.#listChanged(entry, 'added', 0)
    return null
  }

  #begin(key: ServiceKey, added: ServerEntry): void {
    this.#model.addresses.add(added.key.address)
    beginServerRow(key, added)
  }

  /** The server could not be added after all. */
  #takeBack(key: ServiceKey, added: ServerEntry, revived: ServerEntry | undefined): void {
    if (revived === undefined) {
      this.#model.trash.discard(serviceId(key), added)
      return
    }
    revived.hasRole = added.hasRole
    revived.hasTunnel = added.hasTunnel
    tables.servers.row(revived.row).flags &= ~ServerFlag.available
  }

  editServer(key: ServiceKey, server: ServerKey, settings: ServerSettings): Outcome {
    const entry = this.find(key)
    if (entry === undefined) return noService(key)
    const refusal =
      this.#refuseServer(key, server, settings) ?? checkOnePacket(entry.settings, [settings])
    if (refusal !== undefined) return refusal
    const edited = findServer(entry, server)
    if (edited === undefined) return noServer(key, server)
    const { settings: old, lastWeight } = edited
    edited.settings = settings
    if (settings.weight > 0) edited.lastWeight = settings.weight
    this.#addRole(edited)
    if (!this.#writeList(entry, entry.servers)) {
      edited.settings = old
      edited.lastWeight = lastWeight
      return poolIsFull()
    }
    writeServerRow(edited)
    this.#natServers.note(edited.row)
    forgetPath(edited.row)
    this.#listChanged(entry, 'edited', 0)
    return null
  }

  #refuseServer(key: ServiceKey, server: ServerKey, settings: ServerSettings): Refusal | undefined {
    if (this.sync.isAny && isOfOtherFamily(key, server)) {
      return refuse(
        'EINVAL',
        'connections to servers of another address family cannot be synchronised',
      )
    }
    return checkServer(key, server, settings)
  }

  /** `mtu`: of the interface asked for; undefined: there is none of that name. */
  startSync(request: SyncRequest, mtu: number | undefined): Outcome {
    for (const { key, servers } of this.services.values()) {
      if (servers.some((server) => isOfOtherFamily(key, server.key))) {
        return refuse('EINVAL', `${serviceText(key)} has servers of another address family`)
      }
    }
    return this.sync.start(request, mtu)
  }

  /**
   * Answers of a server come back through us, or errors about its tunnel do; once they do, they may until its last
   * connection has ended.
   */
  #addRole(server: ServerEntry): void {
    if (!server.hasTunnel && server.settings.forwarding === 'tunnel') {
      this.claims.claim('tunnels', tunnelEnd(server.key.address))
      server.hasTunnel = true
    }
    if (server.hasRole || !returnsThroughUs(server.settings)) return
    const { roles, claims } = this.#model
    tables.servers.row(server.row).flags |= ServerFlag.returning
    roles.add(server.key.address, Role.real)
    for (const claim of server.sources) claims.claim('sources', claim)
    server.hasRole = true
  }

  deleteServer(key: ServiceKey, server: ServerKey): Outcome {
    const entry = this.find(key)
    if (entry === undefined) return noService(key)
    const position = entry.servers.findIndex((each) => serverId(each.key) === serverId(server))
    if (position < 0) return noServer(key, server)
    const left = entry.servers.filter((_, i) => i !== position)
    if (!this.#writeList(entry, left)) return poolIsFull()
    const removed = entry.servers[position]!
    entry.servers = left
    this.#model.trash.discard(serviceId(key), removed)
    this.#natServers.forget()
    this.#listChanged(entry, 'removed', position)
    return null
  }

  /** Frees what nothing refers to any more. Call it after each sweep, about once a second. */
  reclaim(): void {
    const { pool, locals, trash, localities, serviceRows, serverRows } = this.#model
    pool.reclaim()
    locals.reclaim()
    serviceRows.reclaim()
    serverRows.reclaim()
    trash.reclaim()
    localities.run()
    this.keepNatServers()
  }

  /** Also when nat_icmp_send was set. */
  keepNatServers(): void {
    this.#natServers.keep(() => this.#serverRows())
  }

  *#serverRows(): Generator<number> {
    for (const { servers } of this.services.values()) for (const { row } of servers) yield row
  }

  #writeList(
    entry: ServiceEntry,
    servers: readonly ServerEntry[],
    settings: ServiceSettings = entry.settings,
  ): boolean {
    const service = tables.services.row(entry.row)
    return writeServerList(this.#model.pool, service, serviceSpec(settings), servers)
  }

  /** What the scheduler remembers follows the list (ip_vs_rr.c, ip_vs_wrr.c: dest_changed). */
  #listChanged(entry: ServiceEntry, how: 'added' | 'edited' | 'removed', position: number): void {
    const service = tables.services.row(entry.row)
    if (poolWordAt(service.pool + PoolOffset.scheduler) === SchedulerId.wrr) {
      service.position = 0
      service.currentWeight = adjustCurrentWeight(service.currentWeight, {
        gcd: poolWordAt(service.pool + PoolOffset.gcd),
        firstWeight: poolWordAt(service.pool + PoolOffset.firstWeight),
      })
    } else if (service.position > 0) {
      if (how === 'added') service.position += 1
      if (how === 'removed' && position < service.position) service.position -= 1
    }
  }
}

function newServiceEntry(row: number, key: ServiceKey, settings: ServiceSettings): ServiceEntry {
  return { row, key, settings, servers: [], locals: [], estimator: new Estimator() }
}

function poolWordAt(index: number): number {
  return tables.pool.row(index).value
}

function findServer(entry: ServiceEntry, key: ServerKey): ServerEntry | undefined {
  const id = serverId(key)
  return entry.servers.find((each) => serverId(each.key) === id)
}

function poolIsFull(): Refusal {
  return refuse('ENOSPC', 'the pool of server lists is full')
}

/**
 * Its counters count on, unless the service was removed, too (ip_vs_ctl.c, __ip_vs_update_dest). With
 * expire_nodest_conn its connections are over, even if it comes back at once.
 */
function reviveRow({ row, estimator }: ServerEntry): void {
  const server = tables.servers.row(row)
  const endsOrphans = (tables.settings.row(0).switches & Switch.expireNoDestination) !== 0
  if (endsOrphans && connectionsOf(server) > 0) endAllOf(row)
  if (server.service !== tables.NONE) return
  zeroCounters(server)
  estimator.zero()
}
