/**
 * `lc` — least-connection: the usable server with the least overhead, whatever its weight (ip_vs_lc.c).
 * The most recently added one wins a tie.
 */
import type { u32 } from '../../subset/integers.ts'
import { SERVERS_PER_SERVICE_MAX } from '../limits.ts'
import { serverCount, serverRow } from '../pool.ts'
import { isUsable, overhead } from '../server.ts'
import { NONE, servers } from '../tables.ts'

const serverAt = servers.cursor()

/** @apart */
export function pickLc(list: u32): u32 {
  const count: u32 = serverCount(list)
  let best: u32 = NONE
  let bestOverhead: u32 = 0
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    if (i >= count) break
    const row: u32 = serverRow(list, i)
    const server = serverAt.at(row)
    if (server === null || !isUsable(server)) continue
    const load: u32 = overhead(server)
    if (best !== NONE && load >= bestOverhead) continue
    best = row
    bestOverhead = load
  }
  return best
}
