/**
 * What the director is told and what it tells: virtual services, real servers, connections, in the words and
 * units of the command line. Plain JSON values: the control socket carries them unchanged.
 *
 * Addresses are canonical text (base/ip.ts). The meaning of every field is IPVS's
 * (include/uapi/linux/ip_vs.h); what IPVS does not have says so.
 */

export type ServiceProtocol = 'tcp' | 'udp' | 'sctp'
export type IpFamily = 4 | 6

/** Which virtual service: an address and port, or a firewall mark. */
export type ServiceKey =
  | {
      readonly protocol: ServiceProtocol
      readonly address: string
      readonly port: number
      /** Ours: the last of a range of ports that begins with `port`, above it. */
      readonly lastPort?: number
    }
  | { readonly firewallMark: number; readonly family: IpFamily }

export interface ServiceSettings {
  /** One of the names in dataplane/schedulers, or 'none'. */
  readonly scheduler: string
  /** IP_VS_SVC_F_SCHED1 | 2 | 3 as bits 1, 2, 4: for sh and mh 1 is fallback, 2 is port. */
  readonly schedulerFlags: number
  /** Seconds a client stays with its server; 0: no persistence. */
  readonly persistenceTimeoutS: number
  /** Which part of the client's address persistence looks at: IPv4 a 32-bit mask, IPv6 a prefix length. */
  readonly netmask: number
  /** One-packet scheduling. */
  readonly onePacket: boolean
  /** Persistence engine ('sip'), if any. */
  readonly persistenceEngine: string | null
}

export type ForwardingMethod = 'masquerade' | 'local' | 'tunnel' | 'direct' | 'fullnat'
export type TunnelType = 'ipip' | 'gue' | 'gre'
export type TunnelChecksum = 'none' | 'checksum' | 'remote-checksum'

export interface Tunnel {
  readonly type: TunnelType
  /** GUE's UDP port, else 0. */
  readonly port: number
  readonly checksum: TunnelChecksum
}

export interface ServerKey {
  readonly address: string
  readonly port: number
}

export interface ServerSettings {
  /** `fullnat` is ours (Taobao's): `ipvsadm -b`. */
  readonly forwarding: ForwardingMethod
  /** 0 … 2 147 483 647; 0 drains: no new connections. */
  readonly weight: number
  /** Connections at which the server counts as overloaded; 0: never. */
  readonly upperThreshold: number
  /** Connections below which it no longer does; 0: three quarters of the upper. */
  readonly lowerThreshold: number
  readonly tunnel: Tunnel
}

/** A change of a table; each is a call of the control socket, too. */
export type TableChange =
  | { readonly call: 'service.flush'; readonly with: Record<string, never> }
  | {
      readonly call: 'service.add' | 'service.edit'
      readonly with: { readonly service: ServiceKey; readonly settings: ServiceSettings }
    }
  | { readonly call: 'service.delete'; readonly with: { readonly service: ServiceKey } }
  | {
      readonly call: 'server.add' | 'server.edit'
      readonly with: {
        readonly service: ServiceKey
        readonly server: ServerKey
        readonly settings: ServerSettings
      }
    }
  | {
      readonly call: 'server.delete'
      readonly with: { readonly service: ServiceKey; readonly server: ServerKey }
    }
  | {
      readonly call: 'local.add' | 'local.delete'
      readonly with: { readonly service: ServiceKey; readonly address: string }
    }

export interface Counters {
  readonly connections: number
  readonly inPackets: number
  readonly outPackets: number
  readonly inBytes: number
  readonly outBytes: number
}

/** Per second, averaged as IPVS's estimator does (ip_vs_est.c). */
export interface Rates {
  readonly connections: number
  readonly inPackets: number
  readonly outPackets: number
  readonly inBytes: number
  readonly outBytes: number
}

export interface ServerListing extends ServerKey, ServerSettings {
  readonly family: IpFamily
  readonly activeConnections: number
  readonly inactiveConnections: number
  readonly persistentConnections: number
  readonly counters: Counters
  readonly rates: Rates
}

export interface ServiceListing {
  readonly key: ServiceKey
  readonly family: IpFamily
  readonly settings: ServiceSettings
  readonly counters: Counters
  readonly rates: Rates
  /** In the table's order: most recently added first. */
  readonly servers: readonly ServerListing[]
}

export interface ConnectionListing {
  readonly protocol: 'tcp' | 'udp' | 'sctp' | 'ip'
  readonly client: ServerKey
  readonly virtual: ServerKey
  readonly server: ServerKey
  /** FULLNAT: the director's address and port towards the server. */
  readonly local: ServerKey | null
  /** A template of a persistence engine: what the engine knows the client by. */
  readonly engine?: { readonly name: string; readonly data: string }
  /** As `ipvsadm -Lnc` names it: ESTABLISHED, SYN_RECV, UDP, NONE, ASSURED… */
  readonly state: string
  readonly expiresS: number
}

/**
 * The same as a row of a long listing: protocol, state, seconds until it expires; addresses and ports of client,
 * virtual service and server; and with FULLNAT the local ones, with a persistence engine its name and what it goes by.
 * A quarter of its text, since there may be a million.
 */
export type ConnectionRow = readonly [
  ConnectionListing['protocol'],
  string,
  number,
  ...(readonly [string, number, string, number, string, number]),
  ...(readonly [] | readonly [string, number] | readonly [null, 0, string, string]),
]

/** A rule that gives packets a firewall mark, before services are looked for. null: whatever it is. */
export interface MarkRule {
  /** 1 … 2^32 - 1. */
  readonly mark: number
  readonly protocol: ServiceProtocol | null
  /** Prefixes, '10.0.0.0/8'. */
  readonly source: string | null
  readonly destination: string | null
  /** First and last. */
  readonly sourcePorts: readonly [number, number] | null
  readonly destinationPorts: readonly [number, number] | null
}

/** One of IPVS's switches (net.ipv4.vs.NAME). */
export interface SysctlListing {
  readonly name: string
  /** null: it can mean nothing here, and `why` says so. */
  readonly value: number | null
  readonly default: number | null
  readonly what: string
  readonly why: string | null
}

/** Seconds; a 0 in a request keeps the old value. */
export interface Timeouts {
  readonly tcp: number
  readonly tcpFin: number
  readonly udp: number
}

/** Connection synchronisation: which of its two daemons. One of each may run. */
export type SyncRole = 'master' | 'backup'

/** What `--start-daemon` asks for; 0 and null ask for the default. */
export interface SyncRequest {
  readonly role: SyncRole
  /** The interface to multicast on. */
  readonly interface: string
  readonly syncId: number
  /** Bytes of one message. */
  readonly maxLength: number
  readonly group: string | null
  readonly port: number
  readonly ttl: number
}

/** A synchronisation daemon that was started. */
export interface SyncDaemon extends SyncRequest {
  readonly group: string
}

/** A local address of a FULLNAT service: `ipvsadm -P … -z ADDRESS`. */
export interface LocalAddressListing {
  readonly address: string
  readonly connections: number
  /** Source ports that could not be had here: every port towards the chosen server was taken. */
  readonly portsExhausted: number
}

/** Why the director said no, as IPVS's errno; `message` is for people and says what to do instead. */
export interface Refusal {
  readonly errno:
    | 'EEXIST'
    | 'ENOENT'
    | 'ESRCH'
    | 'EINVAL'
    | 'ERANGE'
    | 'ENODEV'
    | 'ENOSPC'
    | 'EOPNOTSUPP'
    // Of sockets.
    | 'ENETUNREACH'
    | 'EADDRNOTAVAIL'
    | 'EADDRINUSE'
    | 'EIO'
  readonly message: string
}

/** A refusal, or null: done. */
export type Outcome = Refusal | null
