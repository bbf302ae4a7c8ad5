/**
 * `wlc` — weighted least-connection, the default: the usable server with the least overhead / weight (ip_vs_wlc.c).
 *
 * Fractions are compared by cross-multiplication: no division, no floating point. The most recently added
 * server wins a tie.
 */
import { isProductGreater, type u32 } from '../../subset/integers.ts'
import { SERVERS_PER_SERVICE_MAX } from '../limits.ts'
import { serverCount, serverRow } from '../pool.ts'
import { isUsable, overhead } from '../server.ts'
import { NONE, servers } from '../tables.ts'

const serverAt = servers.cursor()

/** @apart */
export function pickWlc(list: u32): u32 {
  const count: u32 = serverCount(list)
  let best: u32 = NONE
  let bestOverhead: u32 = 0
  let bestWeight: u32 = 1
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    if (i >= count) break
    const row: u32 = serverRow(list, i)
    const server = serverAt.at(row)
    if (server === null || !isUsable(server)) continue
    const load: u32 = overhead(server)
    const weight: u32 = server.weight
    if (best !== NONE && !isProductGreater(bestOverhead, weight, load, bestWeight)) continue
    best = row
    bestOverhead = load
    bestWeight = weight
  }
  return best
}
