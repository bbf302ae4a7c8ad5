/**
 * The director's control half: virtual services, real servers, local addresses, written into the tables.
 *
 * Requests in, changed rows out; no clock, no socket. It works on the set of tables in use (`TableSet.use`). Every
 * request either does all it says or refuses and changes nothing.
 *
 * A removed server's row stays for a while (trash.ts): adding the server again takes the same row up, and its
 * connections live on.
 */
import { Role, ServerFlag, ServiceFlag } from '../dataplane/tables.ts'
import * as tables from '../dataplane/tables.ts'
import { updateOverload } from '../dataplane/server.ts'
import { SchedulerId } from '../dataplane/schedule.ts'
import { adjustCurrentWeight } from '../dataplane/schedulers/wrr.ts'
import { PoolOffset } from '../dataplane/pool.ts'
import { FTP_PORT } from '../dataplane/service.ts'
import { now, TICKS_PER_SECOND } from '../subset/clock.ts'
import { AddressRoles } from './address-roles.ts'
import { ClaimLog, type Endpoint } from './claim-log.ts'
import {
  checkOnePacket,
  checkServer,
  checkServerAddress,
  checkServerCount,
  checkServiceKey,
  checkServiceSettings,
  isOfOtherFamily,
  refuse,
  serverText,
  serviceFamily,
  serviceText,
} from './check.ts'
import {
  clearRow,
  connectionsOf,
  protocolOf,
  serverId,
  serviceId,
  writeAddress,
  zeroCounters,
  type ServerEntry,
  type ServiceEntry,
} from './entries.ts'
import { Estimator } from './estimator.ts'
import { LocalAddresses } from './local-addresses.ts'
import { Localities } from './localities.ts'
import type {
  Refusal,
  ServerKey,
  ServerSettings,
  ServiceKey,
  ServiceSettings,
  SyncRequest,
} from './model.ts'
import { PoolAllocator } from './pool-allocator.ts'
import { RowAllocator } from './row-allocator.ts'
import { retireServerList, writeServerList } from './server-list.ts'
import { enterService, leaveService } from './service-index.ts'
import { endAllOf } from './sweep.ts'
import { SyncDaemons } from './sync-daemons.ts'
import { Trash } from './trash.ts'

type AddressedKey = Extract<ServiceKey, { readonly port: number }>

/** A refusal, or null: done. */
export type Outcome = Refusal | null

export class Director {
  readonly services = new Map<string, ServiceEntry>()
  readonly locals: LocalAddresses
  /** What packets are taken from the host's own stack. */
  readonly claims = new ClaimLog()
  readonly sync = new SyncDaemons()
  /** How many servers have an address, those among them that only connections name. */
  readonly serverAddresses = new Map<string, number>()
  readonly #roles = new AddressRoles()
  readonly #serviceRows = new RowAllocator(tables.services.memory.capacity)
  readonly #serverRows = new RowAllocator(tables.servers.memory.capacity)
  readonly #pool = new PoolAllocator(tables.pool.memory.capacity)
  readonly #localities = new Localities()
  readonly #trash = new Trash()

  constructor() {
    this.locals = new LocalAddresses(this.#roles, this.#pool, this.claims)
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
    const row = this.#serviceRows.take()
    if (row === undefined) return refuse('ENOSPC', 'the table of virtual services is full')
    const service = tables.services.row(row)
    const entry: ServiceEntry = {
      row,
      key,
      settings,
      servers: [],
      locals: [],
      estimator: new Estimator(),
    }
    clearRow(tables.services, row)
    service.family = serviceFamily(key)
    service.protocol = protocolOf(key)
    if ('firewallMark' in key) service.firewallMark = key.firewallMark
    else {
      writeAddress(service, key.address)
      service.port = key.port
    }
    this.#writeServiceSettings(entry, settings)
    if (!writeServerList(this.#pool, service, [])) {
      this.#serviceRows.free(row)
      return refuse('ENOSPC', 'the pool of server lists is full')
    }
    this.#resetScheduler(row)
    if (!('firewallMark' in key) && !this.#announce(key, row)) {
      retireServerList(this.#pool, service.pool)
      this.#serviceRows.free(row)
      return refuse('ENOSPC', 'the index of virtual services is full')
    }
    this.services.set(serviceId(key), entry)
    return null
  }

  /** From here on packets find the service. */
  #announce(key: AddressedKey, row: number): boolean {
    if (!enterService(key.address, key.port, protocolOf(key), row)) return false
    countSpecial(key, 1)
    this.#roles.add(key.address, Role.virtual)
    this.claims.claim('destinations', endpointOf(key))
    return true
  }

  editService(key: ServiceKey, settings: ServiceSettings): Outcome {
    const entry = this.find(key)
    if (entry === undefined) return noService(key)
    const refusal =
      checkServiceSettings(key, settings) ??
      checkOnePacket(
        settings,
        entry.servers.map((each) => each.settings),
      )
    if (refusal !== undefined) return refusal
    const service = tables.services.row(entry.row)
    const scheduler = service.scheduler
    const old = entry.settings
    this.#writeServiceSettings(entry, settings)
    if (service.scheduler === scheduler) return null
    if (!this.#writeList(entry, entry.servers)) {
      this.#writeServiceSettings(entry, old)
      return refuse('ENOSPC', 'the pool of server lists is full')
    }
    this.#resetScheduler(entry.row)
    return null
  }

  #resetScheduler(row: number): void {
    const service = tables.services.row(row)
    service.position = 0
    service.currentWeight = poolWordAt(service.pool + PoolOffset.firstWeight)
    this.#localities.begin(row, service.scheduler)
  }

  #writeServiceSettings(entry: ServiceEntry, settings: ServiceSettings): void {
    const service = tables.services.row(entry.row)
    service.scheduler = SchedulerId[settings.scheduler as keyof typeof SchedulerId]
    service.flags =
      ServiceFlag.hashed |
      (settings.persistenceTimeoutS > 0 ? ServiceFlag.persistent : 0) |
      (settings.onePacket ? ServiceFlag.onePacket : 0) |
      (settings.schedulerFlags << 3)
    service.persistence = settings.persistenceTimeoutS * TICKS_PER_SECOND
    service.netmask = settings.netmask
    entry.settings = settings
  }

  deleteService(key: ServiceKey): Outcome {
    const entry = this.find(key)
    if (entry === undefined) return noService(key)
    this.services.delete(serviceId(key))
    if (!('firewallMark' in key)) {
      leaveService(key.address, key.port, protocolOf(key), entry.row)
      this.#roles.remove(key.address, Role.virtual)
      this.claims.release('destinations', endpointOf(key))
      countSpecial(key, -1)
    }
    const service = tables.services.row(entry.row)
    for (const server of entry.servers) {
      this.#discard(entry, server)
      tables.servers.row(server.row).service = tables.NONE
    }
    for (const { row } of this.#trash.serversOf(serviceId(key))) {
      tables.servers.row(row).service = tables.NONE
    }
    retireServerList(this.#pool, service.pool)
    this.locals.removeAll(entry)
    this.#localities.end(entry.row)
    clearRow(tables.services, entry.row)
    this.#serviceRows.free(entry.row)
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
    const revived = this.#trash.find(serviceId(key), server)
    const row = revived?.row ?? this.#takeServerRow()
    if (row === undefined) return refuse('ENOSPC', 'the table of real servers is full')
    const added: ServerEntry = {
      row,
      key: server,
      protocol: protocolOf(key),
      settings,
      lastWeight: settings.weight,
      hasRole: revived?.hasRole ?? false,
      estimator: revived?.estimator ?? new Estimator(),
    }
    if (revived === undefined) clearRow(tables.servers, row)
    else if (endsOrphans() && connectionsOf(tables.servers.row(row)) > 0) endAllOf(row)
    // The row first, then the list that names it.
    this.#writeServerRow(entry, added)
    if (!this.#writeList(entry, [added, ...entry.servers])) {
      if (revived === undefined) this.#serverRows.free(row)
      else tables.servers.row(row).flags &= ~ServerFlag.available
      return refuse('ENOSPC', 'the pool of server lists is full')
    }
    this.#trash.remove(serviceId(key), server)
    if (revived === undefined) this.#countAddress(server.address, 1)
    entry.servers = [added, ...entry.servers]
    this.#addRole(added)
    this.#listChanged(entry, 'added', 0)
    return null
  }

  editServer(key: ServiceKey, server: ServerKey, settings: ServerSettings): Outcome {
    const entry = this.find(key)
    if (entry === undefined) return noService(key)
    const refusal =
      this.#refuseServer(key, server, settings) ?? checkOnePacket(entry.settings, [settings])
    if (refusal !== undefined) return refusal
    const edited = findServer(entry, server)
    if (edited === undefined) return noServer(key, server)
    const old = edited.settings
    const oldLastWeight = edited.lastWeight
    edited.settings = settings
    if (settings.weight > 0) edited.lastWeight = settings.weight
    if (!this.#writeList(entry, entry.servers)) {
      edited.settings = old
      edited.lastWeight = oldLastWeight
      return refuse('ENOSPC', 'the pool of server lists is full')
    }
    this.#writeServerRow(entry, edited)
    this.#addRole(edited)
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

  /** Answers of a server come back through us; once they do, they may until its last connection has ended. */
  #addRole(server: ServerEntry): void {
    if (server.hasRole || server.protocol === 0 || !returnsThroughUs(server.settings)) return
    this.#roles.add(server.key.address, Role.real)
    this.claims.claim('sources', { ...server.key, protocol: server.protocol })
    server.hasRole = true
  }

  deleteServer(key: ServiceKey, server: ServerKey): Outcome {
    const entry = this.find(key)
    if (entry === undefined) return noService(key)
    const position = entry.servers.findIndex((each) => serverId(each.key) === serverId(server))
    if (position < 0) return noServer(key, server)
    const left = entry.servers.filter((_, i) => i !== position)
    if (!this.#writeList(entry, left)) return refuse('ENOSPC', 'the pool of server lists is full')
    const removed = entry.servers[position]!
    entry.servers = left
    this.#discard(entry, removed)
    this.#listChanged(entry, 'removed', position)
    return null
  }

  /** Takes a server that is in no list any more out of use. */
  #discard(entry: ServiceEntry, server: ServerEntry): void {
    tables.servers.row(server.row).flags &= ~ServerFlag.available
    this.#trash.put(serviceId(entry.key), server)
  }

  #countAddress(address: string, change: 1 | -1): void {
    const count = (this.serverAddresses.get(address) ?? 0) + change
    if (count > 0) this.serverAddresses.set(address, count)
    else this.serverAddresses.delete(address)
  }

  /** A row that no server has; if need be, one that is only remembered for a while. */
  #takeServerRow(): number | undefined {
    const fresh = this.#serverRows.take()
    if (fresh !== undefined) return fresh
    const idle = this.#trash.takeIdle()
    if (idle === undefined) return undefined
    this.#countAddress(idle.key.address, -1)
    this.#removeRole(idle)
    this.#localities.forget(new Set([idle.row]))
    return idle.row
  }

  /** Frees what nothing refers to any more. Call it after each sweep, about once a second. */
  reclaim(): void {
    this.#pool.reclaim()
    this.locals.reclaim()
    this.#localities.run()
    const forgotten = this.#trash.reclaim(now(), (server) => this.#removeRole(server))
    if (forgotten.length === 0) return
    this.#localities.forget(new Set(forgotten.map(({ row }) => row)))
    for (const { row, key } of forgotten) {
      this.#countAddress(key.address, -1)
      this.#serverRows.free(row)
    }
  }

  #removeRole(server: ServerEntry): void {
    if (!server.hasRole) return
    this.#roles.remove(server.key.address, Role.real)
    this.claims.release('sources', { ...server.key, protocol: server.protocol })
    server.hasRole = false
  }

  #writeList(entry: ServiceEntry, servers: readonly ServerEntry[]): boolean {
    const list = servers.map(({ row, key, settings, lastWeight }) => ({
      row,
      address: key.address,
      port: key.port,
      weight: settings.weight,
      lastWeight,
    }))
    return writeServerList(this.#pool, tables.services.row(entry.row), list)
  }

  #writeServerRow(entry: ServiceEntry, { row, key, settings }: ServerEntry): void {
    const server = tables.servers.row(row)
    writeAddress(server, key.address)
    server.port = key.port
    server.family = key.address.includes(':') ? 6 : 4
    server.forwarding = FORWARDING[settings.forwarding]
    server.weight = settings.weight
    server.upperThreshold = settings.upperThreshold
    server.lowerThreshold = settings.lowerThreshold
    server.tunnelType = tables.TunnelType[settings.tunnel.type]
    server.tunnelFlags = TUNNEL_FLAGS[settings.tunnel.checksum]
    server.tunnelPort = settings.tunnel.port
    server.pathMtu = 0
    server.service = entry.row
    server.flags |= ServerFlag.available
    updateOverload(server)
  }

  /** What the scheduler remembers follows the list (ip_vs_rr.c, ip_vs_wrr.c: dest_changed). */
  #listChanged(entry: ServiceEntry, how: 'added' | 'edited' | 'removed', position: number): void {
    const service = tables.services.row(entry.row)
    if (service.scheduler === SchedulerId.wrr) {
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

const FORWARDING: Readonly<Record<ServerSettings['forwarding'], number>> = {
  masquerade: tables.Forwarding.masquerade,
  local: tables.Forwarding.local,
  tunnel: tables.Forwarding.tunnel,
  direct: tables.Forwarding.direct,
  fullnat: tables.Forwarding.fullnat,
}

const TUNNEL_FLAGS: Readonly<Record<ServerSettings['tunnel']['checksum'], number>> = {
  none: 0,
  checksum: tables.TunnelFlag.checksum,
  'remote-checksum': tables.TunnelFlag.remoteChecksum,
}

/** Do the server's answers pass the director? */
function returnsThroughUs(settings: ServerSettings): boolean {
  return settings.forwarding === 'masquerade' || settings.forwarding === 'fullnat'
}

/** Services that take more than their own port: the packet path looks for them only where there are some. */
function countSpecial({ protocol, port }: AddressedKey, change: number): void {
  const common = tables.settings.row(0)
  if (port === 0) common.portZeroServices += change
  if (port === FTP_PORT && protocol === 'tcp') common.ftpServices += change
}

/** expire_nodest_conn: the connections of a removed server are over, even if it comes back at once. */
function endsOrphans(): boolean {
  return (tables.settings.row(0).switches & tables.Switch.expireNoDestination) !== 0
}

function endpointOf(key: AddressedKey): Endpoint {
  return { address: key.address, protocol: protocolOf(key), port: key.port }
}

function poolWordAt(index: number): number {
  return tables.pool.row(index).value
}

function findServer(entry: ServiceEntry, key: ServerKey): ServerEntry | undefined {
  const id = serverId(key)
  return entry.servers.find((each) => serverId(each.key) === id)
}

function noService(key: ServiceKey): Refusal {
  return refuse('ESRCH', `there is no service ${serviceText(key)}`)
}

function noServer(key: ServiceKey, server: ServerKey): Refusal {
  return refuse('ENOENT', `${serviceText(key)} has no real server ${serverText(server)}`)
}
