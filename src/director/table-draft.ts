/**
 * A table to be: changes are tried on it, in order, as the director would try them on its own, and nothing else is.
 *
 * What is refused here leaves the draft as it was. What passes may still find the tables full.
 */
import {
  checkLocal,
  checkNewServer,
  checkNewService,
  checkOnePacket,
  checkServerIn,
  checkServiceSettings,
  noServer,
  noService,
  refuse,
  serviceText,
} from './check.ts'
import { serverId, serviceId } from './entries.ts'
import type {
  Refusal,
  ServerKey,
  ServerSettings,
  ServiceKey,
  ServiceSettings,
  TableChange,
} from './model.ts'

export interface DraftServer {
  readonly key: ServerKey
  settings: ServerSettings
}

export interface DraftService {
  readonly key: ServiceKey
  settings: ServiceSettings
  /** In the order in which they were added. */
  readonly servers: Map<string, DraftServer>
  readonly locals: Set<string>
}

type ChangeInService = Exclude<
  TableChange,
  { readonly call: 'service.flush' | 'service.add' | 'service.edit' | 'service.delete' }
>

export class TableDraft {
  readonly services = new Map<string, DraftService>()
  /** Are there synchronisation daemons, which cannot tell of servers of another address family? */
  readonly #isSynchronised: boolean

  constructor(isSynchronised = false) {
    this.#isSynchronised = isSynchronised
  }

  /** null: done. */
  apply(change: TableChange): Refusal | null {
    switch (change.call) {
      case 'service.flush':
        this.services.clear()
        return null
      case 'service.add':
        return this.#addService(change.with.service, change.with.settings)
      case 'service.edit':
        return this.#editService(change.with.service, change.with.settings)
      case 'service.delete': {
        const { service } = change.with
        return this.services.delete(serviceId(service)) ? null : noService(service)
      }
      default:
        return this.#applyToService(change)
    }
  }

  #addService(key: ServiceKey, settings: ServiceSettings): Refusal | null {
    const refusal = checkNewService(key, settings, this.services.has(serviceId(key)))
    if (refusal !== undefined) return refusal
    const service = { key, settings, servers: new Map<string, DraftServer>() }
    this.services.set(serviceId(key), { ...service, locals: new Set() })
    return null
  }

  #editService(key: ServiceKey, settings: ServiceSettings): Refusal | null {
    const service = this.services.get(serviceId(key))
    if (service === undefined) return noService(key)
    const servers = [...service.servers.values()].map((server) => server.settings)
    const refusal = checkServiceSettings(key, settings) ?? checkOnePacket(settings, servers)
    if (refusal !== undefined) return refusal
    service.settings = settings
    return null
  }

  #applyToService(change: ChangeInService): Refusal | null {
    const service = this.services.get(serviceId(change.with.service))
    if (service === undefined) return noService(change.with.service)
    switch (change.call) {
      case 'server.add':
        return this.#addServer(service, change.with.server, change.with.settings)
      case 'server.edit':
        return this.#editServer(service, change.with.server, change.with.settings)
      case 'server.delete': {
        const { server } = change.with
        const isGone = service.servers.delete(serverId(server))
        return isGone ? null : noServer(service.key, server)
      }
      case 'local.add':
        return addLocal(service, change.with.address)
      case 'local.delete':
        return deleteLocal(service, change.with.address)
    }
  }

  #addServer(service: DraftService, key: ServerKey, settings: ServerSettings): Refusal | null {
    const { servers } = service
    const isThere = servers.has(serverId(key))
    const refusal =
      checkServerIn(service, key, settings, this.#isSynchronised) ??
      checkNewServer(service.key, key, { isThere, others: servers.size })
    if (refusal !== undefined) return refusal
    servers.set(serverId(key), { key, settings })
    return null
  }

  #editServer(service: DraftService, key: ServerKey, settings: ServerSettings): Refusal | null {
    const refusal = checkServerIn(service, key, settings, this.#isSynchronised)
    if (refusal !== undefined) return refusal
    const server = service.servers.get(serverId(key))
    if (server === undefined) return noServer(service.key, key)
    server.settings = settings
    return null
  }
}

function addLocal({ key, locals }: DraftService, address: string): Refusal | null {
  const refusal = checkLocal(key, address)
  if (refusal !== undefined) return refusal
  if (locals.has(address)) {
    return refuse('EEXIST', `${serviceText(key)} has local address ${address} already`)
  }
  locals.add(address)
  return null
}

function deleteLocal({ key, locals }: DraftService, address: string): Refusal | null {
  if (locals.delete(address)) return null
  return refuse('ENOENT', `${serviceText(key)} has no local address ${address}`)
}
