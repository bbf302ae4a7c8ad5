/**
 * The pool: where each service's server list and scheduling table stand, written aside and switched by one word.
 *
 *   pool + 0     servers in the list (n)
 *        + 1     words of scheduling table (t)
 *        + 2     wrr: greatest common divisor of the weights
 *        + 3     wrr: the weight to begin each round with
 *        + 4     the scheduler, a SchedulerId
 *        + 5     the service's flags, persistence and netmask, for whoever adopts the tables: rows follow them
 *        + 8     n server rows, most recently added first, as IPVS keeps them
 *   + 8 + n      t words of the scheduler's own: a hash table for sh and mh, two entries a word; nothing for
 *                those that scan
 *   + 8 + n + t  n times what was asked for of each server, for whoever adopts the tables (director/server-list.ts)
 *
 * A list of local addresses is simpler: a count, then rows of `locals`.
 */
import { u32 } from '../subset/integers.ts'
import { pool } from './tables.ts'

export const POOL_HEADER_WORDS = 8
export const PoolOffset = {
  servers: 0,
  tableWords: 1,
  gcd: 2,
  firstWeight: 3,
  scheduler: 4,
  flags: 5,
  persistence: 6,
  netmask: 7,
} as const

const wordAt = pool.cursor()

/** One word of the pool; 0 past its end. */
export function poolWord(index: u32): u32 {
  const word = wordAt.at(index)
  return word === null ? 0 : word.value
}

/** Servers in the list. */
export function serverCount(list: u32): u32 {
  return poolWord(list)
}

/** The row of the server at `position` (0: the head) of the list. */
export function serverRow(list: u32, position: u32): u32 {
  return poolWord(u32(list + POOL_HEADER_WORDS + position))
}

/** Half-word `index` of the scheduling table: it holds list positions plus one, two a word. */
export function tableEntry(list: u32, index: u32): u32 {
  const table: u32 = u32(list + POOL_HEADER_WORDS + serverCount(list))
  const pair: u32 = poolWord(u32(table + (index >>> 1)))
  return (index & 1) === 0 ? pair & 0xffff : pair >>> 16
}
