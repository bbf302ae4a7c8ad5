/**
 * `dh` — destination hashing: the same destination address, the same server (ip_vs_dh.c).
 *
 * For cache servers behind a firewall mark, where destinations differ. The kernel has 256 slots and fills them by
 * going through the list again and again, so slot i is the server at i modulo their number: no table is needed.
 * Weights only say who takes nothing; then the client is refused.
 */
import { modulo, mul32, u32 } from '../../subset/integers.ts'
import type { Flow } from '../flow.ts'
import { serverCount, serverRow } from '../pool.ts'
import { isUsable } from '../server.ts'
import { NONE, servers } from '../tables.ts'
import { GOLDEN_RATIO } from './sh.ts'

const serverAt = servers.cursor()

/** @apart */
export function pickDh(list: u32, flow: Flow): u32 {
  const count: u32 = serverCount(list)
  if (count === 0) return NONE
  const slot: u32 = mul32(foldDestination(flow), GOLDEN_RATIO) >>> 24
  const row: u32 = serverRow(list, modulo(slot, count))
  const server = serverAt.at(row)
  return server === null || !isUsable(server) ? NONE : row
}

/** The address as IPVS folds it: IPv4 itself, IPv6 the four words by exclusive or. */
function foldDestination(flow: Flow): u32 {
  if (flow.family === 4) return flow.destination3
  return u32(flow.destination0 ^ flow.destination1 ^ flow.destination2 ^ flow.destination3)
}
