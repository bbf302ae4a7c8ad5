/**
 * A director out of tables that an earlier daemon left, while packets go on.
 *
 * That daemon may have been killed between any two writes. What it was asked for is either in the tables or not: one
 * word decides (director.ts). Here the rest is made to follow from those words: half-written rows are cleared, rows and
 * index are written once more from the lists, and what nothing refers to is free. What the packet path counts stays;
 * rates begin anew.
 */
import { assert } from '../base/assert.ts'
import { Forwarding, Role, ServerFlag, ServiceFlag } from '../dataplane/tables.ts'
import { SchedulerId } from '../dataplane/schedule.ts'
import * as tables from '../dataplane/tables.ts'
import { AddressRoles } from './address-roles.ts'
import { ClaimLog, tunnelEnd } from './claim-log.ts'
import { CountedAddresses } from './counted-addresses.ts'
import { FIRST_SERVER_ROW, type Model } from './director-model.ts'
import { destinationsOf, sourcesOf } from './endpoints.ts'
import {
  readCounters,
  serviceId,
  type LocalEntry,
  type ServerEntry,
  type ServiceEntry,
} from './entries.ts'
import { wordsToIp } from '../base/ip.ts'
import { Estimator } from './estimator.ts'
import { LocalAddresses } from './local-addresses.ts'
import { Localities } from './localities.ts'
import { Marks } from './marks.ts'
import type { ServiceKey } from './model.ts'
import { PoolAllocator, type Stretch } from './pool-allocator.ts'
import { RowAllocator } from './row-allocator.ts'
import {
  localListStretch,
  readLocalList,
  readServerList,
  serverListStretch,
} from './server-list.ts'
import {
  joinService,
  originOf,
  returnsThroughUs,
  serverKeyOf,
  writeServerRow,
} from './server-rows.ts'
import { ServerTrash } from './server-trash.ts'
import { enterService, keepServices } from './service-index.ts'
import { clearServiceRow, keyOfService, writeServiceRow } from './service-rows.ts'
import { settingsOfService, type ServerSpec } from './spec.ts'
import { SpecialPorts } from './special-ports.ts'
import { SyncDaemons } from './sync/daemons.ts'
import { applySysctls } from './sysctls.ts'

/**
 * What the tables in use hold, put in order. Their schema must be ours (dataplane/schema.ts). Throws RangeError or
 * AssertionError for tables that no daemon can have left.
 */
export function adoptTables(): Model {
  const claims = new ClaimLog()
  const roles = new AddressRoles()
  // Before the first is added: a backup that leaves packets to the host takes none meanwhile.
  roles.setSuspended(new SyncDaemons().leavesToHost)
  const found = findLocals()
  const entries = findServices(found)
  const listed = entries.flatMap(({ servers }) => servers)
  const removed = findRemoved(new Set(listed.map(({ row }) => row)))
  const serverRows = RowAllocator.around(
    tables.servers.memory.capacity,
    [...listed, ...removed.map(({ server }) => server)].map(({ row }) => row),
    FIRST_SERVER_ROW,
  )
  const pool = PoolAllocator.around(tables.pool.memory.capacity, [
    ...entries.flatMap(stretchesOf),
    ...Marks.stretches(),
  ])
  const locals = new LocalAddresses(roles, pool, claims, found)
  for (const entry of entries) locals.adopt(entry.locals)
  const localities = new Localities()
  const addresses = new CountedAddresses()
  for (const { key } of [...listed, ...removed.map(({ server }) => server)])
    addresses.add(key.address)
  const trash = new ServerTrash({ rows: serverRows, roles, claims, localities, addresses })
  const model: Model = {
    services: new Map(entries.map((entry) => [serviceId(entry.key), entry])),
    locals,
    marks: Marks.adopt(pool, roles, claims),
    ports: new SpecialPorts(),
    claims,
    roles,
    serviceRows: RowAllocator.around(
      tables.services.memory.capacity,
      entries.map(({ row }) => row),
    ),
    serverRows,
    pool,
    trash,
    localities,
    addresses,
    order: Math.max(0, ...entries.map(({ row }) => tables.services.row(row).order)) + 1,
  }
  writeAgain(model, removed)
  return model
}

interface RemovedServer {
  readonly service: ServiceKey
  readonly server: ServerEntry
}

/** Makes everything that follows from services and lists follow. */
function writeAgain(model: Model, removed: readonly RemovedServer[]): void {
  const { services, roles, claims, trash } = model
  for (const { key } of services.values()) {
    if (!('firewallMark' in key)) roles.add(key.address, Role.virtual)
    for (const claim of destinationsOf(key)) claims.claim('destinations', claim)
  }
  const listed = [...services.values()].flatMap(({ servers }) => servers)
  for (const server of [...listed, ...removed.map(({ server }) => server)]) {
    if (server.hasTunnel) claims.claim('tunnels', tunnelEnd(server.key.address))
    if (!server.hasRole) continue
    roles.add(server.key.address, Role.real)
    for (const claim of server.sources) claims.claim('sources', claim)
  }
  clearOtherServices(new Set([...services.values()].map(({ row }) => row)))
  for (const entry of services.values()) writeServiceAgain(entry, model.localities)
  writeIndexAgain([...services.values()], model.ports)
  for (const { service, server } of removed) {
    leaveStrangers(service, server, services)
    trash.discard(serviceId(service), server)
  }
  roles.clearStrangers()
  applySysctls()
}

function writeServiceAgain(entry: ServiceEntry, localities: Localities): void {
  const service = tables.services.row(entry.row)
  const { spec } = readServerList(service.pool)
  writeServiceRow(service, spec)
  const isLocal = spec.scheduler === SchedulerId.lblc || spec.scheduler === SchedulerId.lblcr
  if (isLocal !== (service.localityKey !== 0)) localities.begin(entry.row, spec.scheduler)
  for (const server of entry.servers) {
    writeServerRow(server)
    if (server.hasRole) tables.servers.row(server.row).flags |= ServerFlag.returning
    joinService(server.row, entry.row)
  }
}

function writeIndexAgain(entries: readonly ServiceEntry[], ports: SpecialPorts): void {
  keepServices(new Set(entries.map(({ row }) => row)))
  for (const { key, row } of entries) {
    enterService(key, row)
    ports.note(key)
  }
  ports.tell()
}

/** A removed server whose service is gone, too, belongs to none. */
function leaveStrangers(
  service: ServiceKey,
  { row }: ServerEntry,
  services: ReadonlyMap<string, ServiceEntry>,
): void {
  const server = tables.servers.row(row)
  if (server.service !== services.get(serviceId(service))?.row) server.service = tables.NONE
}

/** Rows of services that were being added or removed. */
function clearOtherServices(rows: ReadonlySet<number>): void {
  for (let row = 0; row < tables.services.memory.capacity; row++) {
    if (!rows.has(row)) clearServiceRow(row)
  }
}

/** In the order they are listed in. */
function findServices(found: readonly LocalEntry[]): ServiceEntry[] {
  const locals = new Map(found.map((local) => [local.row, local]))
  const rows = rowsWhere(tables.services, ({ flags }) => (flags & ServiceFlag.hashed) !== 0)
  rows.sort((a, b) => tables.services.row(a).order - tables.services.row(b).order)
  return rows.map((row) => {
    const service = tables.services.row(row)
    assert(service.pool !== 0, `service row ${row} has a server list`)
    const key = keyOfService(service)
    const { spec, servers } = readServerList(service.pool)
    const estimator = new Estimator()
    estimator.begin(readCounters(service))
    return {
      row,
      key,
      settings: settingsOfService(spec),
      servers: servers.map((server) => readServer(key, server)),
      locals: readLocalList(service.locals).map((local) => {
        const entry = locals.get(local)
        assert(entry !== undefined, `local address row ${local} is in use`)
        return entry
      }),
      estimator,
    }
  })
}

function readServer(service: ServiceKey, spec: ServerSpec & { readonly row: number }): ServerEntry {
  const { row, settings, lastWeight } = spec
  const server = tables.servers.row(row)
  assert(server.family !== 0, `server row ${row} is in use`)
  const estimator = new Estimator()
  estimator.begin(readCounters(server))
  const isReturning = (server.flags & ServerFlag.returning) !== 0 || returnsThroughUs(settings)
  return {
    row,
    key: serverKeyOf(server),
    sources: sourcesOf(service, serverKeyOf(server)),
    settings,
    lastWeight,
    hasRole: isReturning,
    hasTunnel: server.forwarding === Forwarding.tunnel,
    estimator,
  }
}

/** Rows of servers that are in no list. What was asked for of them last is of no interest any more. */
function findRemoved(listed: ReadonlySet<number>): RemovedServer[] {
  const rows = rowsWhere(tables.servers, ({ family }) => family !== 0)
  return rows.flatMap((row) => {
    if (listed.has(row)) return []
    const service = originOf(row)
    const entry = readServer(service, { row, settings: NO_SETTINGS, lastWeight: 0 })
    return [{ service, server: entry }]
  })
}

const NO_SETTINGS = {
  forwarding: 'local',
  weight: 0,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnel: { type: 'ipip', port: 0, checksum: 'none' },
} as const

/** Addresses that services use, and those that only connections do. */
function findLocals(): LocalEntry[] {
  const isUsed = ({ address0, address1, address2, address3 }: tables.Local) =>
    (address0 | address1 | address2 | address3) !== 0
  return rowsWhere(tables.locals, isUsed).map((row) => {
    const { address0, address1, address2, address3 } = tables.locals.row(row)
    return { row, address: wordsToIp(address0, address1, address2, address3) }
  })
}

function stretchesOf({ row }: ServiceEntry): Stretch[] {
  const { pool, locals } = tables.services.row(row)
  const list = serverListStretch(pool)
  return locals === 0 ? [list] : [list, localListStretch(locals)]
}

interface Rows<Row> {
  readonly memory: { readonly capacity: number }
  row(index: number): Row
}

function rowsWhere<Row>(table: Rows<Row>, isWanted: (row: Row) => boolean): number[] {
  const rows: number[] = []
  for (let row = 0; row < table.memory.capacity; row++) {
    if (isWanted(table.row(row))) rows.push(row)
  }
  return rows
}
