/**
 * Writes a service's server list and scheduling table into the pool: the control half of every scheduler.
 *
 * Written aside, then `service.pool` is switched by one word; the old stretch is retired.
 */
import { ipToWords } from '../base/ip.ts'
import { POOL_HEADER_WORDS, PoolOffset } from '../dataplane/pool.ts'
import { SchedulerId } from '../dataplane/schedule.ts'
import { buildMh } from '../dataplane/schedulers/mh.ts'
import { buildSh } from '../dataplane/schedulers/sh.ts'
import { buildWrr } from '../dataplane/schedulers/wrr.ts'
import { pool, type Service } from '../dataplane/tables.ts'
import type { PoolAllocator } from './pool-allocator.ts'

/** What the list says of one server. */
export interface ListedServer {
  readonly row: number
  readonly address: string
  readonly port: number
  readonly weight: number
  /** The last weight above 0 that it had. */
  readonly lastWeight: number
}

const NO_TABLE = new Uint32Array(0)

/** The scheduler's own table; empty for those that look through the list. */
function buildTable(scheduler: number, list: readonly ListedServer[]): Uint32Array {
  if (scheduler === SchedulerId.sh) return buildSh(list.map(({ weight }) => weight))
  if (scheduler === SchedulerId.mh) {
    return buildMh(
      list.map(({ address, port, lastWeight }) => ({ fold: foldText(address), port, lastWeight })),
    )
  }
  return NO_TABLE
}

function foldText(address: string): number {
  const [a, b, c, d] = ipToWords(address)
  return address.includes(':') ? (a ^ b ^ c ^ d) >>> 0 : d
}

/** Writes the list and switches `service` to it. False, and nothing changed: the pool is full. */
export function writeServerList(
  allocator: PoolAllocator,
  service: Service,
  list: readonly ListedServer[],
): boolean {
  const table = buildTable(service.scheduler, list)
  const words = POOL_HEADER_WORDS + list.length + table.length
  const offset = allocator.take(words)
  if (offset === undefined) return false
  const { gcd, firstWeight } = buildWrr(list.map(({ weight }) => weight))
  const write = (index: number, value: number) => {
    pool.row(offset + index).value = value
  }
  write(PoolOffset.servers, list.length)
  write(PoolOffset.tableWords, table.length)
  write(PoolOffset.gcd, gcd)
  write(PoolOffset.firstWeight, firstWeight)
  list.forEach(({ row }, i) => write(POOL_HEADER_WORDS + i, row))
  table.forEach((value, i) => write(POOL_HEADER_WORDS + list.length + i, value))
  const old = service.pool
  service.pool = offset
  retireServerList(allocator, old)
  return true
}

/** The list at `offset` is not pointed at any more; 0 is none. */
export function retireServerList(allocator: PoolAllocator, offset: number): void {
  if (offset === 0) return
  const servers = pool.row(offset + PoolOffset.servers).value
  const table = pool.row(offset + PoolOffset.tableWords).value
  allocator.retire(offset, POOL_HEADER_WORDS + servers + table)
}

/** Writes a service's local addresses (rows of `locals`) and switches to them. False: the pool is full. */
export function writeLocalList(
  allocator: PoolAllocator,
  service: Service,
  rows: readonly number[],
): boolean {
  const offset = rows.length === 0 ? 0 : allocator.take(1 + rows.length)
  if (offset === undefined) return false
  if (offset !== 0) {
    pool.row(offset).value = rows.length
    rows.forEach((row, i) => {
      pool.row(offset + 1 + i).value = row
    })
  }
  const old = service.locals
  service.locals = offset
  if (old !== 0) allocator.retire(old, 1 + pool.row(old).value)
  return true
}
