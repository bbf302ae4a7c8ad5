/**
 * `twos` — the power of two choices: of two usable servers drawn by their weights, the less loaded (ip_vs_twos.c;
 * Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
 *
 * With T the sum of weights, a draw is a number from 0 to T, both included; it falls to the first server at which the
 * sum so far reaches it. Load is overhead / weight, and the first drawn wins a tie.
 */
import { isProductGreater, modulo, u32 } from '../../subset/integers.ts'
import { random } from '../../subset/clock.ts'
import { SERVERS_PER_SERVICE_MAX } from '../limits.ts'
import { serverCount, serverRow } from '../pool.ts'
import { isUsable, overhead } from '../server.ts'
import { NONE, servers } from '../tables.ts'

/** 1024 weights below 2^21 sum up to no more than 2^31; with one above, all are drawn by in units of 2^11. */
const WEIGHT_EXACT_MAX = (1 << 21) - 1
const COARSE_BITS = 11

const summedAt = servers.cursor()
const drawnAt = servers.cursor()
const firstAt = servers.cursor()
const secondAt = servers.cursor()

/** @apart */
export function pickTwos(list: u32): u32 {
  const count: u32 = serverCount(list)
  let exact: u32 = 0
  let coarse: u32 = 0
  let heaviest: u32 = 0
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    if (i >= count) break
    const server = summedAt.at(serverRow(list, i))
    if (server === null || !isUsable(server)) continue
    const weight: u32 = server.weight
    exact = u32(exact + weight)
    coarse = u32(coarse + shareOf(weight, true))
    if (weight > heaviest) heaviest = weight
  }
  if (heaviest === 0) return NONE
  const isCoarse: boolean = heaviest > WEIGHT_EXACT_MAX
  const total: u32 = isCoarse ? coarse : exact
  const draw1: u32 = modulo(random(), u32(total + 1))
  const draw2: u32 = modulo(random(), u32(total + 1))
  return pickDrawn(list, isCoarse, draw1, draw2)
}

/** Differs from IPVS: its sum of weights overflows at 2^31, and what it then draws is anybody's guess. */
function shareOf(weight: u32, isCoarse: boolean): u32 {
  if (!isCoarse) return weight
  const share: u32 = weight >>> COARSE_BITS
  return share === 0 ? 1 : share
}

function pickDrawn(list: u32, isCoarse: boolean, draw1: u32, draw2: u32): u32 {
  const count: u32 = serverCount(list)
  let sum: u32 = 0
  let one: u32 = NONE
  let two: u32 = NONE
  // A weight lowered meanwhile may leave a draw without a server: then the last one gets it.
  let last: u32 = NONE
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    if (i >= count || (one !== NONE && two !== NONE)) break
    const row: u32 = serverRow(list, i)
    const server = drawnAt.at(row)
    if (server === null || !isUsable(server)) continue
    sum = u32(sum + shareOf(server.weight, isCoarse))
    last = row
    if (one === NONE && draw1 <= sum) one = row
    if (two === NONE && draw2 <= sum) two = row
  }
  return lessLoaded(one === NONE ? last : one, two)
}

function lessLoaded(one: u32, two: u32): u32 {
  const first = firstAt.at(one)
  const second = secondAt.at(two)
  if (first === null || second === null) return one
  return isProductGreater(overhead(first), second.weight, overhead(second), first.weight)
    ? two
    : one
}
