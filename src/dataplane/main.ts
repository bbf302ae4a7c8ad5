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
import { type u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { answer, Answer } from './answer.ts'
import {
  findReply,
  findRequest,
  forwardingOf,
  insertConnection,
  isAvailable,
  releaseConnection,
} from './connection.ts'
import { clearFlow, Direction, Flow, FragmentKind } from './flow.ts'
import { forwardDirect } from './forward-direct.ts'
import { forwardFullnat, replyFullnat } from './forward-fullnat.ts'
import { forwardIcmp, replyIcmp } from './forward-icmp.ts'
import { forwardNat, replyNat } from './forward-nat.ts'
import { forwardTunnel } from './forward-tunnel.ts'
import { recallPorts, rememberPorts } from './fragment.ts'
import { QUOTED, readIcmpError } from './icmp.ts'
import { bindLocalPort, findLocalReply, releaseLocalPort } from './local-port.ts'
import { PARSED, parse } from './parse.ts'
import { pickServer } from './schedule.ts'
import { findService, rolesOf } from './service.ts'
import { advanceReply, advanceRequest, countOpened, countReply, countRequest } from './state.ts'
import {
  connections,
  Forwarding,
  NONE,
  reasons,
  Role,
  servers,
  services,
  settings,
  Switch,
  type Connection,
  type Server,
} from './tables.ts'
import { TcpState } from './tcp.ts'
import { timeoutOf, timeoutRow } from './timeout.ts'
import { Reason, Verdict, verdictOf } from './verdict.ts'

/** What was found out about the frame last forwarded. */
export const flow = Flow.local()

const reasonAt = reasons.cursor()

/** Decides about a frame and, if it goes on, rewrites it. The reason; `verdictOf(reason)` is the verdict. */
export function forward(packet: Packet): u32 {
  clearFlow(flow)
  const reason: u32 = decide(packet)
  const counter = reasonAt.at(reason)
  if (counter !== null) counter.addPackets(1)
  return reason
}

function decide(packet: Packet): u32 {
  const parsed: u32 = parse(packet, flow)
  if (parsed !== PARSED) return parsed
  const toRoles: u32 = rolesOf(
    flow.destination0,
    flow.destination1,
    flow.destination2,
    flow.destination3,
  )
  const fromRoles: u32 = rolesOf(flow.source0, flow.source1, flow.source2, flow.source3)
  const ours: u32 = (toRoles & (Role.virtual | Role.local)) | (fromRoles & Role.real)
  if (flow.protocol === (flow.family === 4 ? Protocol.icmp : Protocol.icmpv6)) {
    const related: u32 = decideIcmp(packet)
    return ours === 0 && verdictOf(related) === Verdict.pass ? Reason.notOurs : related
  }
  if (ours === 0) return Reason.notOurs
  if (flow.protocol !== Protocol.tcp && flow.protocol !== Protocol.udp) return Reason.otherProtocol
  if (flow.fragment === FragmentKind.later && !recallPorts(flow)) return Reason.fragmentUnknown
  if (flow.fragment === FragmentKind.first) rememberPorts(flow)
  findConnection(toRoles, fromRoles)
  if (flow.direction === Direction.request) return continueRequest(packet)
  if (flow.direction === Direction.reply) return continueReply(packet)
  return (toRoles & Role.virtual) === 0 ? Reason.notOurs : openConnection(packet)
}

/** The connection that `flow` belongs to, and which way it goes, into `flow`. */
function findConnection(toRoles: u32, fromRoles: u32): void {
  if ((toRoles & Role.virtual) !== 0) {
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

const requestLineAt = connections.cursor()
const requestServerAt = servers.cursor()
const requestSettingsAt = settings.cursor()

function continueRequest(packet: Packet): u32 {
  const line = requestLineAt.at(flow.connection)
  const common = requestSettingsAt.at(0)
  if (line === null || common === null) return Reason.noService
  const server = requestServerAt.at(line.server)
  if (server === null || server.service === NONE) return Reason.noService
  if (isReopening(line, common.switches)) {
    endConnection(flow.connection, line, server)
    return openConnection(packet)
  }
  if (!isAvailable(server)) {
    if ((common.switches & Switch.expireNoDestination) === 0) return Reason.serverGone
    endConnection(flow.connection, line, server)
    return openConnection(packet)
  }
  flow.server = line.server
  flow.service = server.service
  advanceRequest(flow, line, server)
  return forwardRequest(packet, line, server)
}

/** A SYN on a connection that has ended: conn_reuse_mode 1. */
function isReopening(line: Connection, switches: u32): boolean {
  if ((switches & Switch.reuse) === 0 || flow.protocol !== Protocol.tcp) return false
  if (flow.fragment === FragmentKind.later || (flow.tcpFlags & TcpFlag.syn) === 0) return false
  return line.state === TcpState.timeWait || line.state === TcpState.close
}

/** Takes row `connection` out, with its local port. The control plane's sweep does, too. */
export function endConnection(connection: u32, line: Connection, server: Server): void {
  if (forwardingOf(line) === Forwarding.fullnat) releaseLocalPort(connection, line, server)
  releaseConnection(line, server)
}

function forwardRequest(packet: Packet, line: Connection, server: Server): u32 {
  const method: u32 = forwardingOf(line)
  if (method === Forwarding.masquerade) return forwardNat(packet, flow, line, server)
  if (method === Forwarding.direct) return forwardDirect(packet, flow, server)
  if (method === Forwarding.tunnel) return forwardTunnel(packet, flow, server)
  if (method === Forwarding.fullnat) return forwardFullnat(packet, flow, line, server)
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

const serviceAt = services.cursor()
const chosenServerAt = servers.cursor()
const newLineAt = connections.cursor()
const openingSettingsAt = settings.cursor()

/** Schedules a packet that belongs to no connection. */
function openConnection(packet: Packet): u32 {
  flow.connection = NONE
  flow.direction = Direction.none
  flow.service = findService(flow)
  const service = serviceAt.at(flow.service)
  if (service === null) return Reason.noService
  if (!mayOpen()) return Reason.notOpening
  flow.server = pickServer(service, flow)
  const server = chosenServerAt.at(flow.server)
  if (server === null) {
    service.addRefused(1)
    return answer(packet, flow, Answer.unreachable, 0, Reason.noServer)
  }
  const isTcp: boolean = flow.protocol === Protocol.tcp
  flow.connection = insertConnection(flow, flow.server, server, timeoutOf(timeoutRow(isTcp, 0)))
  const line = newLineAt.at(flow.connection)
  if (line === null) return Reason.connectionTableFull
  if (server.forwarding === Forwarding.fullnat) {
    if (!bindLocalPort(service, server, flow.connection, line)) {
      releaseConnection(line, server)
      return service.locals === 0 ? Reason.noLocalAddress : Reason.localPortsExhausted
    }
  }
  flow.direction = Direction.request
  flow.opened = 1
  countOpened(server)
  advanceRequest(flow, line, server)
  return forwardRequest(packet, line, server)
}

/** May this packet open a connection? TCP: only with SYN, unless sloppy_tcp admits all but RST. */
function mayOpen(): boolean {
  if (flow.fragment === FragmentKind.later) return false
  if (flow.protocol !== Protocol.tcp) return true
  if ((flow.tcpFlags & TcpFlag.rst) !== 0) return false
  if ((flow.tcpFlags & TcpFlag.syn) !== 0) return true
  const common = openingSettingsAt.at(0)
  return common !== null && (common.switches & Switch.sloppyTcp) !== 0
}

const icmpLineAt = connections.cursor()
const icmpServerAt = servers.cursor()

/** By what the error quotes alone: it may come from any router on the way. */
function decideIcmp(packet: Packet): u32 {
  const read: u32 = readIcmpError(packet, flow)
  if (read !== QUOTED) return read
  findConnection(
    rolesOf(flow.destination0, flow.destination1, flow.destination2, flow.destination3),
    rolesOf(flow.source0, flow.source1, flow.source2, flow.source3),
  )
  const line = icmpLineAt.at(flow.connection)
  if (line === null) return Reason.icmpUnrelated
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
