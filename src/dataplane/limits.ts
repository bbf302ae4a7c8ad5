/**
 * Every bound of the packet path and its tables. Rows are defaults: an engine may be given other numbers
 * where the comment says so; loops are bounded by the constants themselves.
 */

/** Connection lines, a power of two; about half may be in use before probing gets long. Engine option. */
export const CONNECTION_LINES = 1 << 21
/** Lines past a connection's home that are looked at: beyond, the table counts as full. */
export const PROBES_MAX = 128
/** Tries to change a connection's status before another CPU's change stands: each failure is somebody's success. */
export const STATUS_TRIES_MAX = 4
/** Connections that may exist at once, unless configured otherwise. */
export const CONNECTIONS_MAX = 1 << 20

/** Virtual services. Engine option. */
export const SERVICES_MAX = 1 << 14
/** Slots of the hash from address and port to service: twice the services, a power of two. Engine option. */
export const SERVICE_SLOTS = 1 << 15
/** Probes in that hash. */
export const SERVICE_PROBES_MAX = 32
/** Real servers over all services. Engine option. */
export const SERVERS_MAX = 1 << 18
/** Slots of the hash from a masqueraded server's address and port: twice the servers, a power of two. Engine option. */
export const NAT_SERVER_SLOTS = 1 << 19
/** Probes in that hash. */
export const NAT_SERVER_PROBES_MAX = 32
/** Real servers of one service: what a scheduler looks through for one connection. */
export const SERVERS_PER_SERVICE_MAX = 1024
/** 32-bit words for server lists and scheduling tables of all services. Engine option. */
export const POOL_WORDS = 1 << 22

/** Destinations that lblc and lblcr remember, over all services, a power of two. Engine option. */
export const LOCALITY_LINES = 1 << 16
/** Lines looked at for one destination. */
export const LOCALITY_PROBES_MAX = 16
/** Destinations of one service: however many addresses it has, others have room. */
export const LOCALITIES_PER_SERVICE_MAX = 1 << 15
/** Servers in lblcr's sets, over all sets, a power of two. Engine option; and rows looked at for a free one. */
export const LOCALITY_MEMBERS = 1 << 17
export const MEMBER_PROBES_MAX = 16

/** Rules that give firewall marks, and probes for the list of a destination. */
export const MARK_RULES_MAX = 512
export const MARK_PROBES_MAX = 16
/** Sizes of the blocks that a range of ports is cut into: 1, 2, 4, … 32 768 ports. */
export const PORT_BLOCK_SIZES = 16

/** Local addresses (FULLNAT) over all services. */
export const LOCALS_MAX = 4096
/** Slots of the index from FULLNAT replies to connections. Engine option: twice the FULLNAT connections. */
export const LOCAL_PORT_SLOTS = 1 << 20
/** Source ports tried for one new FULLNAT connection. */
export const LOCAL_PORT_TRIES_MAX = 128
/** FULLNAT source ports, inclusive: Taobao's range. */
export const LOCAL_PORT_FIRST = 5000
export const LOCAL_PORT_LAST = 65535

/** Next hops: gateways and neighbours with their MAC addresses. */
export const HOPS_MAX = 1 << 15
export const NEIGHBOUR_SLOTS = 1 << 16
export const NEIGHBOUR_PROBES_MAX = 32
/** Nodes of 256 branches in the routing trie: the root, and one a prefix byte that differs. */
export const ROUTE_NODES = 4096
/** Interfaces, by kernel index. */
export const INTERFACES_MAX = 4096

/** Datagrams whose later fragments can be recognised at once, and probes for one of them. */
export const FRAGMENT_LINES = 1 << 12
export const FRAGMENT_PROBES_MAX = 8
/** Seconds a fragmented datagram is remembered: Linux's ipfrag_time. */
export const FRAGMENT_TIMEOUT_S = 30

/** Seconds that a tunnel's path MTU is remembered: Linux's net.ipv4.route.mtu_expires. */
export const PATH_MTU_S = 600

/** Headers behind IPv6 that are walked, the transport header among them, before a frame is left to the kernel. */
export const IPV6_EXTENSIONS_MAX = 8
/** TCP options looked at in a SYN. */
export const TCP_OPTIONS_MAX = 20
/** Bytes of the offending packet, header and all, an ICMP error may have: RFC 1812 (576), RFC 4443 (1280). */
export const ICMP_ERROR_MAX = 576
export const ICMPV6_ERROR_MAX = 1280

/** Calls that are known at once, of services with the persistence engine sip. */
export const CALLS_MAX = 4096
/** Words of each: how it is used, its bytes, and 64 for the text. */
export const CALL_WORDS = 66
/** Bytes of a Call-ID: IP_VS_PEDATA_MAXLEN. */
export const CALL_ID_MAX = 255
