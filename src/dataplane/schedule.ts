/**
 * Which real server gets a new connection: the service's scheduler is asked.
 *
 * Adding one: a file in schedulers/ with its `pick`, its test beside it, a line in `SchedulerId` and one in
 * `pickServer`; if it has a `build` half, a line in director/server-list.ts. Numbers never change: they stand
 * in tables that outlive a daemon.
 */
import { u32 } from '../subset/integers.ts'
import type { Flow } from './flow.ts'
import { PoolOffset, poolWord } from './pool.ts'
import { pickDh } from './schedulers/dh.ts'
import { pickFo } from './schedulers/fo.ts'
import { pickLblc } from './schedulers/lblc.ts'
import { pickLblcr } from './schedulers/lblcr.ts'
import { pickLc } from './schedulers/lc.ts'
import { pickMh } from './schedulers/mh.ts'
import { pickNq } from './schedulers/nq.ts'
import { pickOvf } from './schedulers/ovf.ts'
import { pickRr } from './schedulers/rr.ts'
import { pickSed } from './schedulers/sed.ts'
import { pickSh } from './schedulers/sh.ts'
import { pickTwos } from './schedulers/twos.ts'
import { pickWlc } from './schedulers/wlc.ts'
import { pickWrr } from './schedulers/wrr.ts'
import { NONE, type Service } from './tables.ts'

/** 0 is 'none': a service that takes no new connections. */
export const SchedulerId = {
  none: 0,
  rr: 1,
  wrr: 2,
  lc: 3,
  wlc: 4,
  sh: 5,
  mh: 6,
  sed: 7,
  nq: 8,
  dh: 9,
  lblc: 10,
  lblcr: 11,
  fo: 12,
  ovf: 13,
  twos: 14,
} as const

/** A row of `servers`, or NONE if no server can take it. */
export function pickServer(service: Service, flow: Flow): u32 {
  const list: u32 = service.pool
  const scheduler: u32 = poolWord(u32(list + PoolOffset.scheduler))
  if (scheduler === SchedulerId.rr) return pickRr(service, list)
  if (scheduler === SchedulerId.wrr) return pickWrr(service, list)
  if (scheduler === SchedulerId.lc) return pickLc(list)
  if (scheduler === SchedulerId.wlc) return pickWlc(list)
  if (scheduler === SchedulerId.sh) return pickSh(service, list, flow)
  if (scheduler === SchedulerId.mh) return pickMh(service, list, flow)
  if (scheduler === SchedulerId.sed) return pickSed(list)
  if (scheduler === SchedulerId.nq) return pickNq(list)
  if (scheduler === SchedulerId.fo) return pickFo(list)
  if (scheduler === SchedulerId.ovf) return pickOvf(list)
  if (scheduler === SchedulerId.twos) return pickTwos(list)
  if (flow.icmpError === 0) return pickByDestination(service, list, flow, scheduler)
  // What an ICMP error quotes was on its way to the client: that is its destination (iph->daddr).
  swapEnds(flow)
  const picked: u32 = pickByDestination(service, list, flow, scheduler)
  swapEnds(flow)
  return picked
}

function pickByDestination(service: Service, list: u32, flow: Flow, scheduler: u32): u32 {
  if (scheduler === SchedulerId.dh) return pickDh(list, flow)
  if (scheduler === SchedulerId.lblc) return pickLblc(service, list, flow)
  if (scheduler === SchedulerId.lblcr) return pickLblcr(service, list, flow)
  return NONE
}

/** @apart */
function swapEnds(flow: Flow): void {
  const word0: u32 = flow.source0
  const word1: u32 = flow.source1
  const word2: u32 = flow.source2
  const word3: u32 = flow.source3
  flow.source0 = flow.destination0
  flow.source1 = flow.destination1
  flow.source2 = flow.destination2
  flow.source3 = flow.destination3
  flow.destination0 = word0
  flow.destination1 = word1
  flow.destination2 = word2
  flow.destination3 = word3
}
