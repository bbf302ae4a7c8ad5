/**
 * NAT (`-m`): requests get the real server's address and port, answers the VIP's; both pass the director.
 *
 *   client ── CIP → VIP ──► director ── CIP → RIP ──► real server     (ip_vs_nat_xmit)
 *   client ◄─ VIP → CIP ─── director ◄─ RIP → CIP ─── real server     (handle_response)
 */
import type { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import type { Flow } from './flow.ts'
import { mtuOf, sendTo } from './next-hop.ts'
import { checkPassage, checkReplyPassage, PASSES } from './passage.ts'
import { hopToClient, hopToServer } from './route.ts'
import type { Connection, Server } from './tables.ts'
import { copyTuple, setDestinationServer, setSourceVirtual, translate, Tuple } from './translate.ts'
import { Reason } from './verdict.ts'

const request = Tuple.local()
const reply = Tuple.local()

export function forwardNat(packet: Packet, flow: Flow, line: Connection, server: Server): u32 {
  const hop: u32 = hopToServer(flow, server)
  const passage: u32 = checkPassage(packet, flow, mtuOf(hop))
  if (passage !== PASSES) return passage
  copyTuple(request, flow)
  setDestinationServer(request, server, line)
  translate(packet, flow, request)
  return sendTo(packet, flow, hop, Reason.toServer)
}

export function replyNat(packet: Packet, flow: Flow, line: Connection): u32 {
  const hop: u32 = hopToClient(flow, line)
  const passage: u32 = checkReplyPassage(packet, flow, hop, line)
  if (passage !== PASSES) return passage
  copyTuple(reply, flow)
  setSourceVirtual(reply, line)
  translate(packet, flow, reply)
  return sendTo(packet, flow, hop, Reason.toClient)
}
