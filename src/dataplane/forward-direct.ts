/**
 * DR, direct routing (`-g`): the packet stays as it is, only its MAC address becomes the real server's, which
 * has the VIP too and answers the client itself (ip_vs_dr_xmit).
 *
 *   client ── CIP → VIP ──► director ── CIP → VIP, MAC of the server ──► real server
 *   client ◄────────────────────── VIP → CIP ───────────────────────────┘
 *
 * The server must be a neighbour: behind a gateway the packet, still addressed to the VIP, would go astray.
 */
import type { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import type { Flow } from './flow.ts'
import { mtuOf, sendTo } from './next-hop.ts'
import { checkPassage, PASSES } from './passage.ts'
import { hopToServer } from './route.ts'
import type { Server } from './tables.ts'
import { countHop } from './translate.ts'
import { Reason } from './verdict.ts'

export function forwardDirect(packet: Packet, flow: Flow, server: Server): u32 {
  const hop: u32 = hopToServer(flow, server)
  if (flow.egress === 0 || !isNeighbour(flow, server)) return Reason.noRoute
  const passage: u32 = checkPassage(packet, flow, mtuOf(hop))
  if (passage !== PASSES) return passage
  countHop(packet, flow)
  return sendTo(packet, flow, hop, Reason.toServer)
}

function isNeighbour(flow: Flow, server: Server): boolean {
  return (
    flow.next3 === server.address3 &&
    flow.next2 === server.address2 &&
    flow.next1 === server.address1 &&
    flow.next0 === server.address0
  )
}
