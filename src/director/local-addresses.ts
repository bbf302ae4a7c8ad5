/**
 * FULLNAT's local addresses: which service sends from which, kept in `tables.locals`.
 *
 * One address may serve several services: it has one row, counted, so that its connections and ports are seen
 * together.
 */
import { Protocol } from '../wire/ip-protocol.ts'
import { Role } from '../dataplane/tables.ts'
import * as tables from '../dataplane/tables.ts'
import type { AddressRoles } from './address-roles.ts'
import type { ClaimLog } from './claim-log.ts'
import { checkLocal, refuse, serviceText } from './check.ts'
import { writeAddress, type LocalEntry, type ServiceEntry } from './entries.ts'
import type { LocalAddressListing, Refusal } from './model.ts'
import type { PoolAllocator } from './pool-allocator.ts'
import { RowAllocator } from './row-allocator.ts'
import { writeLocalList } from './server-list.ts'

/** Answers come back to a local address by these, on any port. */
const PROTOCOLS = [Protocol.tcp, Protocol.udp]

/** An address that is in use, or was: its row stays as long as connections name it. */
interface LocalUse {
  readonly row: number
  /** How many services use it. */
  services: number
  /** Calls of `reclaim` in which neither services nor connections used it. */
  idle: number
}

/** A packet that read a list just before it was switched has opened its connection by then. */
const IDLE_MAX = 2

export class LocalAddresses {
  readonly #roles: AddressRoles
  readonly #pool: PoolAllocator
  readonly #claims: ClaimLog
  readonly #rows: RowAllocator
  readonly #inUse = new Map<string, LocalUse>()

  /** `found`: what the tables hold already. Services then say what they use by `adopt`. */
  constructor(
    roles: AddressRoles,
    pool: PoolAllocator,
    claims: ClaimLog,
    found: readonly LocalEntry[] = [],
  ) {
    this.#roles = roles
    this.#pool = pool
    this.#claims = claims
    const rows = found.map(({ row }) => row)
    this.#rows = RowAllocator.around(tables.locals.memory.capacity, rows)
    for (const { row, address } of found) this.#note(address, row)
  }

  /** An adopted service uses these. */
  adopt(locals: readonly LocalEntry[]): void {
    for (const { address } of locals) this.#inUse.get(address)!.services++
  }

  add(entry: ServiceEntry, address: string): Refusal | null {
    const refusal = checkLocal(entry.key, address)
    if (refusal !== undefined) return refusal
    if (entry.locals.some((local) => local.address === address)) {
      return refuse('EEXIST', `${serviceText(entry.key)} has local address ${address} already`)
    }
    const use = this.#inUse.get(address) ?? this.#open(address)
    if (use === undefined) return refuse('ENOSPC', 'the table of local addresses is full')
    const locals = [...entry.locals, { row: use.row, address }]
    const service = tables.services.row(entry.row)
    if (
      !writeLocalList(
        this.#pool,
        service,
        locals.map(({ row }) => row),
      )
    ) {
      return refuse('ENOSPC', 'the pool of server lists is full')
    }
    use.services++
    entry.locals = locals
    return null
  }

  #open(address: string): LocalUse | undefined {
    const row = this.#rows.take()
    if (row === undefined) return undefined
    const local = tables.locals.row(row)
    local.connections = 0
    local.exhausted = 0
    writeAddress(local, address)
    return this.#note(address, row)
  }

  #note(address: string, row: number): LocalUse {
    const use = { row, services: 0, idle: 0 }
    this.#inUse.set(address, use)
    this.#roles.add(address, Role.local)
    for (const protocol of PROTOCOLS)
      this.#claims.claim('destinations', { address, protocol, port: 0 })
    return use
  }

  #close(address: string, row: number): void {
    this.#inUse.delete(address)
    this.#roles.remove(address, Role.local)
    for (const protocol of PROTOCOLS) {
      this.#claims.release('destinations', { address, protocol, port: 0 })
    }
    const local = tables.locals.row(row)
    ;[local.address0, local.address1, local.address2, local.address3] = [0, 0, 0, 0]
    this.#rows.retire(row)
  }

  remove(entry: ServiceEntry, address: string): Refusal | null {
    const left = entry.locals.filter((local) => local.address !== address)
    if (left.length === entry.locals.length) {
      return refuse('ENOENT', `${serviceText(entry.key)} has no local address ${address}`)
    }
    const service = tables.services.row(entry.row)
    if (
      !writeLocalList(
        this.#pool,
        service,
        left.map(({ row }) => row),
      )
    ) {
      return refuse('ENOSPC', 'the pool of server lists is full')
    }
    entry.locals = left
    this.#release(address)
    return null
  }

  /** The service goes away. */
  removeAll(entry: ServiceEntry): void {
    writeLocalList(this.#pool, tables.services.row(entry.row), [])
    for (const { address } of entry.locals) this.#release(address)
    entry.locals = []
  }

  #release(address: string): void {
    const use = this.#inUse.get(address)
    if (use !== undefined) use.services--
  }

  /** Frees addresses that neither services nor connections use any more. */
  reclaim(): void {
    this.#rows.reclaim()
    for (const [address, use] of this.#inUse) {
      const isUsed = use.services > 0 || tables.locals.row(use.row).connections > 0
      use.idle = isUsed ? 0 : use.idle + 1
      if (use.idle > IDLE_MAX) this.#close(address, use.row)
    }
  }

  list(entry: ServiceEntry): LocalAddressListing[] {
    return entry.locals.map(({ address, row }) => {
      const local = tables.locals.row(row)
      return { address, connections: local.connections, portsExhausted: local.exhausted }
    })
  }
}
