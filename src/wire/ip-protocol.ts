/** What an IPv4 or IPv6 packet carries (IANA protocol numbers; IPv6 calls the field "next header"). */
export const Protocol = {
  /** IPv6 only: hop-by-hop options. */
  hopByHop: 0,
  icmp: 1,
  igmp: 2,
  /** IPv4 in something. */
  ipip: 4,
  tcp: 6,
  udp: 17,
  /** IPv6 in something. */
  ipv6: 41,
  /** IPv6 only: routing header. */
  routing: 43,
  /** IPv6 only: fragment header. */
  fragment: 44,
  gre: 47,
  esp: 50,
  /** Authentication header: an extension header in IPv6. */
  ah: 51,
  icmpv6: 58,
  /** IPv6 only: nothing follows. */
  none: 59,
  /** IPv6 only: destination options. */
  destinationOptions: 60,
  vrrp: 112,
  sctp: 132,
  /** IPv6 only: mobility header. */
  mobility: 135,
} as const

const NAMES: Readonly<Record<number, string>> = {
  [Protocol.icmp]: 'ICMP',
  [Protocol.igmp]: 'IGMP',
  [Protocol.ipip]: 'IPIP',
  [Protocol.tcp]: 'TCP',
  [Protocol.udp]: 'UDP',
  [Protocol.ipv6]: 'IPv6',
  [Protocol.gre]: 'GRE',
  [Protocol.esp]: 'ESP',
  [Protocol.ah]: 'AH',
  [Protocol.icmpv6]: 'ICMPv6',
  [Protocol.none]: 'no next header',
  [Protocol.vrrp]: 'VRRP',
  [Protocol.sctp]: 'SCTP',
}

/** 'TCP (6)', or 'unknown (99)'. */
export function formatProtocol(protocol: number): string {
  return `${NAMES[protocol] ?? 'unknown'} (${protocol})`
}
