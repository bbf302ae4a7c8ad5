/**
 * `lblc` — locality-based least-connection: a destination stays with the server that had it last (ip_vs_lblc.c).
 *
 * For cache servers behind a firewall mark. Only when that server is gone, has weight 0, or has more active
 * connections than weight while another has less than half of its own, the destination goes to the server that `wlc`
 * chooses, and stays there. Overload does not count: a destination may bring its server more than its threshold.
 */
import { now } from '../../subset/clock.ts'
import type { u32 } from '../../subset/integers.ts'
import { isAvailable } from '../connection.ts'
import type { Flow } from '../flow.ts'
import { SERVERS_PER_SERVICE_MAX } from '../limits.ts'
import { claimLocality, findLocality, publishLocality } from '../locality.ts'
import { serverCount, serverRow } from '../pool.ts'
import { localities, NONE, servers, type Service } from '../tables.ts'
import { pickWlc } from './wlc.ts'

const lineAt = localities.cursor()
const freshLineAt = localities.cursor()
const lastServerAt = servers.cursor()
const busyServerAt = servers.cursor()
const otherServerAt = servers.cursor()

/** @apart */
export function pickLblc(service: Service, list: u32, flow: Flow): u32 {
  const line = lineAt.at(findLocality(service, flow))
  if (line !== null) {
    line.used = now()
    const last: u32 = line.server
    const server = lastServerAt.at(last)
    const mayStay: boolean = server !== null && isAvailable(server) && server.weight !== 0
    if (mayStay && !isTooBusy(list, last)) return last
  }
  const chosen: u32 = pickWlc(list)
  if (chosen === NONE) return NONE
  if (line !== null) line.server = chosen
  else remember(service, flow, chosen)
  return chosen
}

function remember(service: Service, flow: Flow, server: u32): void {
  const index: u32 = claimLocality(service, flow)
  const line = freshLineAt.at(index)
  if (line === null) return
  line.server = server
  publishLocality(service, flow, index)
}

/** More active connections than weight, while somebody in the list has less than half of his own? */
export function isTooBusy(list: u32, row: u32): boolean {
  const server = busyServerAt.at(row)
  if (server === null || server.active <= server.weight) return false
  const count: u32 = serverCount(list)
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    if (i >= count) break
    const other = otherServerAt.at(serverRow(list, i))
    if (other !== null && other.active * 2 < other.weight) return true
  }
  return false
}
