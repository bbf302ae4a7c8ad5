/**
 * `wrr` — weighted round robin (ip_vs_wrr.c): rounds through the list, each asking for a little less weight.
 *
 * A server is taken if its weight reaches `currentWeight`; past the list's end that falls by the weights'
 * greatest common divisor, and below 1 begins again at the top. Over one period each server is chosen exactly
 * weight / gcd times, interleaved.
 *
 * The kernel walks round after round until somebody's weight suffices. Here one full round without success also
 * finds the heaviest usable server, and the weight falls to its level at once: the same choice in three
 * bounded passes, however far the weights lie apart.
 */
import { div, mul32, u32 } from '../../subset/integers.ts'
import { SERVERS_PER_SERVICE_MAX } from '../limits.ts'
import { PoolOffset, poolWord, serverCount, serverRow } from '../pool.ts'
import { isUsable } from '../server.ts'
import { NONE, servers, type Service } from '../tables.ts'

const candidateAt = servers.cursor()
const heaviestAt = servers.cursor()

/** @apart */
export function pickWrr(service: Service, list: u32): u32 {
  const firstWeight: u32 = poolWord(u32(list + PoolOffset.firstWeight))
  const gcd: u32 = poolWord(u32(list + PoolOffset.gcd))
  if (firstWeight === 0 || gcd === 0) return NONE
  const inThisRound: u32 = pickFrom(service, list, service.position)
  if (inThisRound !== NONE) return inThisRound
  service.currentWeight =
    service.currentWeight <= gcd ? firstWeight : u32(service.currentWeight - gcd)
  const inNextRound: u32 = pickFrom(service, list, 0)
  if (inNextRound !== NONE) return inNextRound
  const heaviest: u32 = heaviestWeight(list)
  if (heaviest === 0) return NONE
  const steps: u32 = div(u32(service.currentWeight - heaviest + gcd - 1), gcd)
  service.currentWeight = u32(service.currentWeight - mul32(steps, gcd))
  return pickFrom(service, list, 0)
}

/** The first server from `position` on that has the current weight; its place becomes the service's position. */
function pickFrom(service: Service, list: u32, position: u32): u32 {
  const count: u32 = serverCount(list)
  const weight: u32 = service.currentWeight
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    if (position + i >= count) break
    const row: u32 = serverRow(list, u32(position + i))
    const server = candidateAt.at(row)
    if (server === null || !isUsable(server) || server.weight < weight) continue
    service.position = u32(position + i + 1)
    return row
  }
  return NONE
}

/** The greatest weight among usable servers; 0: there are none. */
function heaviestWeight(list: u32): u32 {
  const count: u32 = serverCount(list)
  let heaviest: u32 = 0
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    if (i >= count) break
    const server = heaviestAt.at(serverRow(list, i))
    if (server === null || !isUsable(server)) continue
    if (server.weight > heaviest) heaviest = server.weight
  }
  return heaviest
}

/** What the pool's header holds for wrr. */
export interface WrrMark {
  readonly gcd: number
  /** maxWeight - (gcd - 1): every level between two multiples of the gcd chooses the same. */
  readonly firstWeight: number
}

/**
 * The build half: from the weights in the list. All zero: both are 0.
 *
 * @control
 */
export function buildWrr(weights: readonly number[]): WrrMark {
  let gcd = 0
  let max = 0
  for (const weight of weights) {
    let a = weight
    let b = gcd
    while (b !== 0) [a, b] = [b, a % b]
    if (weight > 0) gcd = a
    max = Math.max(max, weight)
  }
  return gcd === 0 ? { gcd: 0, firstWeight: 0 } : { gcd, firstWeight: max - (gcd - 1) }
}

/**
 * The current weight after the list or a weight changed (ip_vs_wrr_dest_changed); the position goes to the head.
 *
 * @control
 */
export function adjustCurrentWeight(currentWeight: number, { gcd, firstWeight }: WrrMark): number {
  if (currentWeight > firstWeight || currentWeight === 0) return firstWeight
  if (gcd > 1) return Math.floor(currentWeight / gcd) * gcd + 1
  return currentWeight
}
