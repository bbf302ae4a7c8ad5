/**
 * The listings of services and servers: `ipvsadm -L`, plain or with `--stats`, `--rate`, `--thresholds`,
 * `--persistent-conn`, `--tun-info` (ipvsadm(8)); column widths are ipvsadm's.
 */
import type {
  Counters,
  ForwardingMethod,
  Rates,
  ServerListing,
  ServiceKey,
  ServiceListing,
  ServiceSettings,
  Tunnel,
} from '../../director/model.ts'
import { wordToAddress } from './address.ts'
import type { ListFormat } from './command.ts'
import { formatEndpoint, type Naming } from './naming.ts'
import { sortServers, sortServices } from './order.ts'
import { formatSchedulerFlags } from './scheduler-flags.ts'

/** Columns the names of IPv4 services and servers have; longer ones are cut. IPv6 is not. */
const SERVICE_WIDTH = 33
const SERVER_WIDTH = 28

const FORWARDING_TEXT: Readonly<Record<ForwardingMethod, string>> = {
  masquerade: 'Masq',
  local: 'Local',
  tunnel: 'Tunnel',
  direct: 'Route',
  fullnat: 'FullNat',
}

/** The first line of a listing of all. */
export function formatVersionLine(version: string, connectionTableSize: number): string {
  return `IP Virtual Server version ${version} (size=${connectionTableSize})\n`
}

/** Titles, services and their servers. */
export function formatServices(
  services: readonly ServiceListing[],
  format: ListFormat,
  naming: Naming,
): string {
  const shape = shapeOf(format)
  const lines = [...shape.titles]
  for (const service of format.sorted ? sortServices(services) : services) {
    const protocol = 'firewallMark' in service.key ? null : service.key.protocol
    lines.push(shape.service(service, formatServiceName(service, naming)))
    const { servers } = service
    for (const server of format.sorted ? sortServers(servers) : servers) {
      const name = formatEndpoint(server, protocol, naming)
      lines.push(shape.server(server, server.family === 4 ? name.slice(0, SERVER_WIDTH) : name))
    }
  }
  return lines.map((line) => `${line}\n`).join('')
}

function formatServiceName({ key, family }: ServiceListing, naming: Naming): string {
  const name = serviceText(key, naming)
  return family === 4 ? name.slice(0, SERVICE_WIDTH) : name
}

function serviceText(key: ServiceKey, naming: Naming): string {
  // ipvsadm prints marks as signed numbers.
  if ('firewallMark' in key) {
    return `FWM  ${key.firewallMark | 0}${key.family === 6 ? ' IPv6' : ''}`
  }
  return `${key.protocol.toUpperCase().padEnd(4)} ${formatEndpoint(key, key.protocol, naming)}`
}

/** What one kind of listing looks like. */
interface Shape {
  readonly titles: readonly string[]
  readonly service: (service: ServiceListing, name: string) => string
  readonly server: (server: ServerListing, name: string) => string
}

function shapeOf(format: ListFormat): Shape {
  if (format.stats) return statsShape(format.exact)
  if (format.rate) return rateShape(format.exact)
  if (format.thresholds) return THRESHOLDS
  if (format.persistentConnections) return PERSISTENT_CONNECTIONS
  return format.tunnelInfo ? TUNNEL_INFO : PLAIN
}

const SERVER_TITLE = '  -> RemoteAddress:Port'

function left(value: string | number, width: number): string {
  return String(value).padEnd(width)
}

function serverStart(name: string): string {
  return `  -> ${left(name, SERVER_WIDTH)}`
}

function connectionColumns({ activeConnections, inactiveConnections }: ServerListing): string {
  return `${left(activeConnections, 10)} ${left(inactiveConnections, 10)}`
}

function serviceLine({ settings, family }: ServiceListing, name: string): string {
  return `${name} ${settings.scheduler}${formatServiceSettings(settings, family)}`
}

function formatServiceSettings(settings: ServiceSettings, family: 4 | 6): string {
  const { scheduler, schedulerFlags, persistenceTimeoutS, onePacket } = settings
  let text = ''
  if (schedulerFlags !== 0) text += ` (${formatSchedulerFlags(scheduler, schedulerFlags)})`
  if (persistenceTimeoutS > 0) {
    text += ` persistent ${persistenceTimeoutS}`
    const mask = formatMask(settings.netmask, family)
    if (mask !== null) text += ` mask ${mask}`
    if (settings.persistenceEngine !== null) text += ` pe ${settings.persistenceEngine}`
  }
  return onePacket ? `${text} ops` : text
}

/** null: the mask covers all of the address, which goes without saying. */
export function formatMask(netmask: number, family: 4 | 6): string | null {
  if (family === 6) return netmask === 128 ? null : String(netmask)
  return netmask === 0xffffffff ? null : wordToAddress(netmask)
}

const PLAIN: Shape = {
  titles: [
    'Prot LocalAddress:Port Scheduler Flags',
    `${SERVER_TITLE}           Forward Weight ActiveConn InActConn`,
  ],
  service: serviceLine,
  server: (server, name) =>
    `${serverStart(name)} ${left(FORWARDING_TEXT[server.forwarding], 7)} ` +
    `${left(server.weight, 6)} ${connectionColumns(server)}`,
}

const TUNNEL_INFO: Shape = {
  titles: [
    'Prot LocalAddress:Port Scheduler Flags',
    `${SERVER_TITLE}           Forward TunnelInfo    Weight ActiveConn InActConn`,
  ],
  service: serviceLine,
  server: (server, name) =>
    `${serverStart(name)} ${left(FORWARDING_TEXT[server.forwarding], 7)} ` +
    `${left(formatTunnel(server), 13)} ${left(server.weight, 6)} ${connectionColumns(server)}`,
}

const CHECKSUM_TEXT: Readonly<Record<Tunnel['checksum'], string>> = {
  none: '-c',
  checksum: '+c',
  'remote-checksum': 'r+c',
}

function formatTunnel({ forwarding, tunnel }: ServerListing): string {
  if (forwarding !== 'tunnel') return 'n/a'
  const checksum = CHECKSUM_TEXT[tunnel.checksum]
  if (tunnel.type === 'gue') return `gue:${tunnel.port}:${checksum}`
  return tunnel.type === 'gre' ? `gre:${checksum}` : 'ipip'
}

const THRESHOLD_TITLES = ['Uthreshold', 'Lthreshold', 'ActiveConn', 'InActConn']

const THRESHOLDS: Shape = {
  titles: [wideTitle([10, 10, 10, 10], THRESHOLD_TITLES), SERVER_TITLE],
  service: serviceLine,
  server: (server, name) =>
    `${serverStart(name)} ${left(server.upperThreshold, 10)} ${left(server.lowerThreshold, 10)} ` +
    connectionColumns(server),
}

const PERSISTENT_TITLES = ['Weight', 'PersistConn', 'ActiveConn', 'InActConn']

const PERSISTENT_CONNECTIONS: Shape = {
  titles: [wideTitle([9, 11, 10, 10], PERSISTENT_TITLES), SERVER_TITLE],
  service: serviceLine,
  server: (server, name) =>
    `${serverStart(name)} ${left(server.weight, 9)} ${left(server.persistentConnections, 11)} ` +
    connectionColumns(server),
}

function wideTitle(widths: readonly number[], names: readonly string[]): string {
  const columns = names.map((name, i) => left(name, widths[i]!))
  return `${left('Prot LocalAddress:Port', SERVICE_WIDTH)} ${columns.join(' ')}`
}

function statsShape(isExact: boolean): Shape {
  const columns = (counters: Counters) =>
    valuesOf(counters)
      .map((value) => formatLarge(value, isExact))
      .join('')
  return {
    titles: numbersTitle(['Conns', 'InPkts', 'OutPkts', 'InBytes', 'OutBytes']),
    service: ({ counters }, name) => left(name, SERVICE_WIDTH) + columns(counters),
    server: ({ counters }, name) => serverStart(name) + columns(counters),
  }
}

function rateShape(isExact: boolean): Shape {
  const all = (rates: Rates) =>
    valuesOf(rates)
      .map((value) => formatLarge(value, isExact))
      .join('')
  // Servers have their connections and packets in full.
  const ofServer = (rates: Rates) => {
    const [connections, inPackets, outPackets, ...bytes] = valuesOf(rates)
    const counts = [connections!, inPackets!, outPackets!].map((n) => ` ${String(n).padStart(8)}`)
    return [...counts, ...bytes.map((value) => formatLarge(value, isExact))].join('')
  }
  return {
    titles: numbersTitle(['CPS', 'InPPS', 'OutPPS', 'InBPS', 'OutBPS']),
    service: ({ rates }, name) => left(name, SERVICE_WIDTH) + all(rates),
    server: ({ rates }, name) => serverStart(name) + ofServer(rates),
  }
}

function valuesOf(of: Counters | Rates): number[] {
  return [of.connections, of.inPackets, of.outPackets, of.inBytes, of.outBytes].map(Math.floor)
}

function numbersTitle(names: readonly string[]): string[] {
  const columns = names.map((name) => ` ${name.padStart(8)}`)
  return [left('Prot LocalAddress:Port', SERVICE_WIDTH) + columns.join(''), SERVER_TITLE]
}

/** From 100 000 000 on in thousands, from 1 000 000 000 on in millions, then G and T; nine columns. */
export function formatLarge(value: number, isExact: boolean): string {
  if (value < 1e8) return String(value).padStart(9)
  if (isExact) return ` ${value}`
  if (value < 1e9) return scaled(value, 1e3, 'K')
  if (value < 1e11) return scaled(value, 1e6, 'M')
  if (value < 1e14) return scaled(value, 1e9, 'G')
  return scaled(value, 1e12, 'T')
}

function scaled(value: number, unit: number, letter: string): string {
  return String(Math.floor(value / unit)).padStart(8) + letter
}
