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
import { checkPassage, checkReplyPassage, PASSES, stay } from './passage.ts'
import { hopToClient, hopToServer } from './route.ts'
import type { Connection, Server } from './tables.ts'
import { copyTuple, setDestinationServer, setSourceVirtual, translate, Tuple } from './translate.ts'
import { Reason } from './verdict.ts'

const request = Tuple.local()
const reply = Tuple.local()

export function forwardNat(packet: Packet, flow: Flow, line: Connection, server: Server): u32 {
  const hop: u32 = hopToServer(flow, server)
  if (flow.egress === 0) {
    copyTuple(request, flow)
    setDestinationServer(request, server, line)
    return stay(packet, flow, hop, isChanged(flow))
  }
  const passage: u32 = checkPassage(packet, flow, mtuOf(hop))
  if (passage !== PASSES) return passage
  copyTuple(request, flow)
  setDestinationServer(request, server, line)
  translate(packet, flow, request)
  return sendTo(packet, flow, hop, Reason.toServer)
}

/** Is the real server's end another than the virtual one? */
function isChanged(flow: Flow): boolean {
  return (
    request.destination3 !== flow.destination3 ||
    request.destinationPort !== flow.destinationPort ||
    request.destination2 !== flow.destination2 ||
    request.destination1 !== flow.destination1 ||
    request.destination0 !== flow.destination0
  )
}

export function replyNat(packet: Packet, flow: Flow, line: Connection): u32 {
  const hop: u32 = hopToClient(flow, line)
  const passage: u32 = checkReplyPassage(packet, flow, hop)
  if (passage !== PASSES) return passage
  copyTuple(reply, flow)
  setSourceVirtual(reply, line)
  translate(packet, flow, reply)
  return sendTo(packet, flow, hop, Reason.toClient)
}
