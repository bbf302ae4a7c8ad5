/**
 * Writes a service's server list and scheduling table into the pool: the control half of every scheduler.
 *
 * Written aside, then `service.pool` is switched by one word; the old stretch is retired. The list holds all that was
 * asked for of the service and its servers (spec.ts), so that word is the whole of every edit.
 */
import { ipToWords } from '../base/ip.ts'
import { POOL_HEADER_WORDS, PoolOffset } from '../dataplane/pool.ts'
import { SchedulerId } from '../dataplane/schedule.ts'
import { buildMh } from '../dataplane/schedulers/mh.ts'
import { buildSh } from '../dataplane/schedulers/sh.ts'
import { buildWrr } from '../dataplane/schedulers/wrr.ts'
import { pool, type Service } from '../dataplane/tables.ts'
import type { ServerKey } from './model.ts'
import type { PoolAllocator, Stretch } from './pool-allocator.ts'
import {
  readServerSpec,
  SERVER_SPEC_WORDS,
  writeServerSpec,
  type ServerSpec,
  type ServiceSpec,
} from './spec.ts'

/** What the list says of one server. */
export interface ListedServer extends ServerSpec {
  readonly row: number
  readonly key: ServerKey
}

/** The scheduler's own table: a list position plus one for each slot; none for those that look through the list. */
function buildSlots(scheduler: number, list: readonly ListedServer[]): Uint32Array {
  if (scheduler === SchedulerId.sh) return buildSh(list.map(({ settings }) => settings.weight))
  if (scheduler === SchedulerId.mh) {
    return buildMh(
      list.map(({ key: { address, port }, lastWeight }) => {
        return { fold: foldText(address), port, lastWeight }
      }),
    )
  }
  return new Uint32Array(0)
}

/** Two slots a word, as `tableEntry` reads them; tables are little-endian, as is every machine this runs on. */
function packSlots(slots: Uint32Array): Uint32Array {
  const halves = new Uint16Array(Math.ceil(slots.length / 2) * 2)
  halves.set(slots)
  return new Uint32Array(halves.buffer)
}

function foldText(address: string): number {
  const [a, b, c, d] = ipToWords(address)
  return address.includes(':') ? (a ^ b ^ c ^ d) >>> 0 : d
}

/** Writes the list and switches `service` to it. False, and nothing changed: the pool is full. */
export function writeServerList(
  allocator: PoolAllocator,
  service: Service,
  spec: ServiceSpec,
  list: readonly ListedServer[],
): boolean {
  const table = packSlots(buildSlots(spec.scheduler, list))
  const { gcd, firstWeight } = buildWrr(list.map(({ settings }) => settings.weight))
  const specs = POOL_HEADER_WORDS + list.length + table.length
  const words = new Uint32Array(specs + list.length * SERVER_SPEC_WORDS)
  const header = words.subarray(0, POOL_HEADER_WORDS)
  header[PoolOffset.servers] = list.length
  header[PoolOffset.tableWords] = table.length
  header[PoolOffset.gcd] = gcd
  header[PoolOffset.firstWeight] = firstWeight
  header[PoolOffset.scheduler] = spec.scheduler
  header[PoolOffset.flags] = spec.flags
  header[PoolOffset.persistence] = spec.persistence
  header[PoolOffset.netmask] = spec.netmask
  list.forEach((server, i) => {
    words[POOL_HEADER_WORDS + i] = server.row
    writeServerSpec(server, words, specs + i * SERVER_SPEC_WORDS)
  })
  words.set(table, POOL_HEADER_WORDS + list.length)
  const offset = writeAside(allocator, words)
  if (offset === undefined) return false
  const old = service.pool
  service.pool = offset
  retireServerList(allocator, old)
  return true
}

function writeAside(allocator: PoolAllocator, words: Uint32Array): number | undefined {
  const offset = allocator.take(words.length)
  if (offset === undefined) return undefined
  const { bytes, base } = pool.memory
  for (let i = 0; i < words.length; i++) {
    bytes.setUint32(base + 4 * (offset + i), words[i]!, true)
  }
  return offset
}

/** The list at `offset` is not pointed at any more; 0 is none. */
export function retireServerList(allocator: PoolAllocator, offset: number): void {
  if (offset !== 0) allocator.retire(offset, serverListStretch(offset).words)
}

/** Where the list at `offset`, which is not 0, stands. */
export function serverListStretch(offset: number): Stretch {
  const servers = wordAt(offset + PoolOffset.servers)
  const table = wordAt(offset + PoolOffset.tableWords)
  return { offset, words: POOL_HEADER_WORDS + servers * (1 + SERVER_SPEC_WORDS) + table }
}

/** The list that stands at `offset`, as `writeServerList` wrote it. Throws RangeError if nobody can have. */
export function readServerList(offset: number): {
  readonly spec: ServiceSpec
  readonly servers: readonly (ServerSpec & { readonly row: number })[]
} {
  const servers = wordAt(offset + PoolOffset.servers)
  const rows = offset + POOL_HEADER_WORDS
  const specs = rows + servers + wordAt(offset + PoolOffset.tableWords)
  return {
    spec: {
      scheduler: wordAt(offset + PoolOffset.scheduler),
      flags: wordAt(offset + PoolOffset.flags),
      persistence: wordAt(offset + PoolOffset.persistence),
      netmask: wordAt(offset + PoolOffset.netmask),
    },
    servers: Array.from({ length: servers }, (_, i) => ({
      row: wordAt(rows + i),
      ...readServerSpec(wordsAt(specs + i * SERVER_SPEC_WORDS, SERVER_SPEC_WORDS)),
    })),
  }
}

/** Writes a service's local addresses (rows of `locals`) and switches to them. False: the pool is full. */
export function writeLocalList(
  allocator: PoolAllocator,
  service: Service,
  rows: readonly number[],
): boolean {
  const offset = rows.length === 0 ? 0 : writeAside(allocator, Uint32Array.of(rows.length, ...rows))
  if (offset === undefined) return false
  const old = service.locals
  service.locals = offset
  if (old !== 0) allocator.retire(old, localListStretch(old).words)
  return true
}

/** Where the local addresses at `offset`, which is not 0, stand. */
export function localListStretch(offset: number): Stretch {
  return { offset, words: 1 + wordAt(offset) }
}

/** The rows of `locals` that the list at `offset` names; 0 is none. */
export function readLocalList(offset: number): number[] {
  return offset === 0 ? [] : wordsAt(offset + 1, wordAt(offset))
}

function wordAt(index: number): number {
  return pool.row(index).value
}

function wordsAt(index: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => wordAt(index + i))
}
