/**
 * The short cut: the commonest packets, forwarded without looking at anything that they do not need.
 *
 *   for none of our addresses                                     ─► left to the host
 *   IPv4 without options, whole, TCP or UDP, of a connection
 *   that is open and stays in its state, to or from a server
 *   whose way is known, and short enough for it                   ─► counted, rewritten, sent
 *   everything else, and every doubt                              ─► LONG_WAY, and nothing was changed
 *
 * It does nothing that the long way (main.ts) would not do, and the same to frame, tables and reason: with the same
 * functions, but only such as need nobody's help. So all that is written into `flow` here is known where it is read,
 * and the compiler keeps it in registers: no call in between, no way that joins from elsewhere. forward.fuzz.test.ts
 * holds one way against the other, and all tests that compare engines see both.
 */
import { sumHalves, u8, u32 } from '../subset/integers.ts'
import { now } from '../subset/clock.ts'
import { Encapsulation, type Packet } from '../subset/packet.ts'
import { header } from '../subset/struct.ts'
import { fold } from '../wire/checksum.ts'
import { EtherType } from '../wire/ethernet.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { DONT_FRAGMENT, Ipv4, IPV4_WITHOUT_OPTIONS } from '../wire/ipv4.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { forwardingOf, hashClient, isAvailable, isReplyOf, isRequestOf } from './connection.ts'
import { count } from './count.ts'
import { clearFlow, Direction, type Flow } from './flow.ts'
import { writeOuterIpv4 } from './forward-tunnel.ts'
import { writeMacs } from './next-hop.ts'
import { isForHost } from './parse.ts'
import { IPV4_MTU_MIN } from './passage.ts'
import { cachedHop, isResolved } from './route.ts'
import { rolesOf } from './service.ts'
import { countReply, countRequest } from './state.ts'
import { Switch } from './switch.ts'
import {
  connections,
  Forwarding,
  hops,
  NONE,
  Role,
  servers,
  services,
  settings,
  Status,
  TunnelType,
  type Connection,
  type Hop,
  type Server,
} from './tables.ts'
import { TcpState } from './tcp.ts'
import { timeoutOf, TimeoutRow } from './timeout.ts'
import {
  copyTuple,
  countHop,
  setDestinationServer,
  setSourceVirtual,
  translate,
  Tuple,
} from './translate.ts'
import { TunnelSource } from './tunnel-header.ts'
import { Reason } from './verdict.ts'

/** No outcome: it is not for the short cut. */
export const LONG_WAY = NONE
/** What became of it: the reason, and above it the row, plus one, of the hop that the frame was given to. */
export const Outcome = { reasonMask: 0x7f, hopShift: 7 } as const

const ETHERNET_BYTES = 14
const IPV4_BYTES = 20
const TRANSPORT = ETHERNET_BYTES + IPV4_BYTES
const UDP_BYTES = 8
const ESTABLISHED = TimeoutRow.tcp + TcpState.established
/** Of the second word: a fragment. */
const FRAGMENT_BITS = 0x3fff
/** Of TCP's flags: those that may change a connection's state. */
const EVENTS = TcpFlag.fin | TcpFlag.syn | TcpFlag.rst | TcpFlag.ack

/** All that is looked at, checked at once. A datagram that ends before goes the long way. */
const Front = header('front', {
  destinationHigh: 'u16',
  destinationLow: 'u32',
  sourceHigh: 'u16',
  sourceLow: 'u32',
  type: 'u16',
  word0: 'u32',
  word1: 'u32',
  word2: 'u32',
  source: 'u32',
  destination: 'u32',
  sourcePort: 'u16',
  destinationPort: 'u16',
  sequence: 'u32',
  acknowledgement: 'u32',
  offsetAndFlags: 'u16',
  window: 'u16',
  checksum: 'u16',
  urgent: 'u16',
})

const frontAt = Front.cursor()
const wholeAt = Front.cursor()

/** What became of the frame, counted; or LONG_WAY. */
export function takeShortCut(packet: Packet, flow: Flow): u32 {
  const front = frontAt.at(packet, 0)
  if (front === null || front.type !== EtherType.ipv4) return LONG_WAY
  if (front.word0 >>> 24 !== IPV4_WITHOUT_OPTIONS) return LONG_WAY
  if (!isForHost(packet.ingress, front.destinationHigh, front.destinationLow)) return LONG_WAY
  const length: u32 = front.word0 & 0xffff
  if (length < IPV4_BYTES || ETHERNET_BYTES + length > packet.length) return LONG_WAY
  const protocol: u32 = (front.word2 >>> 16) & 0xff
  const toRoles: u32 = rolesOf(0, 0, 0xffff, front.destination)
  if ((toRoles & Role.request) === 0) {
    if ((rolesOf(0, 0, 0xffff, front.source) & Role.real) === 0) {
      if ((toRoles & Role.local) !== 0 || protocol === Protocol.icmp) return LONG_WAY
      clearFlow(flow)
      count(Reason.notOurs)
      return Reason.notOurs
    }
    if ((toRoles & Role.local) !== 0) return LONG_WAY
    if (!isWhole(packet)) return LONG_WAY
    if (protocol === Protocol.tcp) return reply(packet, flow, Protocol.tcp, ESTABLISHED)
    return protocol === Protocol.udp ? reply(packet, flow, Protocol.udp, TimeoutRow.udp) : LONG_WAY
  }
  if (!isWhole(packet)) return LONG_WAY
  if (protocol === Protocol.tcp) return request(packet, flow, Protocol.tcp, ESTABLISHED)
  return protocol === Protocol.udp ? request(packet, flow, Protocol.udp, TimeoutRow.udp) : LONG_WAY
}

/** Neither fragment nor many segments in one, and its header's checksum is right. */
function isWhole(packet: Packet): boolean {
  const front = wholeAt.at(packet, 0)
  if (front === null || packet.segmentSize !== 0) return false
  if ((front.word1 & FRAGMENT_BITS) !== 0) return false
  const sum: u32 = sumHalves(front.word0, front.word1, front.word2, front.source, front.destination)
  return fold(sum) === 0xffff
}

const fillAt = Front.cursor()

/** What the functions of the long way look for in `flow`. */
function fill(packet: Packet, flow: Flow, protocol: u8): void {
  clearFlow(flow)
  const front = fillAt.at(packet, 0)
  if (front === null) return
  flow.family = 4
  flow.source0 = 0
  flow.source1 = 0
  flow.source2 = 0xffff
  flow.source3 = front.source
  flow.destination0 = 0
  flow.destination1 = 0
  flow.destination2 = 0xffff
  flow.destination3 = front.destination
  flow.sourcePort = front.sourcePort
  flow.destinationPort = front.destinationPort
  flow.protocol = protocol
  flow.length = front.word0 & 0xffff
  flow.network = ETHERNET_BYTES
  flow.transport = TRANSPORT
}

const ipv4At = Ipv4.cursor()

/** The rest, for a tunnel: read once more, since nothing was kept of it. */
function fillRest(packet: Packet, flow: Flow): void {
  const ip = ipv4At.at(packet, ETHERNET_BYTES)
  if (ip === null) return
  flow.trafficClass = ip.typeOfService
  flow.dontFragment = u8((ip.flagsAndOffset & DONT_FRAGMENT) >>> 14)
}

const transportAt = Front.cursor()

/** Is the transport header there, and does the packet leave its connection's state as it is? */
function isQuiet(packet: Packet, flow: Flow): boolean {
  const front = transportAt.at(packet, 0)
  if (front === null) return false
  if (flow.protocol !== Protocol.tcp) return flow.length >= IPV4_BYTES + UDP_BYTES
  if ((front.offsetAndFlags & EVENTS) !== TcpFlag.ack) return false
  const words: u32 = front.offsetAndFlags >>> 12
  return words >= 5 && IPV4_BYTES + words * 4 <= flow.length
}

/** An acknowledgement leaves an established connection established, whoever sends it (tcp.ts). */
function isSteady(line: Connection, flow: Flow): boolean {
  if (flow.protocol !== Protocol.tcp) return true
  return (line.status & Status.stateMask) === TcpState.established << Status.stateShift
}

const requestSettingsAt = settings.cursor()
const requestLineAt = connections.cursor()
const requestServerAt = servers.cursor()
const requestServiceAt = services.cursor()
const requestHopAt = hops.cursor()

/** From a client. `timeout`: row of `timeouts` for a connection that stays as it is. */
function request(packet: Packet, flow: Flow, protocol: u8, timeout: u32): u32 {
  const time: u32 = now()
  fill(packet, flow, protocol)
  const common = requestSettingsAt.at(0)
  if (common === null || !isQuiet(packet, flow)) return LONG_WAY
  const hash: u32 = hashClient(
    common.hashSeed,
    0,
    0,
    0xffff,
    flow.source3,
    flow.sourcePort,
    protocol,
  )
  flow.connection = u32(hash & common.connectionMask)
  const line = requestLineAt.at(flow.connection)
  if (line === null || line.owner !== hash || !isRequestOf(line, flow)) return LONG_WAY
  const method: u32 = forwardingOf(line)
  if (method === Forwarding.fullnat) return LONG_WAY
  const server = requestServerAt.at(line.server)
  if (server === null || !isAvailable(server) || !isSteady(line, flow)) return LONG_WAY
  if (requestServiceAt.at(server.service) === null) return LONG_WAY
  const way: u32 = cachedHop(server.hop, common.routeGeneration)
  const hop = requestHopAt.at(way)
  if (hop === null || !isOpen(packet, flow, hop)) return LONG_WAY
  flow.direction = Direction.request
  flow.server = line.server
  flow.service = server.service
  const expires: u32 = u32(time + timeoutOf(timeout))
  if (method === Forwarding.masquerade) {
    line.expires = expires
    countRequest(flow, server)
    packet.askChecksum()
    copyTuple(requestTuple, flow)
    setDestinationServer(requestTuple, server, line)
    translate(packet, flow, requestTuple)
    return leave(packet, flow, way, hop, Reason.toServer)
  }
  if (method === Forwarding.direct) {
    line.expires = expires
    countRequest(flow, server)
    countHop(packet, flow)
    return leave(packet, flow, way, hop, Reason.toServer)
  }
  if (method !== Forwarding.tunnel || !fitsTunnel(packet, flow, server, hop)) return LONG_WAY
  line.expires = expires
  countRequest(flow, server)
  return sendTunnel(packet, flow, server, way, hop)
}

const requestTuple = Tuple.local()
const replySettingsAt = settings.cursor()
const replyLineAt = connections.cursor()
const replyServerAt = servers.cursor()
const replyServiceAt = services.cursor()
const replyHopAt = hops.cursor()
const replyTuple = Tuple.local()

/** From a server, by NAT. */
function reply(packet: Packet, flow: Flow, protocol: u8, timeout: u32): u32 {
  const time: u32 = now()
  fill(packet, flow, protocol)
  const common = replySettingsAt.at(0)
  if (common === null || !isQuiet(packet, flow)) return LONG_WAY
  const hash: u32 = hashClient(
    common.hashSeed,
    0,
    0,
    0xffff,
    flow.destination3,
    flow.destinationPort,
    protocol,
  )
  flow.connection = u32(hash & common.connectionMask)
  const line = replyLineAt.at(flow.connection)
  if (line === null || line.owner !== hash || !isReplyOf(line, flow)) return LONG_WAY
  // The first answer by UDP assures the template.
  if (protocol !== Protocol.tcp && (line.status & Status.controlled) !== 0) return LONG_WAY
  const server = replyServerAt.at(line.server)
  if (server === null || !isAvailable(server) || !isSteady(line, flow)) return LONG_WAY
  if (replyServiceAt.at(server.service) === null) return LONG_WAY
  const way: u32 = cachedHop(line.clientHop, common.routeGeneration)
  const hop = replyHopAt.at(way)
  if (hop === null || !isOpen(packet, flow, hop)) return LONG_WAY
  flow.direction = Direction.reply
  flow.server = line.server
  flow.service = server.service
  line.expires = u32(time + timeoutOf(timeout))
  countReply(flow, server)
  packet.askChecksum()
  copyTuple(replyTuple, flow)
  setSourceVirtual(replyTuple, line)
  translate(packet, flow, replyTuple)
  return leave(packet, flow, way, hop, Reason.toClient)
}

const openAt = Ipv4.cursor()

/** Does the packet arrive if it is given to this hop as it is? */
function isOpen(packet: Packet, flow: Flow, hop: Hop): boolean {
  const ip = openAt.at(packet, ETHERNET_BYTES)
  if (ip === null || !isResolved(hop) || hop.interface === 0) return false
  flow.timeToLive = ip.timeToLive
  if (flow.timeToLive <= 1) return false
  return packet.length <= ETHERNET_BYTES + hop.mtu
}

const tunnelSettingsAt = settings.cursor()

/** Is it a tunnel of IPv4 in IPv4 and nothing between, through which the packet goes with DF and without padding? */
function fitsTunnel(packet: Packet, flow: Flow, server: Server, hop: Hop): boolean {
  fillRest(packet, flow)
  const common = tunnelSettingsAt.at(0)
  if (common === null || (common.switches & Switch.pathMtuDiscovery) === 0) return false
  if (server.tunnelType !== TunnelType.ipip || server.family !== 4) return false
  if (server.pathMtu !== 0 || flow.dontFragment === 0) return false
  if (packet.length !== ETHERNET_BYTES + flow.length) return false
  return hop.mtu >= IPV4_MTU_MIN + IPV4_BYTES && flow.length + IPV4_BYTES <= hop.mtu
}

/** The last step, by row `way` of `hops`; nothing hinders it any more. */
function leave(packet: Packet, flow: Flow, way: u32, hop: Hop, reason: u32): u32 {
  writeMacs(packet, hop)
  flow.hop = way
  flow.egress = hop.interface
  flow.mtu = hop.mtu
  count(reason)
  return u32(((way + 1) << Outcome.hopShift) | reason)
}

const tunnelSource = TunnelSource.local()

function sendTunnel(packet: Packet, flow: Flow, server: Server, way: u32, hop: Hop): u32 {
  tunnelSource.address3 = hop.own3
  countHop(packet, flow)
  if (!packet.encapsulate(IPV4_BYTES, Encapsulation.ipv4)) {
    count(Reason.noRoom)
    return Reason.noRoom
  }
  flow.outerBytes = IPV4_BYTES
  writeOuterIpv4(packet, flow, server, tunnelSource, Protocol.ipip, flow.length)
  return leave(packet, flow, way, hop, Reason.toServer)
}
