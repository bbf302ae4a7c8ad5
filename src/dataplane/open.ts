/**
 * A packet that belongs to no connection: may it open one, whose service is it, which server gets it?
 *
 *   service ─► may it open? ─► template? ──────────────► new line, controlled by the template
 *                                  └─ none ─► scheduler ─┘
 *
 * The order of questions is IPVS's (tcp_conn_schedule, ip_vs_schedule, ip_vs_sched_persist, ip_vs_leave;
 * net/netfilter/ipvs).
 */
import { modulo, type u32 } from '../subset/integers.ts'
import { TICKS_PER_SECOND } from '../subset/clock.ts'
import type { Packet } from '../subset/packet.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { answer, Answer } from './answer.ts'
import { call, handCall } from './call.ts'
import { borrowLine, freeLine, insertConnection, unbindLine } from './connection.ts'
import { Direction, FragmentKind, type Flow } from './flow.ts'
import { BYPASS_SERVER, mayBypass } from './forward-bypass.ts'
import { bindLocalPort } from './local-port.ts'
import { pickServer } from './schedule.ts'
import { HAS_CHUNK } from './sctp.ts'
import { findService, FTP_DATA_PORT, FTP_PORT } from './service.ts'
import { countOpened } from './state.ts'
import { Switch } from './switch.ts'
import {
  connections,
  Forwarding,
  NONE,
  servers,
  ServiceFlag,
  services,
  settings,
  type Server,
  type Service,
} from './tables.ts'
import { holdTemplate, recallServer, releaseTemplate, storeTemplate } from './template.ts'
import { NEW_TIMEOUT_S } from './timeout.ts'
import { Reason } from './verdict.ts'

/** Not a reason: `flow` has a connection and its server now. */
export const OPENED = 0xff

/** Of a service that tells its clients apart by their calls. */
const CALLING = ServiceFlag.persistent | ServiceFlag.sip
const NEW_TICKS = NEW_TIMEOUT_S * TICKS_PER_SECOND

const serviceAt = services.cursor()
const chosenServerAt = servers.cursor()
const settingsAt = settings.cursor()
const bypassServerAt = servers.cursor()
const dropSettingsAt = settings.cursor()
const unboundLineAt = connections.cursor()

/** OPENED, or what becomes of the packet instead. @apart */
export function openConnection(packet: Packet, flow: Flow): u32 {
  flow.connection = NONE
  flow.direction = Direction.none
  flow.service = findService(flow)
  const service = serviceAt.at(flow.service)
  if (service === null) return Reason.noService
  const common = settingsAt.at(0)
  if (common === null) return Reason.notOpening
  const isCalling: boolean = (service.flags & CALLING) === CALLING
  // A later fragment, too: in the kernel its first one may still be on the way to be read.
  if (isCalling && call.isRead === 0 && flow.protocol === Protocol.udp)
    return handCall(packet, flow)
  if (!mayOpen(flow, common.switches)) return Reason.notOpening
  if (isDropped(common.dropRate)) return Reason.overloaded
  // A server's own connection to an FTP client is never a client's.
  if (flow.sourcePort === FTP_DATA_PORT) return Reason.notOpening
  if (isCalling && call.row === 0) return Reason.noCall
  flow.server = chooseServer(service, flow)
  const server = chosenServerAt.at(flow.server)
  if (server !== null) return enterConnection(service, server, flow)
  if (isBypassed(service, common.switches, flow)) return enterBypass(flow)
  // What an FTP service does not take of its address may be for another service of the host.
  if (service.port === FTP_PORT && flow.destinationPort !== FTP_PORT) return Reason.noService
  service.addRefused(1)
  return answer(packet, flow, Answer.unreachable, 0, Reason.noServer)
}

/** Does it go on to where it was sent, since no server can take it? */
function isBypassed(service: Service, switches: u32, flow: Flow): boolean {
  if (service.firewallMark === 0 || (switches & Switch.cacheBypass) === 0) return false
  return flow.icmpError === 0 && mayBypass(flow)
}

function enterBypass(flow: Flow): u32 {
  const nobody = bypassServerAt.at(BYPASS_SERVER)
  if (nobody === null) return Reason.connectionTableFull
  flow.server = BYPASS_SERVER
  flow.template = NONE
  flow.connection = insertConnection(flow, BYPASS_SERVER, nobody, NEW_TICKS)
  if (flow.connection === NONE) return Reason.connectionTableFull
  flow.direction = Direction.request
  flow.opened = 1
  return OPENED
}

/**
 * May this packet open a connection? TCP: only with SYN, unless sloppy_tcp admits all but RST. SCTP: only with INIT,
 * unless sloppy_sctp admits all but ABORT.
 */
function mayOpen(flow: Flow, switches: u32): boolean {
  if (flow.fragment === FragmentKind.later) return false
  // Of what an ICMP error quotes, ports are all there is.
  if (flow.protocol === Protocol.udp || flow.icmpError !== 0) return true
  if ((flow.tcpFlags & TcpFlag.rst) !== 0) return false
  if ((flow.tcpFlags & TcpFlag.syn) !== 0) return true
  if (flow.protocol === Protocol.tcp) return (switches & Switch.sloppyTcp) !== 0
  return (flow.tcpFlags & HAS_CHUNK) !== 0 && (switches & Switch.sloppySctp) !== 0
}

/** drop_packet: is this the one of so many that is dropped? */
function isDropped(rate: u32): boolean {
  const common = dropSettingsAt.at(0)
  if (rate === 0 || common === null) return false
  return modulo(common.addDropCount(1), rate) === 0
}

/** The server that the client's template names, else the scheduler's choice; NONE: nobody. */
function chooseServer(service: Service, flow: Flow): u32 {
  if ((service.flags & ServiceFlag.persistent) !== 0) {
    const recalled: u32 = recallServer(service, flow)
    if (recalled !== NONE) return recalled
  } else if (!hasPort(service, flow)) return NONE
  return pickServer(service, flow)
}

/** Without persistence a port that is not the service's own has no server: FTP's data, and port 0. */
function hasPort(service: Service, flow: Flow): boolean {
  return (
    service.firewallMark !== 0 || service.lastPort !== 0 || flow.destinationPort === service.port
  )
}

/**
 * Does the server get the port that the client asked for? If it has none of its own; if the template is not for that
 * port alone; and, of a range, if its port is the range's first: then it has the whole range.
 */
function keepsPort(service: Service, server: Server, flow: Flow): boolean {
  if (server.port === 0) return true
  if (service.lastPort !== 0) return server.port === service.port
  return (service.flags & ServiceFlag.persistent) !== 0 && flow.destinationPort !== service.port
}

/** Template and line of the new connection. OPENED, or why there is none. */
function enterConnection(service: Service, server: Server, flow: Flow): u32 {
  const isPersistent: boolean = (service.flags & ServiceFlag.persistent) !== 0
  flow.keepsPort = keepsPort(service, server, flow) ? 1 : 0
  if (isPersistent && flow.template === NONE) {
    if (!storeTemplate(service, flow, flow.server, server)) return Reason.connectionTableFull
  }
  if (flow.template !== NONE && !holdTemplate(flow.template)) flow.template = NONE
  const isBorrowed: boolean =
    (service.flags & ServiceFlag.onePacket) !== 0 && flow.protocol === Protocol.udp
  flow.connection = isBorrowed
    ? borrowLine(flow, flow.server, server)
    : insertConnection(flow, flow.server, server, NEW_TICKS)
  const reason: u32 = bindConnection(service, server, flow)
  if (reason !== OPENED) {
    if (flow.template !== NONE) releaseTemplate(flow.template)
    return reason
  }
  flow.direction = Direction.request
  flow.opened = 1
  countOpened(server)
  return OPENED
}

/**
 * Gives a FULLNAT connection its local port. OPENED, or why the connection cannot be; then its line is free again.
 */
function bindConnection(service: Service, server: Server, flow: Flow): u32 {
  const line = unboundLineAt.at(flow.connection)
  if (line === null) return Reason.connectionTableFull
  if (server.forwarding !== Forwarding.fullnat) return OPENED
  if (bindLocalPort(service, server, flow.connection, line, flow.template)) return OPENED
  unbindLine(line, server)
  freeLine(line, flow.hash)
  return service.locals === 0 ? Reason.noLocalAddress : Reason.localPortsExhausted
}
