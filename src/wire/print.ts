/**
 * One line about a frame, as `tcpdump -nntS` prints it (with `link`, as `tcpdump -nntSe`).
 *
 *     IP 10.0.0.10.40000 > 10.0.0.100.80: Flags [S], seq 1000, win 64240, options [mss 1460], length 0
 *
 * Network engineers read this without learning anything new. Where tcpdump looks into the payload (HTTP, DNS,
 * SCTP's chunks) this does not; GUE, which tcpdump does not know, is looked into. Never throws: what cannot
 * be read is said so in square brackets.
 */
import { viewOf } from '../base/bytes.ts'
import { formatArp, parseArp } from './arp.ts'
import { EtherType, formatEthernet, formatEtherType, parseEthernet } from './ethernet.ts'
import { formatGre, parseGre } from './gre.ts'
import { formatGue, GUE_PORT, parseGue } from './gue.ts'
import { formatIcmp, parseIcmp } from './icmp.ts'
import { formatIcmpv6, parseIcmpv6 } from './icmpv6.ts'
import { formatProtocol, Protocol } from './ip-protocol.ts'
import { formatIpPacket, parseIpPacket } from './ipip.ts'
import type { IpPacket } from './ipip.ts'
import { fragmentOf } from './ipv6.ts'
import type { Ipv6Packet } from './ipv6.ts'
import { formatNdp, parseNdp } from './ndp.ts'
import { formatSctp, parseSctp } from './sctp.ts'
import { formatTcp, parseTcp } from './tcp.ts'
import { formatUdp, parseUdp, Udp } from './udp.ts'
import { formatVlan, parseVlan } from './vlan.ts'
import { formatVrrp, parseVrrp } from './vrrp.ts'

export interface PrintOptions {
  /** With the Ethernet header: MAC addresses, EtherType, length, VLAN tags. */
  readonly link?: boolean
  /** With the IP header: TTL, type of service, identification, fragments. */
  readonly verbose?: boolean
}

/** How deep tunnels are followed. */
const TUNNELS_MAX = 4
const TAGS_MAX = 2

/** One line about an Ethernet frame. */
export function printFrame(bytes: Uint8Array, options: PrintOptions = {}): string {
  const ethernet = parseEthernet(bytes)
  if (ethernet === undefined) return '[|ether]'
  let { type, payload } = ethernet
  let link = `${formatEthernet(ethernet)}: `
  for (let i = 0; i < TAGS_MAX && (type === EtherType.vlan || type === EtherType.qinq); i++) {
    const tag = parseVlan(payload)
    if (tag === undefined) return `${link}[|vlan]`
    link += `${formatVlan(tag)}, `
    type = tag.type
    payload = tag.payload
  }
  if (!isKnown(type)) return link.replace(/[:,] $/, '')
  const network = printNetwork(type, payload, options.verbose === true)
  if (options.link === true) return link + network.replace(/^(ARP,|IP6?) /, '')
  return network
}

/** One line about an IP packet, without Ethernet around it. */
export function printPacket(bytes: Uint8Array, options: PrintOptions = {}): string {
  return printIp(bytes, options.verbose === true, 0)
}

function isKnown(type: number): boolean {
  return type === EtherType.arp || type === EtherType.ipv4 || type === EtherType.ipv6
}

function printNetwork(type: number, payload: Uint8Array, verbose: boolean): string {
  if (type !== EtherType.arp) return printIp(payload, verbose, 0)
  const arp = parseArp(payload)
  return `ARP, ${arp === undefined ? '[|arp]' : formatArp(arp)}, length ${payload.length}`
}

function printIp(bytes: Uint8Array, verbose: boolean, depth: number): string {
  const ip = parseIpPacket(bytes)
  if (ip === undefined) return (bytes[0] ?? 0) >>> 4 === 6 ? 'IP6 [|ip6]' : 'IP [|ip]'
  const name = ip.version === 4 ? 'IP' : 'IP6'
  const text = ip.version === 4 ? printIpv4(ip, verbose, depth) : printIpv6(ip, verbose, depth)
  return verbose
    ? `${name} ${formatIpPacket(ip).replace(/^.*? \(/, '(')} ${text}`
    : `${name} ${text}`
}

function printIpv4(ip: IpPacket, verbose: boolean, depth: number): string {
  const isLater = ip.version === 4 && ip.fragmentOffset > 0
  if (isLater) return `${ip.source} > ${ip.destination}: ip-proto-${ip.protocol}`
  return printFlow(ip, verbose, depth)
}

const EXTENSION_NAMES: Readonly<Record<number, string>> = {
  [Protocol.hopByHop]: 'HBH',
  [Protocol.routing]: 'RT',
  [Protocol.ah]: 'AH',
  [Protocol.destinationOptions]: 'DSTOPT',
  [Protocol.mobility]: 'mobility',
}

/** Behind extension headers tcpdump does not repeat the addresses, only the ports. */
function printIpv6(ip: Ipv6Packet, verbose: boolean, depth: number): string {
  if (ip.extensions.length === 0) return printFlow(ip, verbose, depth)
  const fragment = fragmentOf(ip)
  const said = ip.extensions.map(({ type }) => {
    if (type !== Protocol.fragment) return EXTENSION_NAMES[type]
    return `frag (${fragment?.offset}|${ip.payload.length})`
  })
  const head = `${ip.source} > ${ip.destination}: ${said.join(' ')}`
  if ((fragment?.offset ?? 0) > 0) return head
  const ports = portsOf(ip)
  const flow = ports === undefined ? '' : `${ports[0]} > ${ports[1]}: `
  return `${head} ${flow}${printTransport(ip, verbose, depth)}`
}

function printFlow(ip: IpPacket, verbose: boolean, depth: number): string {
  const [source, destination] = portsOf(ip)?.map((port) => `.${port}`) ?? ['', '']
  const flow = `${ip.source}${source} > ${ip.destination}${destination}`
  return `${flow}: ${printTransport(ip, verbose, depth)}`
}

/** TCP, UDP and SCTP begin with them. */
function portsOf({ protocol, payload }: IpPacket): [number, number] | undefined {
  const hasPorts =
    protocol === Protocol.tcp || protocol === Protocol.udp || protocol === Protocol.sctp
  if (!hasPorts || payload.length < 4) return undefined
  const view = viewOf(payload)
  return [view.getUint16(0), view.getUint16(2)]
}

function printTransport(ip: IpPacket, verbose: boolean, depth: number): string {
  const { protocol, payload, version } = ip
  switch (protocol) {
    case Protocol.tcp:
      return printed(parseTcp(payload), formatTcp, '[|tcp]')
    case Protocol.udp:
      return printUdp(payload, verbose, depth)
    case Protocol.sctp:
      return printed(parseSctp(payload), formatSctp, 'sctp [|sctp]')
    case Protocol.icmp:
      return printed(parseIcmp(payload), formatIcmp, 'ICMP [|icmp]')
    case Protocol.icmpv6:
      return printIcmpv6(payload)
    case Protocol.vrrp:
      return printed(parseVrrp(payload, version), formatVrrp, 'VRRP [|vrrp]')
    case Protocol.gre:
      return printGre(payload, verbose, depth)
    case Protocol.ipip:
    case Protocol.ipv6:
      return printInner(payload, verbose, depth)
    case Protocol.none:
      return formatProtocol(protocol)
    default:
      return ` ip-proto-${protocol} ${payload.length}`
  }
}

function printed<T>(message: T | undefined, format: (message: T) => string, cut: string): string {
  return message === undefined ? cut : format(message)
}

function printInner(bytes: Uint8Array, verbose: boolean, depth: number): string {
  return depth < TUNNELS_MAX ? printIp(bytes, verbose, depth + 1) : '[too many tunnels]'
}

function printIcmpv6(payload: Uint8Array): string {
  const ndp = parseNdp(payload)
  if (ndp !== undefined) return formatNdp(ndp)
  return printed(parseIcmpv6(payload), formatIcmpv6, 'ICMP6, [|icmp6]')
}

function printUdp(payload: Uint8Array, verbose: boolean, depth: number): string {
  const udp = parseUdp(payload)
  if (udp === undefined) return printCutUdp(payload)
  const gue = udp.destinationPort === GUE_PORT ? parseGue(udp.payload) : undefined
  if (gue === undefined) return formatUdp(udp)
  const isIp = gue.protocol === Protocol.ipip || gue.protocol === Protocol.ipv6
  const inner = isIp && !gue.isControl ? `: ${printInner(gue.payload, verbose, depth)}` : ''
  return `${formatUdp(udp)}: ${formatGue(gue)}${inner}`
}

/** A first fragment has less than it says. */
function printCutUdp(payload: Uint8Array): string {
  if (payload.length < Udp.size) return '[|udp]'
  return `UDP, length ${Udp.view(viewOf(payload), 0).length - Udp.size}`
}

function printGre(payload: Uint8Array, verbose: boolean, depth: number): string {
  const gre = parseGre(payload)
  if (gre === undefined) return '[|gre]'
  const isIp = gre.protocol === EtherType.ipv4 || gre.protocol === EtherType.ipv6
  const inner = isIp ? printInner(gre.payload, verbose, depth) : formatEtherType(gre.protocol)
  return `${formatGre(gre)}: ${inner}`
}
