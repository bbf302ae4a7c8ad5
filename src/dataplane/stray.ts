/**
 * nat_icmp_send: a packet of a masqueraded real server that belongs to no connection is not sent on, but answered:
 * "port unreachable" (the end of ip_vs_out, net/netfilter/ipvs/ip_vs_core.c). RST and ABORT are never answered.
 *
 * The error speaks for the host on the server's side; for the destination itself, if that is the host's own. It quotes
 * the packet as a router has it, a hop further.
 */
import { u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { answer, Answer } from './answer.ts'
import { FragmentKind, type Flow } from './flow.ts'
import { hashAddress } from './hash.ts'
import { NAT_SERVER_PROBES_MAX } from './limits.ts'
import { sendBack, speakForHost } from './passage.ts'
import { findHop } from './route.ts'
import { Switch } from './switch.ts'
import {
  Forwarding,
  hops,
  HopState,
  natServers,
  NONE,
  ServerFlag,
  servers,
  services,
  settings,
  type Server,
} from './tables.ts'
import { countHop } from './translate.ts'

/** Not a reason: it is no such packet. */
export const NO_STRAY = 0xff

const settingsAt = settings.cursor()
const slotAt = natServers.cursor()
const serverAt = servers.cursor()
const serviceAt = services.cursor()
const destinationHopAt = hops.cursor()

/** The reason, or NO_STRAY. `flow` belongs to no connection. @apart */
export function answerStray(packet: Packet, flow: Flow): u32 {
  const common = settingsAt.at(0)
  if (common === null || (common.switches & Switch.natIcmpSend) === 0) return NO_STRAY
  if (flow.fragment === FragmentKind.later || (flow.tcpFlags & TcpFlag.rst) !== 0) return NO_STRAY
  if (!isFromNatServer(flow, common.hashSeed, common.natServerMask)) return NO_STRAY
  const way: u32 = findHop(
    flow,
    flow.destination0,
    flow.destination1,
    flow.destination2,
    flow.destination3,
  )
  if (flow.egress === 0) {
    const hop = destinationHopAt.at(way)
    if (hop === null || hop.state !== HopState.local) return NO_STRAY
    return sendBack(packet, flow, answer(packet, flow, Answer.stray, 0, NO_STRAY))
  }
  if (flow.timeToLive <= 1 || !speakForHost(flow)) return NO_STRAY
  countHop(packet, flow)
  return sendBack(packet, flow, answer(packet, flow, Answer.stray, 0, NO_STRAY))
}

/** Does it come from the address and port of a real server in NAT (ip_vs_has_real_service)? */
function isFromNatServer(flow: Flow, seed: u32, mask: u32): boolean {
  const hash: u32 = hashNatServer(
    seed,
    flow.source0,
    flow.source1,
    flow.source2,
    flow.source3,
    flow.sourcePort,
  )
  for (let i: u32 = 0; i < NAT_SERVER_PROBES_MAX; i++) {
    const slot = slotAt.at(u32((hash + i) & mask))
    if (slot === null || slot.value === 0) return false
    const server = serverAt.at(u32(slot.value - 1))
    if (server !== null && isSender(server, flow)) return true
  }
  return false
}

function isSender(server: Server, flow: Flow): boolean {
  if (server.address3 !== flow.source3 || server.port !== flow.sourcePort) return false
  if (server.address2 !== flow.source2 || server.address1 !== flow.source1) return false
  if (server.address0 !== flow.source0 || server.forwarding !== Forwarding.masquerade) return false
  if ((server.flags & ServerFlag.available) === 0 || server.service === NONE) return false
  const service = serviceAt.at(server.service)
  if (service === null) return false
  return service.protocol === flow.protocol || service.firewallMark !== 0
}

/** Where the search begins; the control plane enters servers by the same. */
export function hashNatServer(
  seed: u32,
  address0: u32,
  address1: u32,
  address2: u32,
  address3: u32,
  port: u32,
): u32 {
  return hashAddress(seed, address0, address1, address2, address3, port)
}
