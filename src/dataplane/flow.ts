/**
 * What the packet path knows about the frame in hand: filled by `parse`, read and extended by everything after.
 *
 * One struct, handed from function to function. It outlives the frame only for the engine (where to send it)
 * and for `explain` (what was found on the way).
 */
import { row, type ViewOf } from '../subset/struct.ts'
import { NONE } from './tables.ts'

export const Flow = row('flow', {
  source0: 'u32',
  source1: 'u32',
  source2: 'u32',
  source3: 'u32',
  destination0: 'u32',
  destination1: 'u32',
  destination2: 'u32',
  destination3: 'u32',
  /** Row of the service, server, connection found or chosen; NONE before. */
  service: 'u32',
  server: 'u32',
  connection: 'u32',
  /** hash of the client's side for a request, kept for insertion. */
  hash: 'u32',
  /** Firewall mark, once a service is looked for; 0: none. */
  mark: 'u32',
  /** Line of the template that a new connection is controlled by, or NONE. */
  template: 'u32',
  /** Bytes of the whole IP packet, as its header says. */
  length: 'u32',
  identification: 'u32',
  /** Where a frame that is sent or held leaves: interface, next hop's address, and its row or NONE. */
  egress: 'u32',
  hop: 'u32',
  /** Bytes of IP packet that the way out takes; NONE: not known. */
  mtu: 'u32',
  next0: 'u32',
  next1: 'u32',
  next2: 'u32',
  next3: 'u32',
  sourcePort: 'u16',
  destinationPort: 'u16',
  /** Byte offsets of the IP header and of what follows it. */
  network: 'u16',
  transport: 'u16',
  family: 'u8',
  protocol: 'u8',
  /** TCP's flags; of SCTP its first chunk, with INIT in SYN's place and ABORT in RST's: see sctp.ts. */
  tcpFlags: 'u8',
  /** FragmentKind. */
  fragment: 'u8',
  timeToLive: 'u8',
  trafficClass: 'u8',
  /** IPv4 DF; always 1 for IPv6. */
  dontFragment: 'u8',
  /** 1 if this is an ICMP error: then addresses and ports are those of the packet it quotes. */
  icmpError: 'u8',
  icmpType: 'u8',
  /** Direction of travel once a connection is known. */
  direction: 'u8',
  /** 1 if this frame opened its connection. */
  opened: 'u8',
  /** Bytes of outer IP header that were put in front; 0: none. */
  outerBytes: 'u8',
  /** 1 if the server of a new connection gets the virtual port, whatever its own. */
  keepsPort: 'u8',
})
export type Flow = ViewOf<typeof Flow>

export const FragmentKind = { none: 0, first: 1, later: 2 } as const
export const Direction = { none: 0, request: 1, reply: 2 } as const

/** Forgets the frame before. */
export function clearFlow(flow: Flow): void {
  flow.service = NONE
  flow.server = NONE
  flow.connection = NONE
  flow.template = NONE
  flow.mark = 0
  flow.hop = NONE
  flow.mtu = NONE
  flow.egress = 0
  flow.sourcePort = 0
  flow.destinationPort = 0
  flow.tcpFlags = 0
  flow.fragment = FragmentKind.none
  flow.icmpError = 0
  flow.direction = Direction.none
  flow.opened = 0
  flow.outerBytes = 0
  flow.keepsPort = 0
}
