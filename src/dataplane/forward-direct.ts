/**
 * DR, direct routing (`-g`): the packet stays as it is, only its MAC address becomes the real server's, which
 * has the VIP too and answers the client itself (ip_vs_dr_xmit).
 *
 *   client ── CIP → VIP ──► director ── CIP → VIP, MAC of the server ──► real server
 *   client ◄────────────────────── VIP → CIP ───────────────────────────┘
 *
 * The server should be a neighbour. Behind a gateway, that gets the packet, still addressed to the VIP, and should know
 * better than to send it back here; as in IPVS.
 */
import type { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import type { Flow } from './flow.ts'
import { mtuOf, sendTo } from './next-hop.ts'
import { checkPassage, PASSES, stay } from './passage.ts'
import { hopToServer } from './route.ts'
import type { Server } from './tables.ts'
import { countHop } from './translate.ts'
import { Reason } from './verdict.ts'

export function forwardDirect(packet: Packet, flow: Flow, server: Server): u32 {
  const hop: u32 = hopToServer(flow, server)
  if (flow.egress === 0) return stay(packet, flow, hop, false)
  const passage: u32 = checkPassage(packet, flow, mtuOf(hop))
  if (passage !== PASSES) return passage
  countHop(packet, flow)
  return sendTo(packet, flow, hop, Reason.toServer)
}
