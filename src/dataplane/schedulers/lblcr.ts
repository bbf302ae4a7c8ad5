/**
 * `lblcr` — locality-based least-connection with replication: a destination stays with a set of servers
 * (ip_vs_lblcr.c).
 *
 * The least loaded of the set gets the connection. When that has more active connections than weight, while another
 * server has less than half of its own, or nobody in the set is usable, the server that `wlc` chooses joins the set.
 * A set that has not changed for 24 hours (lblcr_expiration) loses its most loaded server.
 */
import { now } from '../../subset/clock.ts'
import type { u32 } from '../../subset/integers.ts'
import type { Flow } from '../flow.ts'
import { claimLocality, findLocality, publishLocality } from '../locality.ts'
import { addToSet, beginSet, leastInSet, shrinkSet } from '../locality-set.ts'
import { localities, NONE, type Service } from '../tables.ts'
import { timeoutOf, TimeoutRow } from '../timeout.ts'
import { isTooBusy } from './lblc.ts'
import { pickWlc } from './wlc.ts'

const lineAt = localities.cursor()
const freshLineAt = localities.cursor()

/** @apart */
export function pickLblcr(service: Service, list: u32, flow: Flow): u32 {
  const known: u32 = findLocality(service, flow)
  const line = lineAt.at(known)
  if (line !== null) {
    line.used = now()
    const least: u32 = leastInSet(line)
    shrinkSet(line, timeoutOf(TimeoutRow.lblcr))
    if (least !== NONE && !isTooBusy(list, least)) return least
  }
  const chosen: u32 = pickWlc(list)
  if (chosen === NONE) return NONE
  if (line !== null) addToSet(line, known, chosen)
  else remember(service, flow, chosen)
  return chosen
}

/** A destination that is new, with a set of one. */
function remember(service: Service, flow: Flow, server: u32): void {
  const index: u32 = claimLocality(service, flow)
  const line = freshLineAt.at(index)
  if (line === null) return
  beginSet(line, index, server)
  publishLocality(service, flow, index)
}
