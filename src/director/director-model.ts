/**
 * What a director knows besides the tables: nothing at first, or what adopt.ts found in tables.
 */
import { BYPASS_SERVER } from '../dataplane/forward-bypass.ts'
import * as tables from '../dataplane/tables.ts'
import { AddressRoles } from './address-roles.ts'
import { ClaimLog } from './claim-log.ts'
import { CountedAddresses } from './counted-addresses.ts'
import type { ServiceEntry } from './entries.ts'
import { LocalAddresses } from './local-addresses.ts'
import { Localities } from './localities.ts'
import { Marks } from './marks.ts'
import { PoolAllocator } from './pool-allocator.ts'
import { RowAllocator } from './row-allocator.ts'
import { ServerTrash } from './server-trash.ts'
import { SpecialPorts } from './special-ports.ts'

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

/** Of fresh tables, which are in use. */
export function emptyModel(): Model {
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
