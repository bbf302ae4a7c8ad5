/**
 * `rr` — round robin: the next usable server in the list after the one last chosen (ip_vs_rr.c).
 *
 * The list runs from the most recently added server, and the position survives edits.
 */
import { u32 } from '../../subset/integers.ts'
import { SERVERS_PER_SERVICE_MAX } from '../limits.ts'
import { serverCount, serverRow } from '../pool.ts'
import { isUsable } from '../server.ts'
import { NONE, servers, type Service } from '../tables.ts'

const serverAt = servers.cursor()

/** @apart */
export function pickRr(service: Service, list: u32): u32 {
  const count: u32 = serverCount(list)
  let position: u32 = service.position
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    if (i >= count) break
    if (position >= count) position = 0
    const row: u32 = serverRow(list, position)
    position = u32(position + 1)
    const server = serverAt.at(row)
    if (server === null || !isUsable(server)) continue
    service.position = position
    return row
  }
  return NONE
}
