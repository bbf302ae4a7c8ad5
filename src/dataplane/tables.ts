/**
 * The tables: what packet path and control plane share, declared once.
 *
 *   frame ─► addressRoles ─► connections ──────────────► servers ─► hops ─► out
 *              (ours?)         │   ▲  localPorts           ▲  │
 *                              │   │  (FULLNAT replies)    │  └─► hop through routeNodes, neighbourIndex
 *                              ▼   │                       │
 *                         serviceIndex ─► services ─► pool (server list + scheduling table)
 *                                           (lblc, lblcr: localities ─► localityMembers ─► servers)
 *
 * Addresses are four 32-bit words in host order, IPv4 as v4-mapped (0, 0, 0xffff, address): one key for both
 * families. An index "plus one" has 0 for none. Whoever writes what:
 *
 *   packet path     connections, localPorts, localities, fragments, counters, rr/wrr positions, cached hops
 *   control plane   everything else; and takes expired connections out
 *
 * A service's servers, scheduler and settings change by writing a new stretch of `pool` aside and then one word,
 * `service.pool`.
 */
import { row, type ViewOf } from '../subset/struct.ts'
import { table } from '../subset/table.ts'
import { Fragment } from './fragment-row.ts'
import * as limits from './limits.ts'
import { tcpTransitions } from './tcp.ts'
import { crcShifts } from './crc32c.ts'
import { sctpTransitions } from './sctp.ts'
import { REASONS_MAX } from './verdict.ts'

/**
 * Bump when the meaning of something below changes, a hash or the words of `pool` included: a new daemon refuses tables
 * of another version. A changed layout is noticed by itself (`settings.layout`), and taken over by the fields' names;
 * what is new is zero then, which must mean "as before".
 */
export const SCHEMA_VERSION = 5

export const NONE = 0xffffffff

/** Row 0 is all there is: what is true of the whole packet path. */
export const Settings = row('settings', {
  /** These two stay first, whatever else changes: dataplane/schema.ts. */
  schemaVersion: 'u32',
  /** A hash of every table's fields and order. */
  layout: 'u32',
  /** Mixed into every hash: drawn at start, so that nobody can choose colliding clients. */
  hashSeed: 'u32',
  /** Lines - 1 of `connections`, without those past the end; slots - 1 of the other hash tables. */
  connectionMask: 'u32',
  serviceMask: 'u32',
  localPortMask: 'u32',
  neighbourMask: 'u32',
  fragmentMask: 'u32',
  connectionsMax: 'u32',
  /** Lines in use. */
  connections: 'atomic',
  /** Trie roots in `routeNodes`, plus one. */
  routes4: 'u32',
  routes6: 'u32',
  /** Changes when routes or hops do: cached hops of another generation are looked up again. 12 bits. */
  routeGeneration: 'u32',
  /** Switch bits, see switch.ts. */
  switches: 'u32',
  /** ICMP errors a second that the packet path itself may send; 0: no limit. */
  icmpPerSecond: 'u32',
  icmpSecond: 'u32',
  icmpSent: 'u32',
  /** Services on port 0 exist: look for them when the exact port has none. */
  portZeroServices: 'u32',
  /** Lines - 1 of `localities`, rows - 1 of `localityMembers`, without those past the end. */
  localityMask: 'u32',
  memberMask: 'u32',
  /** Lines of `localities` in use. */
  localities: 'atomic',
  /** Services on TCP port 21 exist: they take FTP's data connections, too. */
  ftpServices: 'u32',
  /** Of the network namespace whose interfaces are meant: its inode; 0: not in a kernel. */
  network: 'u32',
  /** Where in `pool` the rules stand that give firewall marks, 0: there are none; see classify.ts. */
  marks: 'u32',
  /** Bit n: some service has a block of 2^n ports; see service.ts. */
  portBlocks: 'u32',
  /** drop_packet: of so many new connections one is dropped, 0: none; and where the count stands. */
  dropRate: 'u32',
  dropCount: 'atomic',
  /** Device by which frames leave that are to be cut; 0: the engine itself cuts, NONE: nobody does; see oversize.ts. */
  cutter: 'u32',
  natServerMask: 'u32',
})

/** What an address is to us, by a 16-bit fold of it; a wrong "perhaps" costs one lookup. */
export const AddressRole = row('addressRole', { roles: 'u8' })
export const Role = {
  /** Virtual address of some service. */
  virtual: 1,
  /** Real server whose answers come back through us (NAT, FULLNAT). */
  real: 2,
  /** Local address of some FULLNAT service. */
  local: 4,
  /** Destination of some rule that gives firewall marks. */
  marked: 8,
  /** Where requests may go. */
  request: 1 | 8,
} as const

export const ServiceSlot = row('serviceSlot', {
  /** Service, plus one; 0: free and the end of a probe. */
  service: 'u32',
})

export const Service = row('service', {
  address0: 'u32',
  address1: 'u32',
  address2: 'u32',
  address3: 'u32',
  port: 'u16',
  protocol: 'u8',
  /** 4 or 6. */
  family: 'u8',
  firewallMark: 'u32',
  flags: 'u32',
  /** Services are listed by it: it grows with each that is added. */
  order: 'u32',
  /** Where in `pool` the server list stands now, with the scheduler and its table. */
  pool: 'u32',
  /** rr, wrr: one past the list position last chosen; 0: the head. */
  position: 'u32',
  /** wrr: the weight a server must have now. */
  currentWeight: 'u32',
  /** Persistence, ticks; 0: none. */
  persistence: 'u32',
  netmask: 'u32',
  /** Where in `pool` the local addresses stand, 0: none. */
  locals: 'u32',
  /** lblc, lblcr: what its lines in `localities` bear; another key, and they are forgotten. 0: it has none. */
  localityKey: 'u32',
  localities: 'atomic',
  connections: 'u64',
  inPackets: 'u64',
  outPackets: 'u64',
  inBytes: 'u64',
  outBytes: 'u64',
  /** New connections refused because no server could take them. */
  refused: 'u64',
  /** The last port of a range; 0: it has only `port`. */
  lastPort: 'u16',
  spare0: 'u16',
  spare1: 'u32',
  spare2: 'u64',
})
export const ServiceFlag = {
  persistent: 1,
  /** The service is there: without it the row is free, or was being added or removed. */
  hashed: 2,
  onePacket: 4,
  schedulerFlag1: 8,
  schedulerFlag2: 16,
  schedulerFlag3: 32,
  /** Persistence engine sip: by Call-ID instead of by address. */
  sip: 64,
} as const

export const Server = row('server', {
  address0: 'u32',
  address1: 'u32',
  address2: 'u32',
  address3: 'u32',
  /** 0: the connection's virtual port. */
  port: 'u16',
  forwarding: 'u8',
  family: 'u8',
  /** ServerFlag. */
  flags: 'u32',
  weight: 'u32',
  service: 'u32',
  upperThreshold: 'u32',
  lowerThreshold: 'u32',
  active: 'atomic',
  inactive: 'atomic',
  persistent: 'atomic',
  /** Cached next hop, plus one, and its generation, as in Connection. */
  hop: 'u32',
  /** 1: it has as many connections as it may. Written by the packet path; `flags` by the control plane alone. */
  overloaded: 'u32',
  tunnelType: 'u8',
  tunnelFlags: 'u8',
  tunnelPort: 'u16',
  connections: 'u64',
  inPackets: 'u64',
  outPackets: 'u64',
  inBytes: 'u64',
  outBytes: 'u64',
  /** TUN: what routers said that the way takes, until that tick; see path-mtu.ts. */
  pathMtu: 'u32',
  pathMtuExpires: 'u32',
  /** FULLNAT: counts through local addresses and ports. */
  nextLocal: 'atomic',
  spare0: 'u32',
  spare1: 'u64',
})
export const ServerFlag = {
  /** In its service's list; a removed server's row stays as long as connections name it. */
  available: 1,
  /** Its answers come back through us, and may until its last connection has ended (Role.real). */
  returning: 2,
} as const
/** IP_VS_CONN_F_TUNNEL_TYPE_… and IP_VS_TUNNEL_ENCAP_FLAG_… (uapi/linux/ip_vs.h). */
export const TunnelType = { ipip: 0, gue: 1, gre: 2 } as const
export const TunnelFlag = { checksum: 1, remoteChecksum: 2 } as const
/** IP_VS_CONN_F_MASQ … (uapi/linux/ip_vs.h); fullnat is ours. */
export const Forwarding = {
  masquerade: 0,
  local: 1,
  tunnel: 2,
  direct: 3,
  bypass: 4,
  fullnat: 5,
} as const

/**
 * Of each row of `servers` its service, by key: that may be gone while connections name the server. Protocol 0 is a
 * firewall mark, in address3. The packet path does not look here.
 */
export const ServerOrigin = row('serverOrigin', {
  address0: 'u32',
  address1: 'u32',
  address2: 'u32',
  address3: 'u32',
  port: 'u16',
  protocol: 'u8',
  family: 'u8',
  lastPort: 'u16',
  spare: 'u16',
})

/** Server lists, scheduling tables, local address lists (see pool.ts); also of `natServers`. */
export const PoolWord = row('poolWord', { value: 'u32' })

/** lblc, lblcr: who had a destination last; see locality.ts. */
export const Locality = row('locality', {
  address0: 'u32',
  address1: 'u32',
  address2: 'u32',
  address3: 'u32',
  /** 0 free, 1 being written or resting, else the hash of the rest of the key. */
  owner: 'atomic',
  /** The service's `localityKey`, and its row. */
  key: 'u32',
  service: 'u32',
  /** lblc: row of the server. */
  server: 'u32',
  /** Tick of the last new connection. */
  used: 'u32',
  /** lblcr: the server added last, a row of `localityMembers` plus one; how many; tick of the last change. */
  first: 'atomic',
  members: 'u32',
  changed: 'u32',
  /** lblcr: 1 while somebody changes the set. */
  locked: 'atomic',
  spare0: 'u32',
  spare1: 'u64',
})

/** One server of a set. */
export const LocalityMember = row('localityMember', {
  /** 0 free, else the line it belongs to, plus one; NONE: resting. */
  owner: 'atomic',
  /** Row of the server; NONE: it left the set. */
  server: 'u32',
  /** The member added before, plus one; 0: there is none. */
  next: 'u32',
  spare: 'u32',
})

/**
 * One 64-byte line, one cache line: a connection, or a template, which keeps a client with its server. Whatever two
 * CPUs may change at once is one 32-bit word, changed by compare-and-swap.
 */
export const Connection = row('connection', {
  client0: 'u32',
  client1: 'u32',
  client2: 'u32',
  client3: 'u32',
  virtual0: 'u32',
  virtual1: 'u32',
  virtual2: 'u32',
  virtual3: 'u32',
  clientPort: 'u16',
  virtualPort: 'u16',
  server: 'u32',
  /** Protocol, state and flags: see `Status`. */
  status: 'atomic',
  /** Tick at which it ends. */
  expires: 'u32',
  /** 0 free, 1 being written, else the hash of the client's side: see connection.ts. */
  owner: 'atomic',
  /**
   * FULLNAT: row in `locals` in the low half, source port above. Others: its template's line plus one, 0 for none. A
   * template: how many connections it controls.
   */
  binding: 'atomic',
  /**
   * Cached hop to the client: index plus one in the low 20 bits, generation above. A template: its timeout, ticks.
   */
  clientHop: 'u32',
  /** Not this connection's: how far lines that belong here were moved on. Low 8 bits; a count above. */
  reach: 'atomic',
})
/** Bits of `Connection.status`. The flags are IPVS's (IP_VS_CONN_F_…), 16 bits up; some are ours. */
export const Status = {
  /** IP protocol; 0 for the templates of firewall marks. */
  protocolMask: 0xff,
  /** TcpState, SctpState; of a template: TEMPLATE_ASSURED or 0. */
  stateMask: 0xff00,
  stateShift: 8,
  /** Its forwarding method when it was opened; an edited server does not change it (IP_VS_CONN_F_FWD_MASK). */
  forwardingMask: 0x00070000,
  forwardingShift: 16,
  /** Ours: a template controls it. */
  controlled: 0x00080000,
  /** Ours: the server gets the virtual port, whatever port its row has. */
  keepsPort: 0x00100000,
  /** IP_VS_CONN_F_SYNC: a master told of it; see director/sync/learner.ts. */
  synced: 0x00200000,
  /** IP_VS_CONN_F_NOOUTPUT: no packet from the server was seen, so its state is judged by one side. */
  noOutput: 0x00800000,
  /** IP_VS_CONN_F_INACTIVE: counted among the server's inactive connections. */
  inactive: 0x01000000,
  /** IP_VS_CONN_F_TEMPLATE. */
  template: 0x10000000,
  /** Ours: it is over and counted nowhere any more; only its line is still to be freed. */
  ended: 0x20000000,
} as const

/** From a FULLNAT reply's (protocol, RIP, RPORT, LIP, local port) to its connection. */
export const LocalPort = row('localPort', {
  owner: 'atomic',
  connection: 'u32',
  reach: 'atomic',
  /** Line of the template that controls the connection, plus one; 0: none. */
  template: 'u32',
})

/** A FULLNAT local address. */
export const Local = row('local', {
  address0: 'u32',
  address1: 'u32',
  address2: 'u32',
  address3: 'u32',
  connections: 'atomic',
  /** New connections refused for want of a port. */
  exhausted: 'atomic',
})

/** A neighbour frames can be given to. */
export const Hop = row('hop', {
  address0: 'u32',
  address1: 'u32',
  address2: 'u32',
  address3: 'u32',
  /** The director's own address on that interface, for outer headers. */
  own0: 'u32',
  own1: 'u32',
  own2: 'u32',
  own3: 'u32',
  interface: 'u32',
  /** Bytes of IP packet that go through. */
  mtu: 'u32',
  macLow: 'u32',
  sourceLow: 'u32',
  macHigh: 'u16',
  sourceHigh: 'u16',
  /** HopState. */
  state: 'u8',
  family: 'u8',
  spare0: 'u16',
  spare1: 'u64',
})
export const HopState = { free: 0, resolved: 1, unresolved: 2, unreachable: 3, local: 4 } as const

/** A branch of the routing trie; see route.ts. */
export const RouteBranch = row('routeBranch', { value: 'u32' })
/** From (interface, address) to hop, plus one. 0: free and the end of a probe; NONE: was removed. */
export const NeighbourSlot = row('neighbourSlot', { hop: 'u32' })

export const Interface = row('interface', {
  macLow: 'u32',
  macHigh: 'u16',
  /** InterfaceFlag. */
  flags: 'u16',
  mtu: 'u32',
})
export const InterfaceFlag = {
  attached: 1,
  /** Its driver sends frames that XDP received elsewhere; and what was received there itself (XDP_TX). */
  takesXdp: 2,
  sendsBack: 4,
} as const

export const ReasonCounter = row('reasonCounter', { packets: 'u64' })
/** Values of IPVS's switches, for the control plane alone; rows as in director/sysctls.ts. */
export const Sysctl = row('sysctl', { value: 'u32' })
/** Ticks; rows as in `timeout.ts`. */
export const Timeout = row('timeout', { ticks: 'u32' })

export type Settings = ViewOf<typeof Settings>
export type Service = ViewOf<typeof Service>
export type Server = ViewOf<typeof Server>
export type Connection = ViewOf<typeof Connection>
export type Locality = ViewOf<typeof Locality>
export type Local = ViewOf<typeof Local>
export type Hop = ViewOf<typeof Hop>

export const settings = table('settings', Settings, 1)
export const addressRoles = table('addressRoles', AddressRole, 1 << 16)
export const serviceIndex = table('serviceIndex', ServiceSlot, limits.SERVICE_SLOTS)
export const services = table('services', Service, limits.SERVICES_MAX)
export const servers = table('servers', Server, limits.SERVERS_MAX)
export const serverOrigins = table('serverOrigins', ServerOrigin, limits.SERVERS_MAX)
/** nat_icmp_send, while it is on: by address and port, the server's row plus one; 0: free, the end of a probe. */
export const natServers = table('natServers', PoolWord, limits.NAT_SERVER_SLOTS)
export const pool = table('pool', PoolWord, limits.POOL_WORDS)
/** Texts of Call-IDs, CALL_WORDS each; see call-id.ts. The packet path does not look here. */
export const callWords = table('callWords', PoolWord, limits.CALLS_MAX * limits.CALL_WORDS)
export const connections = table(
  'connections',
  Connection,
  limits.CONNECTION_LINES + limits.PROBES_MAX,
)
export const localPorts = table(
  'localPorts',
  LocalPort,
  limits.LOCAL_PORT_SLOTS + limits.PROBES_MAX,
)
export const localities = table(
  'localities',
  Locality,
  limits.LOCALITY_LINES + limits.LOCALITY_PROBES_MAX,
)
export const localityMembers = table(
  'localityMembers',
  LocalityMember,
  limits.LOCALITY_MEMBERS + limits.MEMBER_PROBES_MAX,
)
export const locals = table('locals', Local, limits.LOCALS_MAX)
export const hops = table('hops', Hop, limits.HOPS_MAX)
export const routeNodes = table('routeNodes', RouteBranch, limits.ROUTE_NODES * 256)
export const neighbourIndex = table('neighbourIndex', NeighbourSlot, limits.NEIGHBOUR_SLOTS)
export const interfaces = table('interfaces', Interface, limits.INTERFACES_MAX)
export const fragments = table(
  'fragments',
  Fragment,
  limits.FRAGMENT_LINES + limits.FRAGMENT_PROBES_MAX,
)
export const reasons = table('reasons', ReasonCounter, REASONS_MAX)
export const timeouts = table('timeouts', Timeout, 64)
export const sysctls = table('sysctls', Sysctl, 64)

/** All tables, in the order engines keep their memory in. */
export const TABLES = [
  settings,
  addressRoles,
  serviceIndex,
  services,
  servers,
  serverOrigins,
  natServers,
  pool,
  callWords,
  connections,
  localPorts,
  localities,
  localityMembers,
  locals,
  hops,
  routeNodes,
  neighbourIndex,
  interfaces,
  fragments,
  reasons,
  timeouts,
  sysctls,
  tcpTransitions,
  sctpTransitions,
  crcShifts,
] as const
