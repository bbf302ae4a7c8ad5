/**
 * Makes the director's table what a draft says, service by service: what is the same in both is not touched, so its
 * connections and counters go on.
 *
 * All or nothing: where the tables turn out to be full, what was done is undone.
 */
import { isDeepStrictEqual } from 'node:util'
import { SERVERS_PER_SERVICE_MAX } from '../dataplane/limits.ts'
import * as tables from '../dataplane/tables.ts'
import type { Director } from './director.ts'
import { refuse } from './check.ts'
import { serverId, serviceId, type ServiceEntry } from './entries.ts'
import type { Refusal, ServerSettings, ServiceSettings } from './model.ts'
import { RECLAIMS } from './grace.ts'
import { TableDraft, type DraftService } from './table-draft.ts'

/** Work in steps, between which frames may come; at a 'rest' all of those that are under way must have gone. */
export type Steps<T> = Generator<'rest' | undefined, T, void>

export interface Replacing {
  /** Makes the director's tables the ones in use. */
  use(): void
  /** A real server was added: its next hop should be resolved. */
  onServerAdded(address: string): void
}

/** May the draft fit into the tables in use? Asked before anything is changed. */
function refuseSize({ services }: TableDraft): Refusal | null {
  let servers = 0
  for (const service of services.values()) servers += service.servers.size
  if (services.size > tables.services.memory.capacity) {
    return refuse('ENOSPC', `${services.size} virtual services are more than the table holds`)
  }
  if (servers > tables.servers.memory.capacity) {
    return refuse('ENOSPC', `${servers} real servers are more than the table holds`)
  }
  return null
}

/** A step is one service. Ends with null, or with what could not be done; then all is as it was. */
export function* replaceTable(
  director: Director,
  draft: TableDraft,
  replacing: Replacing,
): Steps<Refusal | null> {
  replacing.use()
  const tooLarge = refuseSize(draft)
  if (tooLarge !== null) return tooLarge
  const before = draftOf(director)
  const refusal = yield* follow(director, draft, replacing)
  if (refusal === null) return null
  // What there was has been in these tables; it fits.
  const failure = yield* follow(director, before, replacing)
  if (failure !== null) throw new Error(`the table could not be put back: ${failure.message}`)
  return refusal
}

/** The director's table, as a draft. */
function draftOf(director: Director): TableDraft {
  const draft = new TableDraft()
  for (const [id, { key, settings, servers, locals }] of director.services) {
    // The director's lists begin with the newest.
    const oldestFirst = servers.toReversed()
    draft.services.set(id, {
      key,
      settings,
      servers: new Map(oldestFirst.map((each) => [serverId(each.key), { ...each }])),
      locals: new Set(locals.map(({ address }) => address)),
    })
  }
  return draft
}

function* follow(
  director: Director,
  draft: TableDraft,
  replacing: Replacing,
): Steps<Refusal | null> {
  // What goes away makes room for what comes.
  for (const [id, { key }] of [...director.services]) {
    if (draft.services.has(id)) continue
    replacing.use()
    director.deleteService(key)
    yield undefined
  }
  for (const wanted of draft.services.values()) {
    replacing.use()
    let refusal = followService(director, wanted, replacing)
    if (refusal?.errno === 'ENOSPC') {
      yield* reclaim(director, replacing)
      refusal = followService(director, wanted, replacing)
    }
    if (refusal !== null) return refusal
    yield undefined
  }
  return null
}

/** Frees what was replaced lately. */
function* reclaim(director: Director, { use }: Replacing): Steps<void> {
  for (let i = 0; i < RECLAIMS; i++) {
    yield 'rest'
    use()
    director.reclaim()
  }
}

function followService(
  director: Director,
  wanted: DraftService,
  replacing: Replacing,
): Refusal | null {
  const { key, settings } = wanted
  const found = director.services.get(serviceId(key))
  if (found === undefined) {
    const refusal = director.addService(key, settings)
    if (refusal !== null) return refusal
  }
  const entry = found ?? director.services.get(serviceId(key))!
  const editService = () =>
    isSame(entry.settings, settings) ? null : director.editService(key, settings)
  const followServers = () => changeServers(director, entry, wanted, replacing)
  // One-packet scheduling and FULLNAT exclude each other: what is given up goes first.
  const order = settings.onePacket ? [followServers, editService] : [editService, followServers]
  for (const step of [...order, () => changeLocals(director, entry, wanted)]) {
    const refusal = step()
    if (refusal !== null) return refusal
  }
  return null
}

/** New servers come before old ones go, so that there is no moment without; but for want of room. */
function changeServers(
  director: Director,
  entry: ServiceEntry,
  { key, servers }: DraftService,
  { onServerAdded }: Replacing,
): Refusal | null {
  const present = new Map(entry.servers.map((server) => [serverId(server.key), server]))
  const added: (() => Refusal | null)[] = []
  const edited: (() => Refusal | null)[] = []
  for (const [id, wanted] of servers) {
    const server = present.get(id)
    if (server === undefined) {
      added.push(() => director.addServer(key, wanted.key, wanted.settings))
    } else if (!isSame(server.settings, wanted.settings)) {
      edited.push(() => director.editServer(key, wanted.key, wanted.settings))
    }
  }
  const removed = [...present].flatMap(([id, server]) =>
    servers.has(id) ? [] : () => director.deleteServer(key, server.key),
  )
  const hasRoom = present.size + added.length <= SERVERS_PER_SERVICE_MAX
  const order = hasRoom ? [...added, ...removed] : [...removed, ...added]
  for (const step of [...edited, ...order]) {
    const refusal = step()
    if (refusal !== null) return refusal
  }
  for (const [id, wanted] of servers) if (!present.has(id)) onServerAdded(wanted.key.address)
  return null
}

function changeLocals(
  { locals }: Director,
  entry: ServiceEntry,
  wanted: DraftService,
): Refusal | null {
  const present = entry.locals.map(({ address }) => address)
  for (const address of wanted.locals) {
    const refusal = present.includes(address) ? null : locals.add(entry, address)
    if (refusal !== null) return refusal
  }
  for (const address of present) if (!wanted.locals.has(address)) locals.remove(entry, address)
  return null
}

/** Are two settings the same? Of their fields one holds settings of its own. */
function isSame<T extends ServiceSettings | ServerSettings>(a: T, b: T): boolean {
  return isDeepStrictEqual(a, b)
}
