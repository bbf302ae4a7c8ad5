/**
 * `nq` — never queue: the first usable server without an active connection, else as `sed` (ip_vs_nq.c).
 *
 * The list runs from the most recently added server; of several idle ones that is chosen, whatever its weight.
 */
import type { u32 } from '../../subset/integers.ts'
import { SERVERS_PER_SERVICE_MAX } from '../limits.ts'
import { serverCount, serverRow } from '../pool.ts'
import { isUsable } from '../server.ts'
import { servers } from '../tables.ts'
import { pickSed } from './sed.ts'

const serverAt = servers.cursor()

/** @apart */
export function pickNq(list: u32): u32 {
  const count: u32 = serverCount(list)
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    if (i >= count) break
    const row: u32 = serverRow(list, i)
    const server = serverAt.at(row)
    if (server !== null && server.active === 0 && isUsable(server)) return row
  }
  return pickSed(list)
}
