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
import { PoolOffset } from '../dataplane/pool.ts'
import { Role, ServiceFlag } from '../dataplane/tables.ts'
import * as tables from '../dataplane/tables.ts'
import type { AddressRoles } from './address-roles.ts'
import {
  checkNewService,
  checkOnePacket,
  checkServiceSettings,
  isOfOtherFamily,
  noService,
  refuse,
  serviceFamily,
  serviceText,
} from './check.ts'
import type { ClaimLog } from './claim-log.ts'
import { Defence } from './defence.ts'
import { emptyModel, type Model } from './director-model.ts'
import { destinationsOf } from './endpoints.ts'
import { serviceId, zeroCounters, type ServiceEntry } from './entries.ts'
import { Estimator } from './estimator.ts'
import type { WaitForReaders } from './grace.ts'
import type { LocalAddresses } from './local-addresses.ts'
import type { Marks } from './marks.ts'
import type {
  Outcome,
  ServerKey,
  ServerSettings,
  ServiceKey,
  ServiceSettings,
  SyncRequest,
} from './model.ts'
import { retireServerList, writeServerList } from './server-list.ts'
import { enterService, hasRoomForService, leaveService } from './service-index.ts'
import { beginServiceRow, clearServiceRow, writeServiceRow } from './service-rows.ts'
import { poolIsFull, poolWordAt, ServiceServers } from './service-servers.ts'
import { serviceSpec } from './spec.ts'
import type { SpecialPorts } from './special-ports.ts'
import { SyncDaemons } from './sync/daemons.ts'

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
  readonly #model: Model
  readonly #servers: ServiceServers

  /** Of fresh tables, or what `adoptTables` returned. `waitForReaders`: where others than this thread read tables. */
  constructor(model: Model = emptyModel(), waitForReaders: WaitForReaders = () => undefined) {
    this.#model = model
    this.#servers = new ServiceServers(model, this.sync)
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

  /** Is there no service, and no server, with an IPv6 address; nor a removed one that may have connections? */
  get isIpv4Only(): boolean {
    for (const { key, servers } of this.#model.services.values()) {
      if (serviceFamily(key) === 6) return false
      if (servers.some((server) => familyOf(server.key.address) === 6)) return false
    }
    return !this.#model.trash.hasIpv6
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
    const refusal = checkNewService(key, settings, this.find(key) !== undefined)
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
      return poolIsFull()
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
    if (!this.#servers.writeList(entry, entry.servers, settings)) return poolIsFull()
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
    const { services, roles, claims, pool, locals, localities, serviceRows, ports } = this.#model
    const service = tables.services.row(entry.row)
    service.flags &= ~ServiceFlag.hashed
    // Now it is gone; what it had follows.
    services.delete(serviceId(key))
    leaveService(key, entry.row)
    ports.remove(key)
    if (!('firewallMark' in key)) roles.remove(key.address, Role.virtual)
    for (const claim of destinationsOf(key)) claims.release('destinations', claim)
    this.#servers.deleteAll(entry)
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
    return entry === undefined ? noService(key) : this.#servers.add(entry, server, settings)
  }

  editServer(key: ServiceKey, server: ServerKey, settings: ServerSettings): Outcome {
    const entry = this.find(key)
    return entry === undefined ? noService(key) : this.#servers.edit(entry, server, settings)
  }

  deleteServer(key: ServiceKey, server: ServerKey): Outcome {
    const entry = this.find(key)
    return entry === undefined ? noService(key) : this.#servers.delete(entry, server)
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
    this.#servers.keepNatServers()
  }
}

function newServiceEntry(row: number, key: ServiceKey, settings: ServiceSettings): ServiceEntry {
  return { row, key, settings, servers: [], locals: [], estimator: new Estimator() }
}
