/**
 * Virtual services and real servers as the director holds them: what was asked for, and which rows stand for it.
 *
 * The rows are the truth for everything the packet path counts or decides; an entry only keeps what no row holds.
 */
import { ipToWords } from '../base/ip.ts'
import type * as tables from '../dataplane/tables.ts'
import type { AnyTable } from '../subset/table.ts'
import type { Endpoint } from './claim-log.ts'
import type { Estimator } from './estimator.ts'
import type { Counters, ServerKey, ServerSettings, ServiceKey, ServiceSettings } from './model.ts'

export interface ServerEntry {
  readonly row: number
  readonly key: ServerKey
  /** Where its answers come from. */
  readonly sources: readonly Endpoint[]
  settings: ServerSettings
  /** The last weight above 0 that it had; 0: never one. */
  lastWeight: number
  /** Its address is known to the packet path as one whose answers come back through us. */
  hasRole: boolean
  /** ICMP errors about tunnel packets to it are ours. */
  hasTunnel: boolean
  readonly estimator: Estimator
}

export interface LocalEntry {
  readonly row: number
  readonly address: string
}

export interface ServiceEntry {
  readonly row: number
  readonly key: ServiceKey
  settings: ServiceSettings
  /** Most recently added first. */
  servers: ServerEntry[]
  locals: LocalEntry[]
  readonly estimator: Estimator
}

const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const

/** IP protocol number of a service; 0 for firewall marks. */
export function protocolOf(key: ServiceKey): number {
  return 'firewallMark' in key ? 0 : PROTOCOLS[key.protocol]
}

/** One text for one service: a Map's key. */
export function serviceId(key: ServiceKey): string {
  return 'firewallMark' in key
    ? `mark ${key.firewallMark} ${key.family}`
    : `${key.protocol} ${portsText(key)} ${key.address}`
}

type AddressedKey = Extract<ServiceKey, { readonly port: number }>

/** The last port of a range; 0: the service has but one. */
export function lastPortOf({ port, lastPort = port }: AddressedKey): number {
  return lastPort > port ? lastPort : 0
}

/** '80', '8000-8100'. */
export function portsText(key: AddressedKey): string {
  const last = lastPortOf(key)
  return last === 0 ? String(key.port) : `${key.port}-${last}`
}

export function serverId(key: ServerKey): string {
  return `${key.port} ${key.address}`
}

type AddressedRow = { address0: number; address1: number; address2: number; address3: number }

/** Writes an address into a row's four words. */
export function writeAddress(row: AddressedRow, address: string): void {
  ;[row.address0, row.address1, row.address2, row.address3] = ipToWords(address)
}

/** All zero again. */
export function clearRow({ memory, struct }: AnyTable, index: number): void {
  const { bytes, base } = memory
  const first = base + index * struct.size
  for (let offset = 0; offset < struct.size; offset += 4) bytes.setUint32(first + offset, 0)
}

export type CountedRow = { -readonly [K in keyof Counters]: number }

export function readCounters(row: CountedRow): Counters {
  return {
    connections: row.connections,
    inPackets: row.inPackets,
    outPackets: row.outPackets,
    inBytes: row.inBytes,
    outBytes: row.outBytes,
  }
}

export function zeroCounters(row: CountedRow): void {
  row.connections = 0
  row.inPackets = 0
  row.outPackets = 0
  row.inBytes = 0
  row.outBytes = 0
}

/** Connections that hold on to a server's row. */
export function connectionsOf(server: tables.Server): number {
  return server.active + server.inactive + server.persistent
}
