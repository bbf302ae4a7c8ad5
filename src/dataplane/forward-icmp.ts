/**
 * ICMP errors go the way of the connection they are about: to its real server or to its client.
 *
 * To a DR or TUN server the error goes as it is, since its packets do. For NAT and FULLNAT outer and quoted
 * packet are rewritten (ip_vs_nat_icmp); towards the client the error speaks for the VIP.
 */
import type { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { forwardingOf } from './connection.ts'
import type { Flow } from './flow.ts'
import { forwardDirect } from './forward-direct.ts'
import { forwardTunnel } from './forward-tunnel.ts'
import {
  isIcmpSumRight,
  isSentTo,
  keepOuterSource,
  outerTo,
  restoreOuter,
  translateIcmp,
} from './icmp.ts'
import { localRowOf } from './local-port.ts'
import { sendTo } from './next-hop.ts'
import { hopToClient, hopToServer } from './route.ts'
import { Forwarding, locals, type Connection, type Server } from './tables.ts'
import {
  copyTuple,
  setDestinationClient,
  setDestinationServer,
  setSourceLocal,
  setSourceVirtual,
  Tuple,
} from './translate.ts'
import { Reason } from './verdict.ts'

const to = Tuple.local()
const localAt = locals.cursor()

/** An error about a packet that the server sent: to the server. */
export function forwardIcmp(packet: Packet, flow: Flow, line: Connection, server: Server): u32 {
  const method: u32 = forwardingOf(line)
  if (method === Forwarding.local) return Reason.localServer
  if (flow.timeToLive <= 1) return Reason.timeExceeded
  if (method === Forwarding.direct || method === Forwarding.tunnel) {
    restoreOuter(flow)
    const reason: u32 =
      method === Forwarding.direct
        ? forwardDirect(packet, flow, server)
        : forwardTunnel(packet, flow, server)
    return reason === Reason.toServer ? Reason.icmpToServer : reason
  }
  if (!isIcmpSumRight(packet, flow)) return Reason.icmpChecksum
  const hop: u32 = hopToServer(flow, server)
  copyTuple(to, flow)
  setDestinationServer(to, server, line)
  if (method === Forwarding.fullnat) {
    const local = localAt.at(localRowOf(line))
    if (local === null) return Reason.noLocalAddress
    setSourceLocal(to, local, line)
  }
  const isFullnat: boolean = method === Forwarding.fullnat
  setOuterToServer(isFullnat)
  translateIcmp(packet, flow, to)
  return sendTo(packet, flow, hop, Reason.icmpToServer)
}

/** An error about a packet that the client sent: to the client. */
export function replyIcmp(packet: Packet, flow: Flow, line: Connection): u32 {
  if (!isForClient(line)) return Reason.icmpUnrelated
  if (flow.timeToLive <= 1) return Reason.timeExceeded
  if (!isIcmpSumRight(packet, flow)) return Reason.icmpChecksum
  const hop: u32 = hopToClient(flow, line)
  copyTuple(to, flow)
  setSourceVirtual(to, line)
  if (forwardingOf(line) === Forwarding.fullnat) setDestinationClient(to, line)
  setOuterToClient()
  translateIcmp(packet, flow, to)
  return sendTo(packet, flow, hop, Reason.icmpToClient)
}

/** Is it sent to the client as the server knows it? The host's own stack gets what is for another. */
function isForClient(line: Connection): boolean {
  if (forwardingOf(line) === Forwarding.fullnat) return true // found by the local address
  return isSentTo(line.client0, line.client1, line.client2, line.client3)
}

/** From whom it came (FULLNAT: from the local address), to the server. */
function setOuterToServer(isFullnat: boolean): void {
  keepOuterSource()
  if (isFullnat) {
    outerTo.source0 = to.source0
    outerTo.source1 = to.source1
    outerTo.source2 = to.source2
    outerTo.source3 = to.source3
  }
  outerTo.destination0 = to.destination0
  outerTo.destination1 = to.destination1
  outerTo.destination2 = to.destination2
  outerTo.destination3 = to.destination3
}

/** From the VIP, to the client. */
function setOuterToClient(): void {
  outerTo.source0 = to.source0
  outerTo.source1 = to.source1
  outerTo.source2 = to.source2
  outerTo.source3 = to.source3
  outerTo.destination0 = to.destination0
  outerTo.destination1 = to.destination1
  outerTo.destination2 = to.destination2
  outerTo.destination3 = to.destination3
}
