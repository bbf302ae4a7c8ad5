/**
 * A tunnel packet of ours as an ICMP error quotes it: to which server it went, by which kind of tunnel, and the packet
 * in it. What tunnel-header.ts writes, here it is read; anything else is none of ours.
 *
 *   | IP router → DIP | ICMP | IP DIP → RIP | GRE, or UDP and GUE, or nothing | IP CIP → VIP | TCP, UDP, cut … |
 */
import { u32, type u16 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { header, row } from '../subset/struct.ts'
import { EtherType } from '../wire/ethernet.ts'
import { Gre, GreFlag } from '../wire/gre.ts'
import { Gue } from '../wire/gue.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { Ipv4 } from '../wire/ipv4.ts'
import { Ipv6 } from '../wire/ipv6.ts'
import { Udp } from '../wire/udp.ts'
import type { Flow } from './flow.ts'
import { TunnelType, type Server } from './tables.ts'

const Quote = row('quote', {
  server0: 'u32',
  server1: 'u32',
  server2: 'u32',
  server3: 'u32',
  /** Where the packet in the tunnel begins. */
  inner: 'u32',
  port: 'u16',
  /** 4 or 6: of the tunnel packet, and of the packet in it. */
  family: 'u8',
  innerFamily: 'u8',
  tunnelType: 'u8',
})
export const quote = Quote.local()

const Ports = header('ports', { sourcePort: 'u16', destinationPort: 'u16' })

const outerIpv4At = Ipv4.cursor()
const outerIpv6At = Ipv6.cursor()
const greAt = Gre.cursor()
const udpAt = Udp.cursor()
const gueAt = Gue.cursor()
const innerIpv4At = Ipv4.cursor()
const innerIpv6At = Ipv6.cursor()
const portsAt = Ports.cursor()

/**
 * Reads what the ICMP error at `flow.transport` quotes into `quote`, and describes in `flow` the packet in the tunnel,
 * but for its length. False: it is no tunnel packet, or too little of it is there.
 */
export function readTunnelQuote(packet: Packet, flow: Flow): boolean {
  quote.family = flow.family
  const isOuter: boolean = flow.family === 4 ? readOuter4(packet, flow) : readOuter6(packet, flow)
  if (!isOuter) return false
  return quote.innerFamily === 4 ? readInner4(packet, flow) : readInner6(packet, flow)
}

/** Does the tunnel packet go to this server, as its packets do? */
export function isQuoteTo(server: Server): boolean {
  if (server.tunnelType !== quote.tunnelType || server.family !== quote.family) return false
  if (server.tunnelType === TunnelType.gue && server.tunnelPort !== quote.port) return false
  return (
    server.address3 === quote.server3 &&
    server.address2 === quote.server2 &&
    server.address1 === quote.server1 &&
    server.address0 === quote.server0
  )
}

function readOuter4(packet: Packet, flow: Flow): boolean {
  const ip = outerIpv4At.at(packet, flow.transport + 8)
  // Ours have no options, and only the first fragment has the rest.
  if (ip === null || ip.versionAndLength !== 0x45) return false
  if ((ip.flagsAndOffset & 0x1fff) !== 0) return false
  quote.server0 = 0
  quote.server1 = 0
  quote.server2 = 0xffff
  quote.server3 = ip.destination
  return readBetween(packet, u32(flow.transport + 28), ip.protocol)
}

function readOuter6(packet: Packet, flow: Flow): boolean {
  const ip = outerIpv6At.at(packet, flow.transport + 8)
  if (ip === null || ip.versionClassFlow >>> 28 !== 6) return false
  quote.server0 = ip.destination0
  quote.server1 = ip.destination1
  quote.server2 = ip.destination2
  quote.server3 = ip.destination3
  return readBetween(packet, u32(flow.transport + 48), ip.nextHeader)
}

/** What the outer header announces as `protocol`, at `offset`. */
function readBetween(packet: Packet, offset: u32, protocol: u32): boolean {
  if (protocol === Protocol.gre) return readGre(packet, offset)
  if (protocol === Protocol.udp) return readGue(packet, offset)
  quote.tunnelType = TunnelType.ipip
  return setInner(protocol, offset)
}

/** The packet of this protocol begins here. */
function setInner(protocol: u32, offset: u32): boolean {
  quote.inner = offset
  quote.innerFamily = protocol === Protocol.ipip ? 4 : 6
  return protocol === Protocol.ipip || protocol === Protocol.ipv6
}

function readGre(packet: Packet, offset: u32): boolean {
  const gre = greAt.at(packet, offset)
  if (gre === null) return false
  const flags: u16 = gre.flagsAndVersion
  if (flags !== 0 && flags !== GreFlag.checksum) return false
  quote.tunnelType = TunnelType.gre
  quote.inner = flags === 0 ? u32(offset + 4) : u32(offset + 8)
  quote.innerFamily = gre.protocol === EtherType.ipv4 ? 4 : 6
  return gre.protocol === EtherType.ipv4 || gre.protocol === EtherType.ipv6
}

function readGue(packet: Packet, offset: u32): boolean {
  const udp = udpAt.at(packet, offset)
  const gue = gueAt.at(packet, u32(offset + 8))
  if (udp === null || gue === null || gue.control !== 0) return false
  quote.tunnelType = TunnelType.gue
  quote.port = udp.destinationPort
  return setInner(gue.protocol, u32(offset + 12))
}

function readInner4(packet: Packet, flow: Flow): boolean {
  const ip = innerIpv4At.at(packet, quote.inner)
  if (ip === null) return false
  const headerBytes: u32 = (ip.versionAndLength & 0x0f) * 4
  if (ip.versionAndLength >>> 4 !== 4 || headerBytes < 20) return false
  if ((ip.flagsAndOffset & 0x1fff) !== 0) return false
  flow.source0 = 0
  flow.source1 = 0
  flow.source2 = 0xffff
  flow.source3 = ip.source
  flow.destination0 = 0
  flow.destination1 = 0
  flow.destination2 = 0xffff
  flow.destination3 = ip.destination
  flow.trafficClass = ip.typeOfService
  flow.dontFragment = (ip.flagsAndOffset & 0x4000) !== 0 ? 1 : 0
  flow.protocol = ip.protocol
  return readPorts(packet, flow, u32(quote.inner + headerBytes))
}

function readInner6(packet: Packet, flow: Flow): boolean {
  const ip = innerIpv6At.at(packet, quote.inner)
  if (ip === null || ip.versionClassFlow >>> 28 !== 6) return false
  flow.source0 = ip.source0
  flow.source1 = ip.source1
  flow.source2 = ip.source2
  if (flow.source2 !== ip.source2) return false // as in parse.ts
  flow.source3 = ip.source3
  flow.destination0 = ip.destination0
  flow.destination1 = ip.destination1
  flow.destination2 = ip.destination2
  flow.destination3 = ip.destination3
  flow.trafficClass = (ip.versionClassFlow >>> 20) & 0xff
  flow.dontFragment = 1
  flow.protocol = ip.nextHeader
  return readPorts(packet, flow, u32(quote.inner + 40))
}

function readPorts(packet: Packet, flow: Flow, offset: u32): boolean {
  const isCarried: boolean =
    flow.protocol === Protocol.tcp ||
    flow.protocol === Protocol.udp ||
    flow.protocol === Protocol.sctp
  if (!isCarried) return false
  const ports = portsAt.at(packet, offset)
  if (ports === null || offset + 4 > flow.network + flow.length) return false
  flow.sourcePort = ports.sourcePort
  flow.destinationPort = ports.destinationPort
  return true
}
