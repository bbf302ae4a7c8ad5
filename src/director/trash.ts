/**
 * Real servers that were removed: their rows stay as long as connections name them, and two minutes more (dest_trash,
 * ip_vs_ctl.c). A server that is added again meanwhile takes its row up, with its connections and counters.
 */
import { TICKS_PER_SECOND } from '../subset/clock.ts'
import * as tables from '../dataplane/tables.ts'
import { connectionsOf, serverId, type ServerEntry } from './entries.ts'
import type { ServerKey } from './model.ts'

/** IP_VS_DEST_TRASH_PERIOD. */
export const TRASH_PERIOD_S = 120

interface Trashed {
  readonly server: ServerEntry
  /** Tick at which nothing named it any more. */
  idleSince: number | undefined
}

export class Trash {
  /** By service, by server. */
  readonly #services = new Map<string, Map<string, Trashed>>()

  put(service: string, server: ServerEntry): void {
    const trashed = this.#services.get(service) ?? new Map<string, Trashed>()
    this.#services.set(service, trashed)
    trashed.set(serverId(server.key), { server, idleSince: undefined })
  }

  find(service: string, key: ServerKey): ServerEntry | undefined {
    return this.#services.get(service)?.get(serverId(key))?.server
  }

  /** All that were removed from a service. */
  serversOf(service: string): ServerEntry[] {
    return [...(this.#services.get(service)?.values() ?? [])].map(({ server }) => server)
  }

  /** The server is in use again, or gone for good. */
  remove(service: string, key: ServerKey): void {
    const trashed = this.#services.get(service)
    trashed?.delete(serverId(key))
    if (trashed?.size === 0) this.#services.delete(service)
  }

  /** Calls `onIdle` for each server that nothing names any more. Those whose time is over then: they are gone. */
  reclaim(now: number, onIdle: (server: ServerEntry) => void): ServerEntry[] {
    const forgotten: ServerEntry[] = []
    for (const [service, trashed] of [...this.#services]) {
      for (const each of [...trashed.values()]) {
        const { server } = each
        if (connectionsOf(tables.servers.row(server.row)) > 0) {
          each.idleSince = undefined
          continue
        }
        if (each.idleSince === undefined) {
          each.idleSince = now
          onIdle(server)
        }
        if ((now - each.idleSince) >>> 0 < TRASH_PERIOD_S * TICKS_PER_SECOND) continue
        this.remove(service, server.key)
        forgotten.push(server)
      }
    }
    return forgotten
  }

  /** One that nothing names, taken out before its time: somebody needs its row. */
  takeIdle(): ServerEntry | undefined {
    for (const [service, trashed] of this.#services) {
      for (const { server } of trashed.values()) {
        if (connectionsOf(tables.servers.row(server.row)) > 0) continue
        this.remove(service, server.key)
        return server
      }
    }
    return undefined
  }
}
