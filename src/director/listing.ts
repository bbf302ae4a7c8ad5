/**
 * From rows to listings: what `ipvsadm -L` and its kin are told.
 */
import { wordsToIp } from '../base/ip.ts'
import { isAtOrAfter } from '../subset/integers.ts'
import { now, TICKS_PER_SECOND } from '../subset/clock.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { callOf } from '../dataplane/call-id.ts'
import { BUSY, forwardingOf, serverPortOf } from '../dataplane/connection.ts'
import { localRowOf } from '../dataplane/local-port.ts'
import * as tables from '../dataplane/tables.ts'
import { TcpState } from '../dataplane/tcp.ts'
import { isTemplateAlive, NOWHERE } from '../dataplane/template.ts'
import { TEMPLATE_REST_S } from '../dataplane/timeout.ts'
import { serviceFamily } from './check.ts'
import { readCounters, type ServerEntry, type ServiceEntry } from './entries.ts'
import type { Estimator } from './estimator.ts'
import type {
  ConnectionListing,
  Counters,
  ServerKey,
  ServerListing,
  ServiceListing,
} from './model.ts'
import { isDoomed } from './sweep.ts'
import { sysctl } from './sysctls.ts'

/** A service after the other, as they are when it comes to them; `use` is called first, each time. */
export function* listServices(
  entries: Iterable<ServiceEntry>,
  use: () => void,
): Generator<ServiceListing> {
  for (const entry of entries) {
    use()
    yield listService(entry)
  }
}

export function listService(entry: ServiceEntry): ServiceListing {
  return {
    key: entry.key,
    family: serviceFamily(entry.key),
    settings: entry.settings,
    counters: countersOf(tables.services.row(entry.row), entry.estimator),
    rates: entry.estimator.rates(),
    servers: entry.servers.map(listServer),
  }
}

function listServer({ row: index, key, settings, estimator }: ServerEntry): ServerListing {
  const row = tables.servers.row(index)
  return {
    address: key.address,
    port: key.port,
    forwarding: settings.forwarding,
    weight: settings.weight,
    upperThreshold: settings.upperThreshold,
    lowerThreshold: settings.lowerThreshold,
    tunnel: settings.tunnel,
    family: row.family === 6 ? 6 : 4,
    activeConnections: row.active,
    inactiveConnections: row.inactive,
    persistentConnections: row.persistent,
    counters: countersOf(row, estimator),
    rates: estimator.rates(),
  }
}

/** As of now; without estimation, which in the kernel sums them up, as of when there was some. */
function countersOf(row: Counters, estimator: Estimator): Counters {
  return sysctl('run_estimation') === 0 ? estimator.last : readCounters(row)
}

/** Names of TcpState's numbers, as the kernel's listing has them (ip_vs_proto_tcp.c). */
const TCP_STATE_NAMES: Readonly<Record<keyof typeof TcpState, string>> = {
  none: 'NONE',
  established: 'ESTABLISHED',
  synSent: 'SYN_SENT',
  synReceived: 'SYN_RECV',
  finWait: 'FIN_WAIT',
  timeWait: 'TIME_WAIT',
  close: 'CLOSE',
  closeWait: 'CLOSE_WAIT',
  lastAck: 'LAST_ACK',
  listen: 'LISTEN',
  synAck: 'SYNACK',
}
const TCP_STATES = Object.entries(TcpState).sort(([, a], [, b]) => a - b)
const STATE_TEXT = TCP_STATES.map(([name]) => TCP_STATE_NAMES[name as keyof typeof TcpState])

/** In the order of SctpState, as ip_vs_proto_sctp.c has them. */
const SCTP_STATE_TEXT = [
  'NONE',
  'INIT1',
  'INIT',
  'C-SENT',
  'C-REPLIED',
  'C-WAIT',
  'COOKIE',
  'C-ECHOED',
  'ESTABLISHED',
  'S-SENT',
  'S-RECEIVED',
  'S-ACK-SENT',
  'REJECTED',
  'CLOSED',
]

const PROTOCOL_TEXT: Readonly<Record<number, ConnectionListing['protocol']>> = {
  [Protocol.tcp]: 'tcp',
  [Protocol.udp]: 'udp',
  [Protocol.sctp]: 'sctp',
}

/** Every live connection and template, in the table's order. */
export function* listConnections(): Generator<ConnectionListing> {
  for (let i = 0; i < tables.connections.memory.capacity; i++) {
    const line = tables.connections.row(i)
    if (isListed(line)) yield listConnection(line)
  }
}

/** Is it alive, and does IPVS tell of it? */
export function isListed(line: tables.Connection): boolean {
  if (line.owner <= BUSY || (line.status & tables.Status.ended) !== 0) return false
  const isTemplate = (line.status & tables.Status.template) !== 0
  const isAlive = isTemplate ? isTemplateAlive(line) : !isAtOrAfter(now(), line.expires)
  return isAlive && !isDoomed(line)
}

/** What a line of the connection table in use says. */
export function listConnection(line: tables.Connection): ConnectionListing {
  const callId = callOf(line)
  return {
    protocol: protocolOf(line),
    client: {
      address: wordsToIp(line.client0, line.client1, line.client2, line.client3),
      port: callId === undefined ? line.clientPort : 0,
    },
    virtual: {
      address: wordsToIp(line.virtual0, line.virtual1, line.virtual2, line.virtual3),
      port: line.virtualPort,
    },
    server: serverOf(line),
    local: localOf(line),
    state: stateOf(line),
    expiresS: expiryTicks(line) / TICKS_PER_SECOND,
    ...(callId !== undefined && { engine: { name: 'sip', data: callId } }),
  }
}

export function protocolOf({ status }: tables.Connection): ConnectionListing['protocol'] {
  return PROTOCOL_TEXT[status & tables.Status.protocolMask] ?? 'ip'
}

function serverOf(line: tables.Connection): ServerKey {
  const server = tables.servers.row(line.server)
  const { address0, address1, address2, address3 } = server
  const address = wordsToIp(address0, address1, address2, address3)
  return { address, port: listedPortOf(server, line) }
}

/** The port that a connection or template of this server is listed with. */
export function listedPortOf(server: tables.Server, line: tables.Connection): number {
  if ((line.status & tables.Status.template) === 0) return serverPortOf(server, line)
  const hasPort = line.virtualPort !== 0 && line.virtualPort !== NOWHERE
  return hasPort ? server.port : line.virtualPort
}

export function stateOf({ status }: tables.Connection): string {
  const state = (status & tables.Status.stateMask) >>> tables.Status.stateShift
  if ((status & tables.Status.template) !== 0) return state === 0 ? 'NONE' : 'ASSURED'
  const protocol = status & tables.Status.protocolMask
  if (protocol === Protocol.tcp) return STATE_TEXT[state]!
  return protocol === Protocol.sctp ? SCTP_STATE_TEXT[state]! : 'UDP'
}

/** Until it expires. A template that is over, but controls somebody, goes on for a while, and again. */
export function expiryTicks(line: tables.Connection): number {
  const left = (line.expires - now()) | 0
  return left >= 0 ? left : REST_TICKS - (-left % REST_TICKS)
}
const REST_TICKS = TEMPLATE_REST_S * TICKS_PER_SECOND

function localOf(line: tables.Connection): ServerKey | null {
  if (forwardingOf(line) !== tables.Forwarding.fullnat || line.binding === 0) return null
  const { address0, address1, address2, address3 } = tables.locals.row(localRowOf(line))
  return { address: wordsToIp(address0, address1, address2, address3), port: line.binding >>> 16 }
}
