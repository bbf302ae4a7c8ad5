/**
 * FULLNAT (`-b`, Taobao): both addresses change, so answers find back whatever the server's routes are.
 *
 *   client ── CIP → VIP ──► director ── LIP → RIP ──► real server
 *   client ◄─ VIP → CIP ─── director ◄─ RIP → LIP ─── real server
 *
 * The server sees the local address. The client's travels in a TCP option once there is one: its place is
 * `rewriteSynOptions` and the room it keeps.
 */
import { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { TcpFlag } from '../wire/tcp.ts'
import type { Flow } from './flow.ts'
import { localRowOf } from './local-port.ts'
import { mtuOf, sendTo } from './next-hop.ts'
import { checkPassage, checkReplyPassage, PASSES, stay } from './passage.ts'
import { hopToClient, hopToServer } from './route.ts'
import { CLIENT_ADDRESS_BYTES, rewriteSynOptions } from './syn-options.ts'
import { locals, NONE, type Connection, type Server } from './tables.ts'
import {
  copyTuple,
  setDestinationClient,
  setDestinationServer,
  setSourceLocal,
  setSourceVirtual,
  translate,
  Tuple,
} from './translate.ts'
import { Reason } from './verdict.ts'

const request = Tuple.local()
const reply = Tuple.local()
const localAt = locals.cursor()

export function forwardFullnat(packet: Packet, flow: Flow, line: Connection, server: Server): u32 {
  const local = localAt.at(localRowOf(line))
  if (local === null || line.binding === 0) return Reason.noLocalAddress // not bound yet
  const clientHop: u32 = isSyn(flow) ? hopToClient(flow, line) : NONE
  const hop: u32 = hopToServer(flow, server)
  if (flow.egress === 0) return stay(packet, flow, hop, true)
  const passage: u32 = checkPassage(packet, flow, mtuOf(hop))
  if (passage !== PASSES) return passage
  if (isSyn(flow)) rewriteSynOptions(packet, flow, segmentMax(flow, hop, clientHop), true)
  copyTuple(request, flow)
  setSourceLocal(request, local, line)
  setDestinationServer(request, server, line)
  translate(packet, flow, request)
  return sendTo(packet, flow, hop, Reason.toServer)
}

export function replyFullnat(packet: Packet, flow: Flow, line: Connection, server: Server): u32 {
  const serverHop: u32 = isSyn(flow) ? hopToServer(flow, server) : NONE
  const hop: u32 = hopToClient(flow, line)
  const passage: u32 = checkReplyPassage(packet, flow, hop)
  if (passage !== PASSES) return passage
  if (isSyn(flow)) rewriteSynOptions(packet, flow, segmentMax(flow, serverHop, hop), false)
  copyTuple(reply, flow)
  setSourceVirtual(reply, line)
  setDestinationClient(reply, line)
  translate(packet, flow, reply)
  return sendTo(packet, flow, hop, Reason.toClient)
}

function isSyn(flow: Flow): boolean {
  return flow.protocol === Protocol.tcp && (flow.tcpFlags & TcpFlag.syn) !== 0
}

/** Bytes of payload that fit in a segment on both sides of the director. */
function segmentMax(flow: Flow, serverHop: u32, clientHop: u32): u32 {
  const toServer: u32 = mtuOf(serverHop)
  const toClient: u32 = mtuOf(clientHop)
  const mtu: u32 = toServer < toClient ? toServer : toClient
  if (mtu > 0xffff) return 0xffff
  const headers: u32 = flow.family === 4 ? 40 : 60
  return u32(mtu - headers - CLIENT_ADDRESS_BYTES)
}
