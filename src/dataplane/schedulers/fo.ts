/**
 * `fo` — weighted failover: all to the usable server with the greatest weight (ip_vs_fo.c).
 *
 * The next one gets connections only while the heaviest is overloaded, or has weight 0. Of equal weights the most
 * recently added.
 */
import type { u32 } from '../../subset/integers.ts'
import { SERVERS_PER_SERVICE_MAX } from '../limits.ts'
import { serverCount, serverRow } from '../pool.ts'
import { isUsable } from '../server.ts'
import { NONE, servers } from '../tables.ts'

const serverAt = servers.cursor()

/** @apart */
export function pickFo(list: u32): u32 {
  const count: u32 = serverCount(list)
  let heaviest: u32 = NONE
  let greatest: u32 = 0
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    if (i >= count) break
    const row: u32 = serverRow(list, i)
    const server = serverAt.at(row)
    if (server === null || !isUsable(server) || server.weight <= greatest) continue
    heaviest = row
    greatest = server.weight
  }
  return heaviest
}
