/**
 * `sed` — shortest expected delay: the usable server with the least (active + 1) / weight (ip_vs_sed.c).
 *
 * The 1 is the connection to come, so that a heavy idle server is preferred to a light one. Inactive connections
 * do not count. The most recently added server wins a tie.
 */
import { isProductGreater, u32 } from '../../subset/integers.ts'
import { SERVERS_PER_SERVICE_MAX } from '../limits.ts'
import { serverCount, serverRow } from '../pool.ts'
import { isUsable } from '../server.ts'
import { NONE, servers } from '../tables.ts'

const serverAt = servers.cursor()

/** @apart */
export function pickSed(list: u32): u32 {
  const count: u32 = serverCount(list)
  let best: u32 = NONE
  let bestDelay: u32 = 0
  let bestWeight: u32 = 1
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    if (i >= count) break
    const row: u32 = serverRow(list, i)
    const server = serverAt.at(row)
    if (server === null || !isUsable(server)) continue
    const delay: u32 = u32(server.active + 1)
    const weight: u32 = server.weight
    if (best !== NONE && !isProductGreater(bestDelay, weight, delay, bestWeight)) continue
    best = row
    bestDelay = delay
    bestWeight = weight
  }
  return best
}
