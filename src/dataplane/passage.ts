/**
 * May this packet go on to that hop? Its time to live and its size are looked at before anything is rewritten.
 *
 * Order and answers as in ip_vs_xmit.c (the route, decrement_ttl, then ensure_mtu_is_adequate). An IPv4 packet without
 * DF passes whatever its size: the engine fragments it where it leaves.
 */
import type { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { answer, Answer } from './answer.ts'
import type { Flow } from './flow.ts'
import { mtuOf } from './next-hop.ts'
import { sizeOnWire } from './oversize.ts'
import { hops, HopState, NONE, type Connection } from './tables.ts'
import { countHop } from './translate.ts'
import { Reason } from './verdict.ts'

/** Not a reason: it may. */
export const PASSES = 0xff
/** What every IPv4 link takes (RFC 791). */
export const IPV4_MTU_MIN = 68
/** What every IPv6 link takes (RFC 8200 section 5): never asked to be smaller. */
export const IPV6_MTU_MIN = 1280

const localHopAt = hops.cursor()

/** PASSES, or what became of the request instead. `mtu`: bytes of it that the way takes; NONE: any. */
export function checkPassage(packet: Packet, flow: Flow, mtu: u32): u32 {
  if (flow.timeToLive <= 1) {
    return answer(packet, flow, Answer.timeExceeded, 0, Reason.timeExceeded)
  }
  if (fits(packet, flow, mtu)) return PASSES
  countHop(packet, flow) // what is quoted has travelled this hop
  return answer(packet, flow, Answer.tooBig, toldMtu(flow, mtu), Reason.tooBig)
}

/**
 * What becomes of a request that cannot leave because `hop` leads nowhere: it is for the host itself, or told so.
 * `isChanged`: the host would have to get it with another address or port.
 */
export function stay(packet: Packet, flow: Flow, hop: u32, isChanged: boolean): u32 {
  const local = localHopAt.at(hop)
  if (local === null || local.state !== HopState.local) {
    return answer(packet, flow, Answer.noRoute, 0, Reason.noRoute)
  }
  return isChanged ? Reason.localPort : Reason.localServer
}

/** The same for a server's answer: the error to the server speaks for the VIP, too. */
export function checkReplyPassage(packet: Packet, flow: Flow, hop: u32, line: Connection): u32 {
  const expires: boolean = flow.timeToLive <= 1
  if (!expires && fits(packet, flow, mtuOf(hop))) return PASSES
  flow.destination0 = line.virtual0
  flow.destination1 = line.virtual1
  flow.destination2 = line.virtual2
  flow.destination3 = line.virtual3
  if (expires) return answer(packet, flow, Answer.timeExceeded, 0, Reason.timeExceeded)
  return answer(packet, flow, Answer.tooBig, toldMtu(flow, mtuOf(hop)), Reason.tooBig)
}

function fits(packet: Packet, flow: Flow, mtu: u32): boolean {
  if (mtu === NONE || flow.dontFragment === 0) return true
  return sizeOnWire(packet, flow) <= mtu
}

function toldMtu(flow: Flow, mtu: u32): u32 {
  return flow.family === 6 && mtu < IPV6_MTU_MIN ? IPV6_MTU_MIN : mtu
}
