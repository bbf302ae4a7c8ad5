/**
 * The packet path: one frame in, one reason out.
 *
 *   parse ─► ours? ─► fragment's ports ─► ICMP error? ─► known connection? ──► request ─► state ─► forward
 *                                              │               │         └──► reply   ─► state ─► forward
 *                                              │               ▼
 *                                              │          virtual service? ─► may it open one? ─► scheduler ─► new line
 *                                              ▼
 *                                  the quoted packet's connection ─► translate ─► forward
 *
 * `forward` is all an engine calls. It counts the frame under exactly one reason, and `verdictOf` says what to do with
 * it; `flow` then tells where it leaves. A frame that is passed has not been changed.
 */
import { startAnew, u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { row } from '../subset/struct.ts'
import { EtherType } from '../wire/ethernet.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { call } from './call.ts'
import {
  BUSY,
  findReply,
  findRequest,
  forwardingOf,
  freeLine,
  isAvailable,
  returnLine,
} from './connection.ts'
import { endConnection } from './end-connection.ts'
import { count } from './count.ts'
import { clearFlow, Direction, Flow, FragmentKind } from './flow.ts'
import { forwardBypass } from './forward-bypass.ts'
import { forwardDirect } from './forward-direct.ts'
import { forwardFullnat, replyFullnat } from './forward-fullnat.ts'
import { forwardIcmp, replyIcmp } from './forward-icmp.ts'
import { forwardNat, replyNat } from './forward-nat.ts'
import { forwardTunnel } from './forward-tunnel.ts'
import { forwardTunnelError } from './tunnel-error.ts'
import { recallPorts, rememberPorts } from './fragment.ts'
import { PERHAPS_TUNNELLED, QUOTED, readIcmpError } from './icmp.ts'
import { findLocalReply } from './local-port.ts'
import { OPENED, openConnection } from './open.ts'
import { waitForFirst } from './oversize.ts'
import { IS_IP, PARSED, readEthernet, readIpv4, readIpv6, readRest } from './parse.ts'
import { SctpState } from './sctp.ts'
import { rolesOf } from './service.ts'
import { LONG_WAY, Outcome, takeShortCut } from './short-cut.ts'
import { answerStray, NO_STRAY } from './stray.ts'
import { advanceReply, advanceRequest, countReply, countRequest } from './state.ts'
import { Switch } from './switch.ts'
import {
  connections,
  Forwarding,
  NONE,
  Role,
  servers,
  settings,
  Status,
  type Connection,
  type Server,
} from './tables.ts'
import { TcpState } from './tcp.ts'
import { releaseTemplate } from './template.ts'
import { Reason, Verdict, verdictOf } from './verdict.ts'

/** What was found out about the frame last forwarded. */
export const flow = Flow.local()

/** Decides about a frame and, if it goes on, rewrites it. The reason; `verdictOf(reason)` is the verdict. */
export function forward(packet: Packet): u32 {
  const outcome: u32 = takeShortCut(packet, flow)
  return outcome === LONG_WAY ? takeLongWay(packet) : outcome & Outcome.reasonMask
}

/** What the short cut did not decide. */
export function takeLongWay(packet: Packet): u32 {
  startAnew()
  return decideAtLength(packet)
}

/** The same in the kernel, where nobody reads calls, and what frames before have left may stand in `call`. */
export function takeLongWayUnread(packet: Packet): u32 {
  startAnew()
  call.row = 0
  call.isRead = 0
  call.isReader = 0
  return decideAtLength(packet)
}

function decideAtLength(packet: Packet): u32 {
  packet.askChecksum()
  clearFlow(flow)
  const reason: u32 = decide(packet)
  count(reason)
  return reason
}

function decide(packet: Packet): u32 {
  const type: u32 = readEthernet(packet)
  // Not together: in the kernel each has the rest for itself, and knows which of the addresses' words are constant.
  if (type === EtherType.ipv4) return decideIp(packet, readIpv4(packet, flow))
  if (type === EtherType.ipv6) return decideIp(packet, readIpv6(packet, flow))
  return type
}

/** `read`: what came of reading the IP header. */
function decideIp(packet: Packet, read: u32): u32 {
  if (read !== IS_IP) return read
  const toRoles: u32 = rolesOf(
    flow.destination0,
    flow.destination1,
    flow.destination2,
    flow.destination3,
  )
  const fromRoles: u32 = rolesOf(flow.source0, flow.source1, flow.source2, flow.source3)
  const ours: u32 = (toRoles & (Role.request | Role.local)) | (fromRoles & Role.real)
  const isIcmp: boolean = flow.protocol === (flow.family === 4 ? Protocol.icmp : Protocol.icmpv6)
  if (ours === 0 && !isIcmp) return Reason.notOurs
  const parsed: u32 = readRest(packet, flow)
  if (parsed !== PARSED) return parsed
  if (isIcmp) {
    const related: u32 = decideIcmp(packet)
    return ours === 0 && verdictOf(related) === Verdict.pass ? Reason.notOurs : related
  }
  if (!isCarried(flow.protocol)) return Reason.otherProtocol
  if (flow.fragment !== FragmentKind.none) {
    if (flow.protocol === Protocol.sctp) return Reason.sctpFragment
    if (flow.fragment === FragmentKind.first) rememberPorts(flow)
    else if (!recallPorts(flow)) return waitForFirst(packet, flow)
  }
  findConnection(toRoles, fromRoles)
  if (flow.direction === Direction.reply) return continueReply(packet)
  if (flow.direction === Direction.none && (fromRoles & Role.real) !== 0) {
    const answered: u32 = answerStray(packet, flow)
    if (answered !== NO_STRAY) return answered
  }
  if ((toRoles & Role.request) === 0) return Reason.notOurs
  // A packet that opens a connection goes the way of the others, a round later.
  for (let round: u32 = 0; round < 2; round++) {
    if (flow.direction === Direction.request) {
      const continued: u32 = continueRequest(packet)
      if (continued !== OPENS) {
        if (flow.opened !== 0) endOpening()
        return continued
      }
    }
    const opened: u32 = openConnection(packet, flow)
    if (replaced.connection !== 0) endReplaced()
    if (opened !== OPENED) return opened
  }
  return Reason.serverGone
}

/** Has it ports, and services? */
function isCarried(protocol: u32): boolean {
  return protocol === Protocol.tcp || protocol === Protocol.udp || protocol === Protocol.sctp
}

/** The connection that `flow` belongs to, and which way it goes, into `flow`. */
function findConnection(toRoles: u32, fromRoles: u32): void {
  if ((toRoles & Role.request) !== 0) {
    flow.connection = findRequest(flow)
    if (flow.connection !== NONE) {
      flow.direction = Direction.request
      return
    }
  }
  if ((fromRoles & Role.real) === 0) return
  flow.connection = (toRoles & Role.local) !== 0 ? findLocalReply(flow) : NONE
  if (flow.connection === NONE) flow.connection = findReply(flow)
  if (flow.connection !== NONE) flow.direction = Direction.reply
}

/** No reason: the connection it belonged to is over, and the packet may open another. */
const OPENS = 0xff
/** Plus one: a connection that counts until another is open in its place, as with IPVS, where a timer ends it. */
const Replaced = row('replaced', { connection: 'u32' })
const replaced = Replaced.local()

const requestLineAt = connections.cursor()
const requestServerAt = servers.cursor()
const requestSettingsAt = settings.cursor()

function continueRequest(packet: Packet): u32 {
  const line = requestLineAt.at(flow.connection)
  const common = requestSettingsAt.at(0)
  if (line === null || common === null) return Reason.noService
  const server = requestServerAt.at(line.server)
  if (server === null) return Reason.noService
  if (server.service === NONE) {
    return forwardingOf(line) === Forwarding.bypass
      ? continueBypass(packet, line)
      : Reason.noService
  }
  if (isReopening(line, server, common.switches)) {
    replaced.connection = u32(flow.connection + 1)
    return OPENS
  }
  if (!isAvailable(server)) {
    const isKept: boolean = (common.switches & Switch.expireNoDestination) === 0
    if (isKept || flow.opened !== 0) return Reason.serverGone
    if (endConnection(flow.connection, line, server)) freeLine(line, flow.hash)
    return OPENS
  }
  flow.server = line.server
  flow.service = server.service
  advanceRequest(flow, line, server)
  return forwardRequest(packet, line, server)
}

/**
 * Does the packet open a new connection in the place of this one? A SYN does on one that has ended, unless a template
 * controls it; and with expire_nodest_conn on any whose server has weight 0 (is_new_conn_expected, ip_vs_in).
 */
function isReopening(line: Connection, server: Server, switches: u32): boolean {
  if ((flow.tcpFlags & TcpFlag.syn) === 0 || (switches & Switch.reuse) === 0) return false
  if (flow.fragment !== FragmentKind.none || flow.opened !== 0) return false
  if (server.weight === 0 && (switches & Switch.expireNoDestination) !== 0) return true
  const status: u32 = line.status
  if ((status & Status.controlled) !== 0) return false
  const state: u32 = (status & Status.stateMask) >>> Status.stateShift
  if (flow.protocol === Protocol.sctp) return state === SctpState.closed
  if (state === TcpState.finWait) {
    return (switches & Switch.reuseFinWait) !== 0 && (status & Status.noOutput) !== 0
  }
  return state === TcpState.timeWait || state === TcpState.close
}

const replacedLineAt = connections.cursor()
const replacedServerAt = servers.cursor()

/** @apart */
function endReplaced(): void {
  const connection: u32 = u32(replaced.connection - 1)
  replaced.connection = 0
  const line = replacedLineAt.at(connection)
  if (line === null) return
  const server = replacedServerAt.at(line.server)
  if (server !== null && endConnection(connection, line, server)) freeLine(line, flow.hash)
}

const bypassServerAt = servers.cursor()

function continueBypass(packet: Packet, line: Connection): u32 {
  const nobody = bypassServerAt.at(line.server)
  if (nobody === null) return Reason.noService
  advanceRequest(flow, line, nobody)
  return forwardBypass(packet, flow)
}

function forwardRequest(packet: Packet, line: Connection, server: Server): u32 {
  const method: u32 = forwardingOf(line)
  if (method === Forwarding.masquerade) return forwardNat(packet, flow, line, server)
  if (method === Forwarding.direct) return forwardDirect(packet, flow, server)
  if (method === Forwarding.tunnel) return forwardTunnel(packet, flow, server)
  if (method === Forwarding.fullnat) return forwardFullnat(packet, flow, line, server)
  if (method === Forwarding.bypass) return forwardBypass(packet, flow)
  return Reason.localServer
}

const replyLineAt = connections.cursor()
const replyServerAt = servers.cursor()

function continueReply(packet: Packet): u32 {
  const line = replyLineAt.at(flow.connection)
  if (line === null) return Reason.noService
  const server = replyServerAt.at(line.server)
  if (server === null || server.service === NONE) return Reason.noService
  flow.server = line.server
  flow.service = server.service
  advanceReply(flow, line, server)
  if (forwardingOf(line) === Forwarding.fullnat) return replyFullnat(packet, flow, line, server)
  return replyNat(packet, flow, line)
}

const icmpSettingsAt = settings.cursor()
const icmpLineAt = connections.cursor()
const icmpServerAt = servers.cursor()

/** By what the error quotes alone: it may come from any router on the way. @apart */
function decideIcmp(packet: Packet): u32 {
  const read: u32 = readIcmpError(packet, flow)
  if (read === PERHAPS_TUNNELLED) return forwardTunnelError(packet, flow)
  if (read !== QUOTED) return read
  const toRoles: u32 = rolesOf(
    flow.destination0,
    flow.destination1,
    flow.destination2,
    flow.destination3,
  )
  findConnection(toRoles, rolesOf(flow.source0, flow.source1, flow.source2, flow.source3))
  if (flow.connection === NONE) {
    if ((toRoles & Role.request) === 0 || !isSchedulingIcmp()) {
      if (flow.protocol !== Protocol.udp) return Reason.icmpUnrelated
      return forwardTunnelError(packet, flow)
    }
    const opened: u32 = openConnection(packet, flow)
    if (opened !== OPENED) return verdictOf(opened) === Verdict.pass ? Reason.icmpUnrelated : opened
  }
  const line = icmpLineAt.at(flow.connection)
  if (line === null) return Reason.icmpUnrelated
  const reason: u32 = continueIcmp(packet, line)
  if (line.owner === BUSY) endBorrowed(line)
  return reason
}

/** schedule_icmp: may an error about no connection open one? */
function isSchedulingIcmp(): boolean {
  const common = icmpSettingsAt.at(0)
  return common !== null && (common.switches & Switch.scheduleIcmp) !== 0
}

function continueIcmp(packet: Packet, line: Connection): u32 {
  const server = icmpServerAt.at(line.server)
  if (server === null || server.service === NONE) return Reason.icmpUnrelated
  flow.server = line.server
  flow.service = server.service
  if (flow.direction === Direction.request) {
    countRequest(flow, server)
    return forwardIcmp(packet, flow, line, server)
  }
  countReply(flow, server)
  return replyIcmp(packet, flow, line)
}

const openedLineAt = connections.cursor()

function endOpening(): void {
  const line = openedLineAt.at(flow.connection)
  if (line !== null && line.owner === BUSY) endBorrowed(line)
}

/** The line of one-packet scheduling was for this packet alone; and so was its hold on a template. */
function endBorrowed(line: Connection): void {
  returnLine(line)
  if (flow.template !== NONE) releaseTemplate(flow.template)
}
