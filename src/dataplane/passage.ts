/**
 * May this packet go on to that hop? Its time to live and its size are looked at before anything is rewritten.
 *
 * Order and answers as in ip_vs_xmit.c (the route, decrement_ttl, then ensure_mtu_is_adequate). An IPv4 packet without
 * DF passes whatever its size: the engine fragments it where it leaves.
 */
import type { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { answer, Answer, answerBytes } from './answer.ts'
import { BUSY, forwardingOf } from './connection.ts'
import type { Flow } from './flow.ts'
import { mtuOf, sendTo } from './next-hop.ts'
import { sizeOnWire } from './oversize.ts'
import { findHop } from './route.ts'
import { countReply } from './state.ts'
import { connections, Forwarding, hops, HopState, NONE, servers } from './tables.ts'
import { countHop } from './translate.ts'
import { Reason, Verdict, verdictOf } from './verdict.ts'

/** Not a reason: it may. */
export const PASSES = 0xff
/** What every IPv4 link takes (RFC 791). */
export const IPV4_MTU_MIN = 68
/** What every IPv6 link takes (RFC 8200 section 5): never asked to be smaller. */
export const IPV6_MTU_MIN = 1280

const localHopAt = hops.cursor()
const ownHopAt = hops.cursor()
const refusedLineAt = connections.cursor()
const refusedServerAt = servers.cursor()

/** PASSES, or what became of the request instead. `mtu`: bytes of it that the way takes; NONE: any. */
export function checkPassage(packet: Packet, flow: Flow, mtu: u32): u32 {
  if (flow.timeToLive <= 1) {
    return refuse(packet, flow, Answer.timeExceeded, 0, Reason.timeExceeded)
  }
  if (fits(packet, flow, mtu)) return PASSES
  countHop(packet, flow) // what is quoted has travelled this hop
  return refuse(packet, flow, Answer.tooBig, toldMtu(flow, mtu), Reason.tooBig)
}

/**
 * The client is told so. What the host sends from a virtual address counts as the connection's answer, if its packets
 * keep that address on their way to the server (ip_vs_conn_out_get: IPVS sees its own errors go).
 *
 * @apart
 */
function refuse(packet: Packet, flow: Flow, what: u32, mtu: u32, silent: u32): u32 {
  const reason: u32 = answer(packet, flow, what, mtu, silent)
  if (verdictOf(reason) !== Verdict.send) return reason
  const line = refusedLineAt.at(flow.connection)
  if (line === null || line.owner === BUSY) return reason
  const method: u32 = forwardingOf(line)
  if (method === Forwarding.masquerade || method === Forwarding.fullnat) return reason
  const server = refusedServerAt.at(line.server)
  if (server === null) return reason
  const length: u32 = flow.length
  flow.length = answerBytes(flow)
  countReply(flow, server)
  flow.length = length
  return reason
}

/**
 * What becomes of a request that cannot leave because `hop` leads nowhere: it is for the host itself, or told so.
 * `isChanged`: the host would have to get it with another address or port.
 */
export function stay(packet: Packet, flow: Flow, hop: u32, isChanged: boolean): u32 {
  const local = localHopAt.at(hop)
  if (local === null || local.state !== HopState.local) {
    return refuse(packet, flow, Answer.noRoute, 0, Reason.noRoute)
  }
  return isChanged ? Reason.localPort : Reason.localServer
}

/**
 * The same for a server's answer, which goes through the host as through any router: the error to the server speaks for
 * the host on its side.
 */
export function checkReplyPassage(packet: Packet, flow: Flow, hop: u32): u32 {
  const expires: boolean = flow.timeToLive <= 1
  const mtu: u32 = mtuOf(hop)
  if (!expires && fits(packet, flow, mtu)) return PASSES
  return expires ? refuseExpired(packet, flow) : refuseLarge(packet, flow, toldMtu(flow, mtu))
}

function refuseExpired(packet: Packet, flow: Flow): u32 {
  if (!speakForHost(flow)) return Reason.timeExceeded
  return sendBack(packet, flow, answer(packet, flow, Answer.timeExceeded, 0, Reason.timeExceeded))
}

function refuseLarge(packet: Packet, flow: Flow, mtu: u32): u32 {
  if (!speakForHost(flow)) return Reason.tooBig
  return sendBack(packet, flow, answer(packet, flow, Answer.tooBig, mtu, Reason.tooBig))
}

/** Puts the host's address towards the packet's sender in the destination's place. False: it is not known. */
export function speakForHost(flow: Flow): boolean {
  const hop = ownHopAt.at(hopToSender(flow))
  if (hop === null || (hop.own3 === 0 && hop.own0 === 0)) return false
  flow.destination0 = hop.own0
  flow.destination1 = hop.own1
  flow.destination2 = hop.own2
  flow.destination3 = hop.own3
  return true
}

/** An answer that was made goes by the way to its receiver, not back where the packet came from. */
export function sendBack(packet: Packet, flow: Flow, answered: u32): u32 {
  if (verdictOf(answered) !== Verdict.send) return answered
  return sendTo(packet, flow, hopToSender(flow), answered)
}

/** @apart */
function hopToSender(flow: Flow): u32 {
  return findHop(flow, flow.source0, flow.source1, flow.source2, flow.source3)
}

function fits(packet: Packet, flow: Flow, mtu: u32): boolean {
  if (mtu === NONE || flow.dontFragment === 0) return true
  return sizeOnWire(packet, flow) <= mtu
}

function toldMtu(flow: Flow, mtu: u32): u32 {
  return flow.family === 6 && mtu < IPV6_MTU_MIN ? IPV6_MTU_MIN : mtu
}
