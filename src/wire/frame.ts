/**
 * Whole frames: all layers at once, for tests, replay and printing.
 *
 *   Ethernet │ VLAN tags │ ARP
 *                        │ IPv4 or IPv6 │ TCP, UDP, SCTP, ICMP, ICMPv6, NDP, VRRP │ payload
 *                        │              │ IPv4 or IPv6 │ …                              IP in IP
 *                        │              │ GRE │ IPv4 or IPv6 │ …
 *                        │              │ UDP to port 6080 │ GUE │ IPv4 or IPv6 │ …
 *
 * What `parseFrame` gives, `emitFrame` takes: every field that is left out gets a sensible default, lengths
 * and protocol numbers always follow from what is inside. For short ways to write a frame, see flow.ts.
 */
import { assert } from '../base/assert.ts'
import { familyOf } from '../base/ip.ts'
import { emitArp, parseArp } from './arp.ts'
import type { ArpMessage } from './arp.ts'
import { emitEthernet, EtherType, parseEthernet } from './ethernet.ts'
import { emitGre, parseGre } from './gre.ts'
import type { GrePacket } from './gre.ts'
import { emitGue, GUE_PORT, parseGue } from './gue.ts'
import type { GuePacket } from './gue.ts'
import { emitIcmp, parseIcmp } from './icmp.ts'
import type { IcmpMessage } from './icmp.ts'
import { emitIcmpv6, Icmpv6Type, parseIcmpv6 } from './icmpv6.ts'
import type { Icmpv6Message } from './icmpv6.ts'
import { Protocol } from './ip-protocol.ts'
import { emitIpPacket, isFragment, parseIpPacket } from './ipip.ts'
import type { IpPacket } from './ipip.ts'
import type { Ipv4Packet } from './ipv4.ts'
import type { Ipv6Packet } from './ipv6.ts'
import { emitNdp, parseNdp } from './ndp.ts'
import type { NdpMessage } from './ndp.ts'
import { emitSctp, parseSctp } from './sctp.ts'
import type { SctpPacket } from './sctp.ts'
import { emitTcp, parseTcp } from './tcp.ts'
import type { TcpSegment } from './tcp.ts'
import { emitUdp, parseUdp } from './udp.ts'
import type { UdpDatagram } from './udp.ts'
import { emitVlan, parseVlan } from './vlan.ts'
import { emitVrrp, parseVrrp } from './vrrp.ts'
import type { VrrpAdvertisement } from './vrrp.ts'

/** An IP packet and what is known inside it; fragments have only `ip`. */
export interface IpLayers {
  readonly ip: IpPacket
  readonly tcp?: TcpSegment | undefined
  readonly udp?: UdpDatagram | undefined
  readonly sctp?: SctpPacket | undefined
  readonly icmp?: IcmpMessage | undefined
  readonly icmpv6?: Icmpv6Message | undefined
  /** Besides `icmpv6`, where it is one. */
  readonly ndp?: NdpMessage | undefined
  readonly vrrp?: VrrpAdvertisement | undefined
  readonly gre?: GrePacket | undefined
  /** Besides `udp`, where the destination port is GUE's. */
  readonly gue?: GuePacket | undefined
  /** The packet in the tunnel: behind `ip`, `gre` or `gue`. */
  readonly inner?: IpLayers | undefined
}

export interface VlanLayer {
  readonly id: number
  readonly priority: number
  readonly dropEligible: boolean
  /** The EtherType that announces this tag. */
  readonly announcedBy: number
}

export interface Frame extends Partial<IpLayers> {
  readonly destinationMac: string
  readonly sourceMac: string
  /** The outer one first. */
  readonly vlans: readonly VlanLayer[]
  /** EtherType behind the tags. */
  readonly type: number
  readonly arp?: ArpMessage | undefined
  /** All behind Ethernet header and tags, padding too. */
  readonly payload: Uint8Array
}

const VLANS_MAX = 2

/** Undefined if a layer that we know is cut or not consistent. A layer that we do not know is not looked into. */
export function parseFrame(bytes: Uint8Array): Frame | undefined {
  const ethernet = parseEthernet(bytes)
  if (ethernet === undefined) return undefined
  const { destination: destinationMac, source: sourceMac } = ethernet
  let { type, payload } = ethernet
  const vlans: VlanLayer[] = []
  while (vlans.length < VLANS_MAX && (type === EtherType.vlan || type === EtherType.qinq)) {
    const tag = parseVlan(payload)
    if (tag === undefined) return undefined
    const { id, priority, dropEligible } = tag
    vlans.push({ id, priority, dropEligible, announcedBy: type })
    type = tag.type
    payload = tag.payload
  }
  const frame = { destinationMac, sourceMac, vlans, type, payload }
  if (type === EtherType.arp) {
    const arp = parseArp(payload)
    return arp && { ...frame, arp }
  }
  if (!isIpType(type)) return frame
  const layers = parseIpLayers(payload)
  return layers?.ip.version === versionOf(type) ? { ...frame, ...layers } : undefined
}

function isIpType(type: number): boolean {
  return type === EtherType.ipv4 || type === EtherType.ipv6
}

function versionOf(type: number): 4 | 6 {
  return type === EtherType.ipv4 ? 4 : 6
}

/** A packet and what is in it; undefined as `parseFrame`. */
export function parseIpLayers(bytes: Uint8Array): IpLayers | undefined {
  const ip = parseIpPacket(bytes)
  if (ip === undefined || isFragment(ip)) return ip && { ip }
  const { payload, version } = ip
  switch (ip.protocol) {
    case Protocol.tcp:
      return whole({ ip, tcp: parseTcp(payload) }, 'tcp')
    case Protocol.udp:
      return parseUdpLayers(ip)
    case Protocol.sctp:
      return whole({ ip, sctp: parseSctp(payload) }, 'sctp')
    case Protocol.icmp:
      return whole({ ip, icmp: parseIcmp(payload) }, 'icmp')
    case Protocol.icmpv6:
      return parseIcmpv6Layers(ip)
    case Protocol.vrrp:
      return whole({ ip, vrrp: parseVrrp(payload, version) }, 'vrrp')
    case Protocol.gre:
      return parseGreLayers(ip)
    case Protocol.ipip:
    case Protocol.ipv6:
      return parseInner({ ip }, ip.protocol, payload)
    default:
      return { ip }
  }
}

/** The layers, if the named one could be read. */
function whole(layers: IpLayers, name: keyof IpLayers): IpLayers | undefined {
  return layers[name] === undefined ? undefined : layers
}

function parseInner(outer: IpLayers, protocol: number, bytes: Uint8Array): IpLayers | undefined {
  const inner = parseIpLayers(bytes)
  const version = protocol === Protocol.ipip ? 4 : 6
  return inner?.ip.version === version ? { ...outer, inner } : undefined
}

function parseUdpLayers(ip: IpPacket): IpLayers | undefined {
  const udp = parseUdp(ip.payload)
  if (udp?.destinationPort !== GUE_PORT) return udp && { ip, udp }
  const gue = parseGue(udp.payload)
  if (gue === undefined) return undefined
  const isIp = gue.protocol === Protocol.ipip || gue.protocol === Protocol.ipv6
  if (gue.isControl || !isIp) return { ip, udp, gue }
  return parseInner({ ip, udp, gue }, gue.protocol, gue.payload)
}

function parseGreLayers(ip: IpPacket): IpLayers | undefined {
  const gre = parseGre(ip.payload)
  if (gre === undefined || !isIpType(gre.protocol)) return gre && { ip, gre }
  const protocol = gre.protocol === EtherType.ipv4 ? Protocol.ipip : Protocol.ipv6
  return parseInner({ ip, gre }, protocol, gre.payload)
}

function parseIcmpv6Layers(ip: IpPacket): IpLayers | undefined {
  const icmpv6 = parseIcmpv6(ip.payload)
  const isNdp =
    icmpv6?.type === Icmpv6Type.neighbourSolicitation ||
    icmpv6?.type === Icmpv6Type.neighbourAdvertisement
  if (!isNdp) return icmpv6 && { ip, icmpv6 }
  return whole({ ip, icmpv6, ndp: parseNdp(ip.payload) }, 'ndp')
}

/** An IP header to emit: its version is the addresses'. */
export interface IpSpec
  extends Partial<Omit<Ipv4Packet, 'version'>>, Partial<Omit<Ipv6Packet, 'version'>> {
  readonly version?: 4 | 6
  readonly source: string
  readonly destination: string
}

type Ports = { readonly sourcePort: number; readonly destinationPort: number }

/** As `IpLayers`, with defaults for most of it. At most one of the transport layers stands in it. */
export interface IpLayersSpec {
  readonly ip: IpSpec
  readonly tcp?: (Partial<TcpSegment> & Ports) | undefined
  readonly udp?: (Partial<UdpDatagram> & Ports) | undefined
  readonly sctp?: (Partial<SctpPacket> & Ports) | undefined
  readonly icmp?: (Partial<IcmpMessage> & { readonly type: number }) | undefined
  readonly icmpv6?: (Partial<Icmpv6Message> & { readonly type: number }) | undefined
  readonly ndp?: NdpMessage | undefined
  readonly vrrp?: VrrpAdvertisement | undefined
  readonly gre?: Partial<GrePacket> | undefined
  readonly gue?: Partial<GuePacket> | undefined
  readonly inner?: IpLayersSpec | undefined
}

/** As `Frame`, with defaults for most of it. `payload` counts only where neither `arp` nor `ip` stands. */
export interface FrameSpec extends Partial<IpLayersSpec> {
  readonly destinationMac?: string
  readonly sourceMac?: string
  readonly vlans?: readonly (Partial<VlanLayer> & { readonly id: number })[]
  readonly type?: number
  readonly arp?: ArpMessage | undefined
  readonly payload?: Uint8Array
}

const NO_BYTES = new Uint8Array()
export const DEFAULT_SOURCE_MAC = '02:00:00:00:0a:01'
export const DEFAULT_DESTINATION_MAC = '02:00:00:00:0a:02'

/** The frame's bytes. */
export function emitFrame(frame: FrameSpec): Uint8Array {
  let { type, payload } = emitNetwork(frame)
  for (const vlan of [...(frame.vlans ?? [])].reverse()) {
    payload = emitVlan({ priority: 0, dropEligible: false, ...vlan, type, payload })
    type = vlan.announcedBy ?? EtherType.vlan
  }
  const destination = frame.destinationMac ?? DEFAULT_DESTINATION_MAC
  return emitEthernet({ destination, source: frame.sourceMac ?? DEFAULT_SOURCE_MAC, type, payload })
}

function emitNetwork(frame: FrameSpec): { type: number; payload: Uint8Array } {
  if (frame.arp !== undefined) return { type: EtherType.arp, payload: emitArp(frame.arp) }
  if (frame.ip === undefined) return { type: frame.type ?? 0, payload: frame.payload ?? NO_BYTES }
  const type = familyOf(frame.ip.source) === 4 ? EtherType.ipv4 : EtherType.ipv6
  return { type, payload: emitIpLayers({ ...frame, ip: frame.ip }) }
}

/** The packet's bytes. */
export function emitIpLayers(layers: IpLayersSpec): Uint8Array {
  const { ip } = layers
  const [protocol, payload] = emitTransport(layers)
  assert(familyOf(ip.source) === familyOf(ip.destination), `${ip.source} > ${ip.destination}`)
  if (familyOf(ip.source) === 6)
    return emitIpPacket({ ...IPV6_DEFAULTS, ...ip, version: 6, protocol, payload })
  return emitIpPacket({ ...IPV4_DEFAULTS, ...ip, version: 4, protocol, payload })
}

/** Protocol number and bytes of what the IP header carries. */
function emitTransport(layers: IpLayersSpec): [number, Uint8Array] {
  const { ip, tcp, sctp, icmp, icmpv6, ndp, vrrp } = layers
  const { source, destination } = ip
  if (tcp) return [Protocol.tcp, emitTcp({ ...TCP_DEFAULTS, ...tcp }, source, destination)]
  if (sctp) return [Protocol.sctp, emitSctp({ tag: 0, chunks: [], ...sctp })]
  if (icmp) return [Protocol.icmp, emitIcmp({ ...ICMP_DEFAULTS, ...icmp })]
  if (ndp) return [Protocol.icmpv6, emitNdp(ndp, source, destination)]
  if (icmpv6) {
    return [Protocol.icmpv6, emitIcmpv6({ ...ICMP_DEFAULTS, ...icmpv6 }, source, destination)]
  }
  if (vrrp) return [Protocol.vrrp, emitVrrp(vrrp, source, destination)]
  return emitTunnel(layers)
}

function emitTunnel(layers: IpLayersSpec): [number, Uint8Array] {
  const { ip, udp, gre, gue, inner } = layers
  const payload = inner && { payload: emitIpLayers(inner) }
  const isInner6 = inner !== undefined && familyOf(inner.ip.source) === 6
  const protocol = isInner6 ? Protocol.ipv6 : Protocol.ipip
  if (gre) {
    const type = isInner6 ? EtherType.ipv6 : EtherType.ipv4
    return [Protocol.gre, emitGre({ protocol: type, payload: NO_BYTES, ...gre, ...payload })]
  }
  if (udp) {
    const guePayload = gue && {
      payload: emitGue({ ...GUE_DEFAULTS, protocol, ...gue, ...payload }),
    }
    const datagram = { payload: NO_BYTES, ...udp, ...guePayload }
    return [Protocol.udp, emitUdp(datagram, ip.source, ip.destination)]
  }
  if (payload) return [protocol, payload.payload]
  return [ip.protocol ?? Protocol.none, ip.payload ?? NO_BYTES]
}

const IPV4_DEFAULTS = {
  typeOfService: 0,
  identification: 0,
  dontFragment: true,
  moreFragments: false,
  fragmentOffset: 0,
  timeToLive: 64,
  options: NO_BYTES,
}
const IPV6_DEFAULTS = { trafficClass: 0, flowLabel: 0, hopLimit: 64, extensions: [] }
const TCP_DEFAULTS = {
  sequence: 0,
  acknowledgement: 0,
  flags: 0,
  window: 64_240,
  urgent: 0,
  options: NO_BYTES,
  payload: NO_BYTES,
}
const ICMP_DEFAULTS = { code: 0, rest: 0, payload: NO_BYTES }
const GUE_DEFAULTS = { isControl: false, flags: 0, extensions: NO_BYTES, payload: NO_BYTES }
