/**
 * The director's half for the real servers of services: they come, change and go, and with them the service's list.
 *
 * As in director.ts: one write makes a request true, `service.pool`. What must be there before stands before it.
 */
import { Role, ServerFlag } from '../dataplane/tables.ts'
import { PoolOffset } from '../dataplane/pool.ts'
import { SchedulerId } from '../dataplane/schedule.ts'
import { adjustCurrentWeight } from '../dataplane/schedulers/wrr.ts'
import { Switch } from '../dataplane/switch.ts'
import * as tables from '../dataplane/tables.ts'
import { checkNewServer, checkServerIn, noServer, refuse } from './check.ts'
import { tunnelEnd } from './claim-log.ts'
import type { Model } from './director-model.ts'
import { sourcesOf } from './endpoints.ts'
import {
  connectionsOf,
  serverId,
  serviceId,
  zeroCounters,
  type ServerEntry,
  type ServiceEntry,
} from './entries.ts'
import { Estimator } from './estimator.ts'
import type {
  Outcome,
  Refusal,
  ServerKey,
  ServerSettings,
  ServiceKey,
  ServiceSettings,
} from './model.ts'
import { NatServers } from './nat-servers.ts'
import { writeServerList } from './server-list.ts'
import {
  beginServerRow,
  forgetPath,
  joinService,
  returnsThroughUs,
  writeServerRow,
} from './server-rows.ts'
import { serviceSpec } from './spec.ts'
import { endAllOf } from './sweep.ts'
import type { SyncDaemons } from './sync/daemons.ts'

export class ServiceServers {
  readonly #model: Model
  readonly #sync: SyncDaemons
  readonly #natServers = new NatServers()

  constructor(model: Model, sync: SyncDaemons) {
    this.#model = model
    this.#sync = sync
  }

  add(entry: ServiceEntry, server: ServerKey, settings: ServerSettings): Outcome {
    const { key, servers } = entry
    const isThere = findServer(entry, server) !== undefined
    const refusal =
      checkServerIn(entry, server, settings, this.#sync.isAny) ??
      checkNewServer(key, server, { isThere, others: servers.length })
    if (refusal !== undefined) return refusal
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
    if (!this.writeList(entry, [added, ...servers])) {
      this.#takeBack(key, added, revived)
      return poolIsFull()
    }
    if (revived !== undefined) trash.revive(serviceId(key), serverId(server))
    entry.servers = [added, ...servers]
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

  edit(entry: ServiceEntry, server: ServerKey, settings: ServerSettings): Outcome {
    const refusal = checkServerIn(entry, server, settings, this.#sync.isAny)
    if (refusal !== undefined) return refusal
    const edited = findServer(entry, server)
    if (edited === undefined) return noServer(entry.key, server)
    const { settings: old, lastWeight } = edited
    edited.settings = settings
    if (settings.weight > 0) edited.lastWeight = settings.weight
    this.#addRole(edited)
    if (!this.writeList(entry, entry.servers)) {
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

  /**
   * Answers of a server come back through us, or errors about its tunnel do; once they do, they may until its last
   * connection has ended.
   */
  #addRole(server: ServerEntry): void {
    const { roles, claims } = this.#model
    if (!server.hasTunnel && server.settings.forwarding === 'tunnel') {
      claims.claim('tunnels', tunnelEnd(server.key.address))
      server.hasTunnel = true
    }
    if (server.hasRole || !returnsThroughUs(server.settings)) return
    tables.servers.row(server.row).flags |= ServerFlag.returning
    roles.add(server.key.address, Role.real)
    for (const claim of server.sources) claims.claim('sources', claim)
    server.hasRole = true
  }

  delete(entry: ServiceEntry, server: ServerKey): Outcome {
    const { key } = entry
    const position = entry.servers.findIndex((each) => serverId(each.key) === serverId(server))
    if (position < 0) return noServer(key, server)
    const left = entry.servers.filter((_, i) => i !== position)
    if (!this.writeList(entry, left)) return poolIsFull()
    const removed = entry.servers[position]!
    entry.servers = left
    this.#discard(key, removed)
    this.#listChanged(entry, 'removed', position)
    return null
  }

  /** Of a service that is gone. */
  deleteAll({ key, servers }: ServiceEntry): void {
    for (const server of servers) {
      this.#discard(key, server)
      tables.servers.row(server.row).service = tables.NONE
    }
    this.#model.trash.dropService(serviceId(key))
  }

  #discard(key: ServiceKey, server: ServerEntry): void {
    this.#model.trash.discard(serviceId(key), server)
    this.#natServers.forget()
  }

  /** Once a second, and when nat_icmp_send was set. */
  keepNatServers(): void {
    this.#natServers.keep(() => this.#rows())
  }

  *#rows(): Generator<number> {
    for (const { servers } of this.#model.services.values())
      for (const { row } of servers) yield row
  }

  /** The one write that makes it true; false: there is no room for it. */
  writeList(
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

export function poolWordAt(index: number): number {
  return tables.pool.row(index).value
}

export function poolIsFull(): Refusal {
  return refuse('ENOSPC', 'the pool of server lists is full')
}

function findServer(entry: ServiceEntry, key: ServerKey): ServerEntry | undefined {
  const id = serverId(key)
  return entry.servers.find((each) => serverId(each.key) === id)
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
