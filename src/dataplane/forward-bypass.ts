/**
 * cache_bypass: what has a firewall mark and no usable server goes on to where its client sent it (ip_vs_bypass_xmit).
 *
 * Such a connection is bound to row BYPASS_SERVER of `servers`, which is nobody's and has no address.
 */
import type { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import type { Flow } from './flow.ts'
import { mtuOf, sendTo } from './next-hop.ts'
import { checkPassage, PASSES } from './passage.ts'
import { findHop } from './route.ts'
import { hops, HopState, NONE } from './tables.ts'
import { countHop } from './translate.ts'
import { Reason } from './verdict.ts'

/** The row of `servers` that stands for "wherever it was sent". */
export const BYPASS_SERVER = 0

const hopAt = hops.cursor()

/** Is there a way to the packet's destination that does not end at this host? */
export function mayBypass(flow: Flow): boolean {
  const row: u32 = findDestination(flow)
  if (flow.egress === 0) return false
  const hop = hopAt.at(row)
  return hop === null || hop.state !== HopState.local
}

/** @apart */
export function forwardBypass(packet: Packet, flow: Flow): u32 {
  const hop: u32 = findDestination(flow)
  if (hop === NONE && flow.egress === 0) return Reason.noRoute
  const passage: u32 = checkPassage(packet, flow, mtuOf(hop))
  if (passage !== PASSES) return passage
  countHop(packet, flow)
  return sendTo(packet, flow, hop, Reason.bypassed)
}

function findDestination(flow: Flow): u32 {
  return findHop(flow, flow.destination0, flow.destination1, flow.destination2, flow.destination3)
}
