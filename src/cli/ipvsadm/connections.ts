/**
 * `ipvsadm -L -c`, the connections; `-L --daemon`, their synchronisation; and `ipvsadm -G`, FULLNAT's local addresses
 * (as Taobao's ipvsadm lists them).
 */
import type {
  ConnectionListing,
  LocalAddressListing,
  ServiceKey,
  SyncDaemon,
} from '../../director/model.ts'
import { formatEndpoint, NUMERIC, type Naming } from './naming.ts'

/** Protocol, expiry, state, client, virtual, server, persistence engine. */
export const WIDTHS = [3, 6, 11, 18, 18, 18, 16] as const
/** In lines with an engine ipvsadm has the last two the other way round. */
const ENGINE_WIDTHS = [3, 6, 11, 18, 18, 16, 18]

/**
 * The connections, in the order given.
 *
 * Differs from IPVS: where there are FULLNAT connections a last column has their local addresses and ports.
 */
export function formatConnections(
  connections: readonly ConnectionListing[],
  isWithEngine: boolean,
  naming: Naming,
): string {
  const isWithLocal = !isWithEngine && connections.some(({ local }) => local !== null)
  const lines = connectionTitles(isWithEngine, isWithLocal)
  for (const connection of connections) {
    const { protocol, client, virtual, server, local, state, expiresS, engine } = connection
    const named = protocol === 'ip' ? null : protocol
    const endpoints = [client, virtual, server]
    if (isWithLocal && local !== null) endpoints.push(local)
    const names = endpoints.map((each) => formatEndpoint(each, named, naming))
    const columns = [protocol.toUpperCase(), formatExpiry(expiresS), state, ...names]
    if (engine === undefined || !isWithEngine) lines.push(joinColumns(columns))
    else lines.push(joinColumns([...columns, engine.name, engine.data], ENGINE_WIDTHS))
  }
  return lines.map((line) => `${line}\n`).join('')
}

export function connectionTitles(isWithEngine: boolean, isWithLocal: boolean): string[] {
  const titles = ['source', 'virtual', 'destination']
  if (isWithEngine) titles.push('pe name', 'pe_data')
  if (isWithLocal) titles.push('local')
  return ['IPVS connection entries', joinColumns(['pro', 'expire', 'state', ...titles])]
}

/** The last column is not filled up with blanks. */
function joinColumns(columns: readonly string[], widths: readonly number[] = WIDTHS): string {
  const last = columns.length - 1
  return columns.map((text, i) => (i < last ? text.padEnd(widths[i]!) : text)).join(' ')
}

function formatExpiry(seconds: number): string {
  const whole = Math.floor(seconds)
  const two = (n: number) => String(n).padStart(2, '0')
  return `${two(Math.floor(whole / 60))}:${two(whole % 60)}`
}

export function formatSyncDaemons(daemons: readonly SyncDaemon[]): string {
  return daemons
    .map(
      ({ role, interface: name, syncId, maxLength, group, port, ttl }) =>
        `${role} sync daemon (mcast=${name}, syncid=${syncId}, maxlen=${maxLength}, ` +
        `group=${group}, port=${port}, ttl=${ttl})\n`,
    )
    .join('')
}

/** Services with their local addresses, the sockets that could not be had, and the connections. */
export function formatLocals(
  services: readonly {
    readonly service: ServiceKey
    readonly locals: readonly LocalAddressListing[]
  }[],
): string {
  const lines = [row(['VIP:VPORT', 'TOTAL', 'SNAT_IP', 'CONFLICTS', 'CONNS'])]
  for (const { service, locals } of services) {
    const name =
      'firewallMark' in service
        ? `FWM ${service.firewallMark}`
        : formatEndpoint(service, service.protocol, NUMERIC)
    lines.push(`${name.padEnd(20)} ${String(locals.length).padEnd(8)} `)
    for (const { address, portsExhausted, connections } of locals) {
      lines.push(row(['', '', address, portsExhausted, connections]))
    }
  }
  return lines.map((line) => `${line}\n`).join('')
}

function row(cells: readonly (string | number)[]): string {
  return [20, 8, 20, 10, 10].map((width, i) => String(cells[i]).padEnd(width)).join(' ')
}
