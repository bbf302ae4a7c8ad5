/**
 * Removed servers: their rows stay while connections name them, and two minutes longer ("trash", as in ip_vs_ctl.c).
 * Adding the server again takes the same row up: its connections live on, its counters count on.
 *
 * Also what only connections need of it stays no shorter than a packet takes that chose the server just before it was
 * removed and is about to open one.
 */
import { familyOf } from '../base/ip.ts'
import { isAtOrAfter } from '../subset/integers.ts'
import { now, TICKS_PER_SECOND } from '../subset/clock.ts'
import { Role, ServerFlag } from '../dataplane/tables.ts'
import * as tables from '../dataplane/tables.ts'
import type { AddressRoles } from './address-roles.ts'
import { tunnelEnd, type ClaimLog } from './claim-log.ts'
import type { CountedAddresses } from './counted-addresses.ts'
import { connectionsOf, serverId, type ServerEntry } from './entries.ts'
import type { Localities } from './localities.ts'
import type { RowAllocator } from './row-allocator.ts'
import { clearServerRow } from './server-rows.ts'

/** IP_VS_DEST_TRASH_PERIOD. */
export const TRASH_PERIOD_S = 120
const IDLE_TICKS = TRASH_PERIOD_S * TICKS_PER_SECOND
/** After that nobody answers through us any more. */
const ROLE_TICKS = TICKS_PER_SECOND

interface Removed {
  readonly service: string
  readonly server: ServerEntry
  /** Tick at which it was first seen without connections. */
  idleSince: number | undefined
}

/** Where a walk over the removed servers has come to. */
interface Visited {
  readonly service: string
  readonly removed: Map<string, Removed>
  readonly id: string
  readonly each: Removed
}

/** Looked at in a few milliseconds. */
const SERVERS_A_CALL = 4096

/** What a server's end has to do with. */
export interface TrashSurroundings {
  readonly rows: RowAllocator
  readonly roles: AddressRoles
  readonly claims: ClaimLog
  readonly localities: Localities
  readonly addresses: CountedAddresses
}

export class ServerTrash {
  readonly #with: TrashSurroundings
  /** By service, by server. */
  readonly #removed = new Map<string, Map<string, Removed>>()
  /** Those without connections, in the order in which that was seen. */
  readonly #idle = new Set<Removed>()
  readonly #round = this.#walk()

  constructor(surroundings: TrashSurroundings) {
    this.#with = surroundings
  }

  /** Takes a server that is in no list any more. */
  discard(service: string, server: ServerEntry): void {
    tables.servers.row(server.row).flags &= ~ServerFlag.available
    const removed = this.#removed.get(service) ?? new Map<string, Removed>()
    this.#removed.set(service, removed)
    this.#leave(removed.get(serverId(server.key)))
    removed.set(serverId(server.key), { service, server, idleSince: undefined })
  }

  /** The removed server, which stays here. */
  find(service: string, server: string): ServerEntry | undefined {
    return this.#removed.get(service)?.get(server)?.server
  }

  /** Is there one with an IPv6 address, of a service that goes on? It may have connections, which go on, too. */
  get hasIpv6(): boolean {
    for (const removed of this.#removed.values()) {
      for (const { server } of removed.values()) {
        if (familyOf(server.key.address) !== 6) continue
        if (tables.servers.row(server.row).service !== tables.NONE) return true
      }
    }
    return false
  }

  /** It is in use again. */
  revive(service: string, server: string): void {
    const removed = this.#removed.get(service)
    this.#leave(removed?.get(server))
    removed?.delete(server)
  }

  #leave(removed: Removed | undefined): void {
    if (removed !== undefined) this.#idle.delete(removed)
  }

  /** The service is gone: what is left of its servers belongs to none. */
  dropService(service: string): void {
    for (const { server } of this.#removed.get(service)?.values() ?? []) {
      tables.servers.row(server.row).service = tables.NONE
    }
  }

  /** Lets go of what nothing refers to any more; of very many it looks at some, and at others the next time. */
  reclaim(): void {
    const over = new Set<number>()
    for (let left = SERVERS_A_CALL; left > 0; left--) {
      const next = this.#round.next().value
      if (next === undefined) break
      const { service, removed, id, each } = next
      if (!this.#isOver(each)) continue
      removed.delete(id)
      this.#idle.delete(each)
      if (removed.size === 0) this.#removed.delete(service)
      over.add(each.server.row)
      this.#with.addresses.remove(each.server.key.address)
    }
    if (over.size === 0) return
    this.#with.localities.forget(over)
    for (const row of over) {
      clearServerRow(row)
      this.#with.rows.retire(row)
    }
  }

  /** All of them, over and over; undefined: from the beginning again. */
  *#walk(): Generator<Visited | undefined, never, void> {
    for (;;) {
      for (const [service, removed] of this.#removed) {
        if (removed.size === 0) this.#removed.delete(service)
        for (const [id, each] of removed) yield { service, removed, id, each }
      }
      yield undefined
    }
  }

  /** The row of a server that no connection names, before its time: it is needed. */
  takeIdle(): number | undefined {
    for (const each of this.#idle) {
      const { service, server, idleSince } = each
      // Whoever follows has been idle for no longer.
      if (!isAtOrAfter(now(), idleSince! + ROLE_TICKS)) return undefined
      this.#idle.delete(each)
      if (connectionsOf(tables.servers.row(server.row)) > 0) {
        each.idleSince = undefined
        continue
      }
      this.#removed.get(service)!.delete(serverId(server.key))
      this.#endRole(server)
      this.#with.addresses.remove(server.key.address)
      this.#with.localities.forget(new Set([server.row]))
      return server.row
    }
    return undefined
  }

  #isOver(removed: Removed): boolean {
    const { server, idleSince } = removed
    if (connectionsOf(tables.servers.row(server.row)) > 0) {
      removed.idleSince = undefined
      this.#idle.delete(removed)
      return false
    }
    if (idleSince === undefined) {
      removed.idleSince = now()
      this.#idle.add(removed)
      return false
    }
    if (isAtOrAfter(now(), idleSince + ROLE_TICKS)) this.#endRole(server)
    return isAtOrAfter(now(), idleSince + IDLE_TICKS)
  }

  #endRole(server: ServerEntry): void {
    const { claims } = this.#with
    if (server.hasTunnel) claims.release('tunnels', tunnelEnd(server.key.address))
    server.hasTunnel = false
    if (!server.hasRole) return
    tables.servers.row(server.row).flags &= ~ServerFlag.returning
    this.#with.roles.remove(server.key.address, Role.real)
    for (const claim of server.sources) claims.release('sources', claim)
    server.hasRole = false
  }
}
