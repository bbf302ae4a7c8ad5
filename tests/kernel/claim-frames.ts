/**
 * Frames to try the claim (src/kernel/claim/claim.ts) with, and the sets they are made for.
 *
 * `CLAIM_CASES` says for crafted frames whether they are claimed; `randomFrame` mangles: wrong versions and
 * lengths, fragments, options, chains of extension headers, VLAN tags, padding, cut anywhere.
 */
import { ipToBytes } from '../../src/base/ip.ts'
import type { Random } from '../../src/base/random.ts'
import { EtherType } from '../../src/wire/ethernet.ts'
import { Protocol } from '../../src/wire/ip-protocol.ts'
import type { Claims } from '../../src/kernel/claim/claim-sets.ts'

const { tcp, udp, sctp, icmp, icmpv6 } = Protocol

export const SAMPLE_CLAIMS: Claims = {
  destinations: [
    { address: '10.0.0.1', protocol: tcp, port: 80 },
    { address: '10.0.0.1', protocol: udp, port: 53 },
    { address: '10.0.0.1', protocol: sctp, port: 9 },
    { address: '10.0.0.2', protocol: tcp, port: 0 },
    { address: '2001:db8::1', protocol: tcp, port: 80 },
    { address: '2001:db8::1', protocol: udp, port: 53 },
    { address: '2001:db8::2', protocol: tcp, port: 0 },
  ],
  sources: [
    { address: '10.1.0.1', protocol: tcp, port: 8080 },
    { address: '10.1.0.2', protocol: udp, port: 0 },
    { address: '2001:db8:1::1', protocol: tcp, port: 8080 },
    { address: '2001:db8:1::2', protocol: udp, port: 0 },
  ],
  ownAddresses: ['10.0.0.9', '10.0.0.1', '2001:db8::9', '2001:db8::1'],
  tunnels: [{ address: '10.1.0.3' }, { address: '2001:db8:1::3' }],
  networks: [
    { prefix: '10.2.0.0/15', protocol: tcp, firstPort: 53, lastPort: 80 },
    { prefix: '10.2.1.0/25', protocol: udp, firstPort: 0, lastPort: 0xffff },
    { prefix: '2001:db8:2::/47', protocol: tcp, firstPort: 53, lastPort: 80 },
    { prefix: '2001:db8:2:8000::/65', protocol: udp, firstPort: 0, lastPort: 0xffff },
  ],
}

const CLIENT4 = '192.0.2.7'
const CLIENT6 = '2001:db8:7::7'

function u16(...values: number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [value >>> 8, value & 0xff]))
}

function join(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

/** A frame to the MAC address all zero, which a test replaces by the right one. */
export function ethernet(type: number, payload: Uint8Array): Uint8Array {
  return join(new Uint8Array(6), Uint8Array.of(2, 0, 0, 0, 0, 1), u16(type), payload)
}

interface Ipv4Fields {
  version?: number
  /** 32-bit words of header. */
  words?: number
  totalLength?: number
  flagsAndOffset?: number
  options?: Uint8Array
}

export function ipv4(
  source: string,
  destination: string,
  protocol: number,
  payload: Uint8Array,
  fields: Ipv4Fields = {},
): Uint8Array {
  const options = fields.options ?? new Uint8Array()
  const words = fields.words ?? 5 + options.length / 4
  const totalLength = fields.totalLength ?? 20 + options.length + payload.length
  return join(
    Uint8Array.of(((fields.version ?? 4) << 4) | words, 0),
    u16(totalLength, 1, fields.flagsAndOffset ?? 0),
    Uint8Array.of(64, protocol, 0, 0),
    ipToBytes(source),
    ipToBytes(destination),
    options,
    payload,
  )
}

interface Ipv6Fields {
  version?: number
  payloadLength?: number
}

export function ipv6(
  source: string,
  destination: string,
  nextHeader: number,
  payload: Uint8Array,
  fields: Ipv6Fields = {},
): Uint8Array {
  return join(
    Uint8Array.of((fields.version ?? 6) << 4, 0, 0, 0),
    u16(fields.payloadLength ?? payload.length),
    Uint8Array.of(nextHeader, 64),
    ipToBytes(source),
    ipToBytes(destination),
    payload,
  )
}

/** The first 20 bytes of a TCP header, good for UDP and SCTP too. */
export function ports(source: number, destination: number): Uint8Array {
  return join(u16(source, destination), new Uint8Array(16))
}

function icmpMessage(type: number): Uint8Array {
  return Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0)
}

/** An error about a packet from that address to that one. */
function errorAbout4(source: string, destination: string, type = 3): Uint8Array {
  return join(icmpMessage(type), ipv4(source, destination, tcp, ports(40000, 8080).subarray(0, 8)))
}
function errorAbout6(source: string, destination: string, type = 1): Uint8Array {
  return join(icmpMessage(type), ipv6(source, destination, tcp, ports(40000, 8080).subarray(0, 8)))
}

/** An extension header of `8 + 8 × more` bytes, before `payload`. */
function extension(nextHeader: number, more: number, payload: Uint8Array): Uint8Array {
  return join(Uint8Array.of(nextHeader, more, 0, 0, 0, 0, 0, 0), new Uint8Array(8 * more), payload)
}

function fragment6(nextHeader: number, offsetAndMore: number, payload: Uint8Array): Uint8Array {
  return join(Uint8Array.of(nextHeader, 0), u16(offsetAndMore, 0, 1), payload)
}

export interface ClaimCase {
  readonly name: string
  readonly frame: Uint8Array
  readonly isClaimed: boolean
}

const v4 = (packet: Uint8Array): Uint8Array => ethernet(EtherType.ipv4, packet)
const v6 = (packet: Uint8Array): Uint8Array => ethernet(EtherType.ipv6, packet)
const tagged = (tci: number, frame: Uint8Array): Uint8Array =>
  join(frame.subarray(0, 12), u16(EtherType.vlan, tci), frame.subarray(12))

/** From a client to 10.0.0.1 and 2001:db8::1. */
const to4 = (protocol: number, payload: Uint8Array, fields: Ipv4Fields = {}): Uint8Array =>
  v4(ipv4(CLIENT4, '10.0.0.1', protocol, payload, fields))
const to6 = (next: number, payload: Uint8Array, fields: Ipv6Fields = {}): Uint8Array =>
  v6(ipv6(CLIENT6, '2001:db8::1', next, payload, fields))

const web4 = ipv4(CLIENT4, '10.0.0.1', tcp, ports(40000, 80))
const web6 = ipv6(CLIENT6, '2001:db8::1', tcp, ports(40000, 80))

/** From a router between director and server. */
const [ROUTER4, ROUTER6] = ['10.1.0.254', '2001:db8:1::fe']
const ABOUT_SERVER4 = errorAbout4(CLIENT4, '10.1.0.1')
const ABOUT_SERVER6 = errorAbout6(CLIENT6, '2001:db8:1::1')
const ABOUT_TUNNEL4 = errorAbout4('10.0.0.9', '10.1.0.3')
const ABOUT_TUNNEL6 = errorAbout6('2001:db8::9', '2001:db8:1::3')
const OPTIONS: Ipv4Fields = { options: Buffer.alloc(8, 1) }
const MORE: Ipv4Fields = { flagsAndOffset: 0x2000 }

const yes = (name: string, frame: Uint8Array): ClaimCase => ({ name, frame, isClaimed: true })
const no = (name: string, frame: Uint8Array): ClaimCase => ({ name, frame, isClaimed: false })

export const CLAIM_CASES: readonly ClaimCase[] = [
  yes('to a service', v4(web4)),
  yes('to a service, UDP', to4(udp, ports(5353, 53))),
  yes('to a service, SCTP', to4(sctp, ports(5, 9))),
  no('to a service, wrong protocol', to4(udp, ports(40000, 80))),
  no('to the address, another port', to4(tcp, ports(40000, 22))),
  no('to the address, port 0', to4(tcp, ports(40000, 0))),
  no('to the address, protocol 0', to4(0, ports(40000, 80))),
  no('from a service port', v4(ipv4('10.0.0.1', CLIENT4, tcp, ports(80, 40000)))),
  yes('to a service on every port', v4(ipv4(CLIENT4, '10.0.0.2', tcp, ports(1, 22)))),
  yes('to every port, without any', v4(ipv4(CLIENT4, '10.0.0.2', tcp, new Uint8Array()))),
  no('to every port, wrong protocol', v4(ipv4(CLIENT4, '10.0.0.2', udp, ports(1, 22)))),
  yes('to a network', v4(ipv4(CLIENT4, '10.3.255.255', tcp, ports(1, 80)))),
  yes('to the first port of a network', v4(ipv4(CLIENT4, '10.2.0.0', tcp, ports(1, 53)))),
  no('to the port before', v4(ipv4(CLIENT4, '10.2.0.0', tcp, ports(1, 52)))),
  no('to the port behind', v4(ipv4(CLIENT4, '10.2.0.0', tcp, ports(1, 81)))),
  no('past the end of a network', v4(ipv4(CLIENT4, '10.4.0.0', tcp, ports(1, 80)))),
  no('to a network without a port', v4(ipv4(CLIENT4, '10.2.1.1', tcp, new Uint8Array()))),
  yes('to every port of a network', v4(ipv4(CLIENT4, '10.2.1.127', udp, new Uint8Array()))),
  no('to every port of another network', v4(ipv4(CLIENT4, '10.2.1.128', udp, ports(1, 80)))),
  yes(
    'a fragment to a network',
    v4(ipv4(CLIENT4, '10.2.9.9', 99, ports(1, 1), { flagsAndOffset: 1 })),
  ),
  yes('an ICMP error to a network', v4(ipv4(CLIENT4, '10.2.9.9', icmp, icmpMessage(3)))),
  yes('to an IPv6 network', v6(ipv6(CLIENT6, '2001:db8:3:ffff::1', tcp, ports(1, 80)))),
  yes('to every port of one', v6(ipv6(CLIENT6, '2001:db8:2:8000::1', udp, ports(1, 9)))),
  no('to every port past one', v6(ipv6(CLIENT6, '2001:db8:2:8001::1', udp, ports(1, 9)))),
  yes('behind options', to4(tcp, ports(1, 80), { options: Buffer.alloc(40, 1) })),
  no(
    'where ports would be without options',
    to4(tcp, ports(1, 22), { options: Buffer.from('00010050', 'hex') }),
  ),
  yes('a first fragment', to4(tcp, ports(1, 22), { flagsAndOffset: 0x2000 })),
  yes('a later fragment', to4(udp, ports(1, 2), { flagsAndOffset: 0x00b9 })),
  no('do not fragment is no fragment', to4(tcp, ports(1, 22), { flagsAndOffset: 0x4000 })),
  no('the reserved bit is no fragment', to4(tcp, ports(1, 22), { flagsAndOffset: 0x8000 })),
  yes('an ICMP error', to4(icmp, icmpMessage(3))),
  no('a ping', to4(icmp, icmpMessage(8))),
  no('a redirect', to4(icmp, icmpMessage(5))),
  yes("a server's answer", v4(ipv4('10.1.0.1', CLIENT4, tcp, ports(8080, 40000)))),
  no("a server's answer to the host", v4(ipv4('10.1.0.1', '10.0.0.9', tcp, ports(8080, 40000)))),
  no(
    "a server's answer to the host's virtual address",
    v4(ipv4('10.1.0.1', '10.0.0.1', tcp, ports(8080, 40000))),
  ),
  yes(
    "a server's answer to a local address",
    v4(ipv4('10.1.0.1', '10.0.0.2', tcp, ports(8080, 40000))),
  ),
  yes('a server as client of a service', v4(ipv4('10.1.0.1', '10.0.0.1', tcp, ports(50000, 80)))),
  no("from a server's other port", v4(ipv4('10.1.0.1', CLIENT4, tcp, ports(22, 40000)))),
  yes('from any port of a server', v4(ipv4('10.1.0.2', CLIENT4, udp, ports(22, 40000)))),
  yes('an ICMP error from a server', v4(ipv4('10.1.0.1', CLIENT4, icmp, icmpMessage(3)))),
  yes('a router, about a packet to a server', v4(ipv4(ROUTER4, CLIENT4, icmp, ABOUT_SERVER4))),
  no('the same to the host', v4(ipv4(ROUTER4, '10.0.0.9', icmp, ABOUT_SERVER4))),
  yes('the same, behind options', v4(ipv4(ROUTER4, CLIENT4, icmp, ABOUT_SERVER4, OPTIONS))),
  no('the same in a fragment', v4(ipv4(ROUTER4, CLIENT4, icmp, ABOUT_SERVER4, MORE))),
  yes('no more than needed', v4(ipv4(ROUTER4, CLIENT4, icmp, ABOUT_SERVER4.subarray(0, 28)))),
  no('one byte less', v4(ipv4(ROUTER4, CLIENT4, icmp, ABOUT_SERVER4.subarray(0, 27)))),
  yes('a router, about a tunnel, to the host', v4(ipv4(ROUTER4, '10.0.0.9', icmp, ABOUT_TUNNEL4))),
  yes('the same to anybody', v4(ipv4(ROUTER4, CLIENT4, icmp, ABOUT_TUNNEL4))),
  no('the same in a fragment', v4(ipv4(ROUTER4, '10.0.0.9', icmp, ABOUT_TUNNEL4, MORE))),
  no('the same, cut', v4(ipv4(ROUTER4, '10.0.0.9', icmp, ABOUT_TUNNEL4.subarray(0, 27)))),
  no(
    'a router, about a packet from a server',
    v4(ipv4(ROUTER4, CLIENT4, icmp, errorAbout4('10.1.0.1', CLIENT4))),
  ),
  no(
    'no error, about a packet to a server',
    v4(ipv4(ROUTER4, CLIENT4, icmp, errorAbout4(CLIENT4, '10.1.0.1', 8))),
  ),
  yes(
    'a fragment from a server',
    v4(ipv4('10.1.0.1', CLIENT4, udp, ports(1, 2), { flagsAndOffset: 5 })),
  ),
  yes('ports in the padding', to4(tcp, ports(1, 80), { totalLength: 20 })),
  no('longer than the frame', to4(tcp, ports(1, 80), { totalLength: 41 })),
  no('version 6 in an IPv4 frame', to4(tcp, ports(1, 80), { version: 6 })),
  no('a header of 16 bytes', to4(tcp, ports(1, 80), { words: 4 })),
  no('cut in the address', v4(web4).subarray(0, 14 + 19)),
  no('cut in the port', to4(tcp, ports(1, 80).subarray(0, 3))),
  yes('with a priority tag', tagged(0xe000, v4(web4))),
  no('in VLAN 5', tagged(0xe005, v4(web4))),
  no('in a VLAN in a VLAN', tagged(0, tagged(5, v4(web4)))),
  yes('just the ports', to4(tcp, ports(1, 80).subarray(0, 4))),
  yes('just the source port', v4(ipv4('10.1.0.1', CLIENT4, tcp, ports(8080, 1).subarray(0, 2)))),
  no('half of it', v4(ipv4('10.1.0.1', CLIENT4, tcp, ports(8080, 1).subarray(0, 1)))),
  yes('just the type', to4(icmp, icmpMessage(3).subarray(0, 1))),
  no('not even the type', to4(icmp, new Uint8Array())),
  no('ARP', ethernet(EtherType.arp, web4)),
  no('IPv6 in an IPv4 frame', v4(web6)),

  yes('IPv6 to a service', v6(web6)),
  no('IPv6 to another port', to6(tcp, ports(1, 22))),
  yes('IPv6 to every port', v6(ipv6(CLIENT6, '2001:db8::2', tcp, ports(1, 22)))),
  yes("IPv6, a server's answer", v6(ipv6('2001:db8:1::1', CLIENT6, tcp, ports(8080, 1)))),
  no(
    "IPv6, a server's answer to the host",
    v6(ipv6('2001:db8:1::1', '2001:db8::9', tcp, ports(8080, 1))),
  ),
  yes('IPv6, an error', to6(icmpv6, icmpMessage(2))),
  yes(
    'IPv6, a router, about a packet to a server',
    v6(ipv6(ROUTER6, CLIENT6, icmpv6, ABOUT_SERVER6)),
  ),
  yes(
    'IPv6, the same, behind extension headers',
    v6(ipv6(ROUTER6, CLIENT6, 0, extension(icmpv6, 1, ABOUT_SERVER6))),
  ),
  no('IPv6, the same to the host', v6(ipv6(ROUTER6, '2001:db8::9', icmpv6, ABOUT_SERVER6))),
  no(
    'IPv6, the same in a fragment',
    v6(ipv6(ROUTER6, CLIENT6, 44, fragment6(icmpv6, 1, ABOUT_SERVER6))),
  ),
  yes(
    'IPv6, no more than needed',
    v6(ipv6(ROUTER6, CLIENT6, icmpv6, ABOUT_SERVER6.subarray(0, 48))),
  ),
  no('IPv6, one byte less', v6(ipv6(ROUTER6, CLIENT6, icmpv6, ABOUT_SERVER6.subarray(0, 47)))),
  yes(
    'IPv6, a router, about a tunnel, to the host',
    v6(ipv6(ROUTER6, '2001:db8::9', icmpv6, ABOUT_TUNNEL6)),
  ),
  no(
    'IPv6, the same, cut',
    v6(ipv6(ROUTER6, '2001:db8::9', icmpv6, ABOUT_TUNNEL6.subarray(0, 47))),
  ),
  no(
    'IPv6, a router, about a packet from a server',
    v6(ipv6(ROUTER6, CLIENT6, icmpv6, errorAbout6('2001:db8:1::1', CLIENT6))),
  ),
  no('IPv6, a neighbour solicitation', to6(icmpv6, icmpMessage(135))),
  no('IPv6, a ping', to6(icmpv6, icmpMessage(128))),
  yes(
    'IPv6, behind extension headers',
    to6(0, extension(60, 1, extension(43, 0, extension(tcp, 2, ports(1, 80))))),
  ),
  no('IPv6, a port of an extension header', to6(60, extension(tcp, 0, ports(1, 22)))),
  yes('IPv6, a first fragment', to6(44, fragment6(tcp, 1, ports(1, 22)))),
  yes('IPv6, a later fragment', to6(44, fragment6(60, 0x580, ports(1, 22)))),
  yes('IPv6, an atomic fragment', to6(44, fragment6(tcp, 0, ports(1, 22)))),
  no('IPv6, a fragment header cut off', to6(44, fragment6(tcp, 0, ports(1, 22)).subarray(0, 3))),
  yes('IPv6, a fragment behind AH', to6(51, extension(44, 0, fragment6(tcp, 0, ports(1, 22))))),
  no('IPv6, ports behind AH', to6(51, extension(tcp, 0, ports(1, 80)))),
  no('IPv6, nothing follows', to6(59, ports(1, 80))),
  no('IPv6, longer than the frame', to6(tcp, ports(1, 80), { payloadLength: 21 })),
  no('IPv6, version 4', to6(tcp, ports(1, 80), { version: 4 })),
  no('IPv6, a routing header cut off', v6(ipv6(CLIENT6, '2001:db8::2', 43, Uint8Array.of(6, 0)))),
  no('IPv6 to an IPv4 service', v6(ipv6(CLIENT6, '::ffff:10.0.0.1', tcp, ports(1, 80)))),
]

const ADDRESSES4 = [
  '10.0.0.1',
  '10.0.0.1',
  '10.0.0.2',
  '10.0.0.9',
  '10.1.0.1',
  '10.1.0.2',
  '10.1.0.3',
  '10.2.1.127',
  '10.2.1.128',
  '10.3.255.255',
  '10.4.0.0',
  CLIENT4,
]
const ADDRESSES6 = [
  '2001:db8::1',
  '2001:db8::2',
  '2001:db8::9',
  '2001:db8:1::1',
  '2001:db8:1::2',
  '2001:db8:1::3',
  '2001:db8:2:8000::1',
  '2001:db8:2:8001::1',
  '2001:db8:3:ffff::1',
  '2001:db8:4::',
  CLIENT6,
]
const PORTS = [0, 9, 22, 53, 80, 80, 8080, 8080]
const PROTOCOLS = [0, icmp, tcp, tcp, tcp, udp, udp, 44, 51, icmpv6, 59, 60, sctp]
const EXTENSIONS = [0, 43, 44, 51, 60]

/** A frame near the claim's edges; at least the 20 bytes without which the kernel takes no VLAN tag off. */
export function randomFrame(random: Random): Uint8Array {
  let frame = random.oneIn(2) ? randomIpv4(random) : randomIpv6(random)
  if (random.oneIn(10)) frame = tagged(random.pick([0, 0x2000, 1, 0xe005]), frame)
  if (random.oneIn(20)) frame = tagged(random.pick([0, 1]), frame)
  if (random.oneIn(4)) frame = frame.subarray(0, 20 + random.below(frame.length - 19))
  if (random.oneIn(8)) frame = join(frame, random.bytes(random.below(20)))
  if (random.oneIn(8)) frame[14 + random.below(frame.length - 14 || 1)] = random.next32() & 0xff
  return frame
}

const ICMP_TYPES = [0, 1, 3, 4, 5, 11, 12, 127, 128, 135]

function randomError(random: Random): Uint8Array {
  const type = random.pick(ICMP_TYPES)
  const about = random.oneIn(2)
    ? errorAbout4(random.pick(ADDRESSES4), random.pick(ADDRESSES4), type)
    : errorAbout6(random.pick(ADDRESSES6), random.pick(ADDRESSES6), type)
  return random.oneIn(8) ? about.subarray(0, 20 + random.below(40)) : about
}

function randomTransport(random: Random): Uint8Array {
  if (random.oneIn(6)) return icmpMessage(random.pick(ICMP_TYPES))
  if (random.oneIn(6)) return randomError(random)
  const transport = ports(random.pick(PORTS), random.pick(PORTS))
  return random.oneIn(4) ? transport.subarray(0, random.below(6)) : transport
}

function randomIpv4(random: Random): Uint8Array {
  const fields: Ipv4Fields = {}
  if (random.oneIn(4)) fields.options = random.bytes(4 * random.below(11))
  if (random.oneIn(4))
    fields.flagsAndOffset = random.pick([0x2000, 0x4000, 0x8000, 1, 0x2005, 0xffff])
  if (random.oneIn(20)) fields.version = random.below(16)
  if (random.oneIn(20)) fields.words = random.below(16)
  if (random.oneIn(20)) fields.totalLength = random.below(64)
  const [source, destination] = [random.pick(ADDRESSES4), random.pick(ADDRESSES4)]
  const packet = ipv4(source, destination, random.pick(PROTOCOLS), randomTransport(random), fields)
  return ethernet(random.oneIn(20) ? EtherType.ipv6 : EtherType.ipv4, packet)
}

function randomIpv6(random: Random): Uint8Array {
  let next: number = random.pick(PROTOCOLS)
  let payload = randomTransport(random)
  while (random.oneIn(2)) {
    const type = random.pick(EXTENSIONS)
    if (type === 44) payload = fragment6(next, random.pick([0, 1, 7, 8, 0x580]), payload)
    else payload = extension(next, random.below(3), payload)
    next = type
  }
  const fields: Ipv6Fields = {}
  if (random.oneIn(20)) fields.version = random.below(16)
  if (random.oneIn(20)) fields.payloadLength = random.below(80)
  const [source, destination] = [random.pick(ADDRESSES6), random.pick(ADDRESSES6)]
  return ethernet(
    random.oneIn(20) ? EtherType.ipv4 : EtherType.ipv6,
    ipv6(source, destination, next, payload, fields),
  )
}
