/**
 * `ovf` — overflow: as `fo`, but a server is full once it has more active connections than weight (ip_vs_ovf.c).
 *
 * So each takes weight + 1. When all are full, nobody gets the connection. UDP is never active, and never overflows.
 */
import type { u32 } from '../../subset/integers.ts'
import { SERVERS_PER_SERVICE_MAX } from '../limits.ts'
import { serverCount, serverRow } from '../pool.ts'
import { isUsable } from '../server.ts'
import { NONE, servers } from '../tables.ts'

const serverAt = servers.cursor()

/** @apart */
export function pickOvf(list: u32): u32 {
  const count: u32 = serverCount(list)
  let heaviest: u32 = NONE
  let greatest: u32 = 0
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    if (i >= count) break
    const row: u32 = serverRow(list, i)
    const server = serverAt.at(row)
    if (server === null || !isUsable(server)) continue
    const weight: u32 = server.weight
    if (server.active > weight || weight <= greatest) continue
    heaviest = row
    greatest = weight
  }
  return heaviest
}
