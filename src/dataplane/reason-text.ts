/**
 * The reasons in words, for people: `explain`, `status`, the console. Not part of the packet path.
 *
 * @control
 */
import { Reason, Verdict } from './verdict.ts'

export type ReasonName = keyof typeof Reason

export const REASON_TEXT: Readonly<Record<ReasonName, string>> = {
  notIp: 'not IPv4 or IPv6: left to the host (ARP is among these)',
  tagged: 'carries a VLAN tag: left to the host; attach Sluice to the VLAN interface',
  otherHost: "the destination MAC address is not this interface's",
  truncated: 'ends before its headers do: left to the host, which drops it',
  malformed: 'its headers contradict themselves: left to the host, which drops it',
  notOurs: 'neither address belongs to a virtual service: left to the host',
  otherProtocol: 'addressed to us, but neither TCP, UDP, SCTP nor an ICMP error: left to the host',
  noService: 'no virtual service on this address, protocol and port: left to the host',
  notOpening:
    'belongs to no connection and cannot open one (TCP without SYN, SCTP without INIT): left to the host',
  localServer: 'the chosen real server is this host: left to its own stack',
  icmpQuery: 'an ICMP message that is no error: left to the host',
  icmpUnrelated: 'an ICMP error about no connection of ours: left to the host',
  icmpNotTranslated: 'an ICMP error of a type that IPVS does not translate: left to the host',
  serverGone: 'its real server was removed; the connection waits for the server to come back',
  noServer: 'no real server can take a new connection (none there, weight 0, or overloaded)',
  connectionTableFull: 'the connection table is full',
  localPortsExhausted: 'every FULLNAT source port towards the real server is taken',
  noLocalAddress: 'the FULLNAT service has no local address of the right family',
  timeExceeded: 'its time to live ran out here, and no answer was due',
  tooBig: 'larger than the way to the real server takes, and no answer was due',
  tooLong: 'longer than its way takes, might be cut, and nobody is there who cuts it',
  noRoute: 'no route to where it must go, and no answer was due',
  noRoom: 'no room in the buffer for the outer header',
  largeFrame:
    'stands for many segments, each of which needs a tunnel checksum of its own, and no daemon is there to write them',
  icmpChecksum: 'an ICMP error about a connection, but its own checksum is wrong',
  icmpNoted:
    'an ICMP error about the size of a tunnel packet whose client lets packets be cut: heeded',
  icmpLimit: 'an ICMP error was due, but the limit on them is reached',
  overloaded: 'dropped by drop_packet, as one of so many new connections',
  sctpFragment: 'a fragment of an SCTP packet, whose checksum could not follow a change of ports',
  toServer: 'forwarded to its real server',
  toClient: 'forwarded to its client',
  icmpToServer: 'an ICMP error, translated and forwarded to the real server',
  icmpToClient: 'an ICMP error, translated and forwarded to the client',
  answeredUnreachable: 'refused with ICMP port unreachable: no real server can take it',
  answeredTimeExceeded: 'answered with ICMP time exceeded: its time to live ran out here',
  noCall:
    'its service goes by calls (--pe sip), and there is no Call-ID in it, or no room for one more',
  localPort:
    'its real server is this host, on another address or port: only direct routing and tunnels can do that',
  answeredNoRoute: 'refused with ICMP host unreachable: no route to its real server',
  answeredStray:
    "a NAT server's packet that belongs to no connection: told port unreachable (nat_icmp_send)",
  answeredTooBig: 'answered with the size that the way to the real server takes',
  bypassed: 'no real server could take it: sent on to where it was addressed (cache_bypass)',
  fragmentEarly:
    'a fragment that came before the first one of its datagram, which tells the ports: it waits',
  callUnread: 'its service goes by calls (--pe sip), and which one this is has to be read first',
  nextHopUnresolved: "ready to leave, but the next hop's MAC address must be asked for first",
}

const NAMES = new Map<number, ReasonName>(
  (Object.keys(Reason) as ReasonName[]).map((name) => [Reason[name], name]),
)

/** The name of a reason's number. */
export function reasonName(reason: number): ReasonName {
  const name = NAMES.get(reason)
  if (name === undefined) throw new RangeError(`no reason has number ${reason}`)
  return name
}

const VERDICT_NAMES = Object.keys(Verdict) as (keyof typeof Verdict)[]

/** The name of a verdict's number. */
export function verdictName(verdict: number): keyof typeof Verdict {
  return VERDICT_NAMES.find((name) => Verdict[name] === verdict)!
}
