/**
 * `mh` — Maglev hashing: a client's server changes for few when servers come or go (ip_vs_mh.c; Eisenbud et al.,
 * "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016).
 *
 * A table of prime size, in which every server takes slots along a permutation of its own, as many a turn as
 * its weight is worth. mh-port and mh-fallback as for sh.
 */
import { u32 } from '../../subset/integers.ts'
import type { Flow } from '../flow.ts'
import { serverRow, tableEntry } from '../pool.ts'
import { isUsable } from '../server.ts'
import { sipHash } from '../siphash.ts'
import { NONE, ServiceFlag, servers, type Service } from '../tables.ts'
import { foldSource } from './sh.ts'

/** CONFIG_IP_VS_MH_TAB_INDEX=12, the kernel's default. */
export const MH_SLOTS = 4093
const TURN_BITS = 6
const KEY_OFFSET = 2654435761
const KEY_SKIP = 2654446892

const homeAt = servers.cursor()
const otherAt = servers.cursor()

/** @apart */
export function pickMh(service: Service, list: u32, flow: Flow): u32 {
  const port: u32 = (service.flags & ServiceFlag.schedulerFlag2) !== 0 ? flow.sourcePort : 0
  const key: u32 = u32(foldSource(flow) + port)
  const homeSlot: u32 = sipHash(key, KEY_OFFSET) % MH_SLOTS
  const home: u32 = rowAt(list, homeSlot)
  const server = homeAt.at(home)
  if (server === null) return NONE
  if (isUsable(server)) return home
  if ((service.flags & ServiceFlag.schedulerFlag1) === 0) return NONE
  for (let i: u32 = 0; i < MH_SLOTS; i++) {
    const offset: u32 = (i + homeSlot) % MH_SLOTS
    const row: u32 = rowAt(list, sipHash(u32(key + offset), KEY_OFFSET) % MH_SLOTS)
    const other = otherAt.at(row)
    if (other === null) return NONE
    if (isUsable(other)) return row
  }
  return NONE
}

/** The table holds list positions plus one. */
function rowAt(list: u32, slot: u32): u32 {
  const position: u32 = tableEntry(list, slot)
  return position === 0 ? NONE : serverRow(list, u32(position - 1))
}

/** What the build half needs to know of a server. */
export interface MhServer {
  /** Its address, folded as `foldSource` folds a client's. */
  readonly fold: number
  readonly port: number
  /** The last weight above 0 it had: a server that drains keeps its slots. 0: never had one. */
  readonly lastWeight: number
}

/**
 * The build half: slot → list position plus one; all 0 if no server ever had a weight.
 *
 * @control
 */
export function buildMh(list: readonly MhServer[]): Uint32Array {
  const slots = new Uint32Array(MH_SLOTS)
  const turns = turnsOf(list.map(({ lastWeight }) => lastWeight))
  const takers = list.map(({ fold, port }, position) => ({
    position,
    turns: turns[position]!,
    next: sipHash((port + fold) >>> 0, KEY_OFFSET) % MH_SLOTS,
    skip: (sipHash((port + fold) >>> 0, KEY_SKIP) % (MH_SLOTS - 1)) + 1,
  }))
  let free = takers.some(({ turns }) => turns > 0) ? MH_SLOTS : 0
  while (free > 0) {
    for (const taker of takers) {
      for (let turn = 0; turn < taker.turns && free > 0; turn++) {
        while (slots[taker.next] !== 0) taker.next = (taker.next + taker.skip) % MH_SLOTS
        slots[taker.next] = taker.position + 1
        free--
      }
    }
  }
  return slots
}

/**
 * Slots each server takes a turn: weights over their common divisor, shifted until they fit TURN_BITS.
 *
 * @control
 */
function turnsOf(weights: readonly number[]): number[] {
  let gcd = 0
  for (const weight of weights) {
    let a = weight
    let b = gcd
    while (b !== 0) [a, b] = [b, a % b]
    if (weight > 0) gcd = a
  }
  if (gcd === 0) return weights.map(() => 0)
  const widest = Math.max(...weights) / gcd
  const shift = Math.max(0, 32 - Math.clz32(widest) - TURN_BITS)
  return weights.map((weight) => (weight === 0 ? 0 : Math.max(1, (weight / gcd) >>> shift)))
}
