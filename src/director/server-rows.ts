/**
 * Rows of `servers`: written from what was asked for. A row's counts, cached hop and overload are the packet path's.
 */
import { ServerFlag } from '../dataplane/tables.ts'
import * as tables from '../dataplane/tables.ts'
import { updateOverload } from '../dataplane/server.ts'
import { wordsToIp } from '../base/ip.ts'
import { clearRow, lastPortOf, protocolOf, writeAddress, type ServerEntry } from './entries.ts'
import type { ServerKey, ServerSettings, ServiceKey } from './model.ts'
import { FORWARDING, TUNNEL_FLAGS } from './spec.ts'

/** A fresh row for `entry`: its identity, and that of the service it is for. */
export function beginServerRow(key: ServiceKey, entry: ServerEntry): void {
  const server = tables.servers.row(entry.row)
  clearServerRow(entry.row)
  writeAddress(server, entry.key.address)
  server.port = entry.key.port
  writeOrigin(entry.row, key)
  // What says that the row is in use.
  server.family = entry.key.address.includes(':') ? 6 : 4
}

/** Writes what was asked for. */
export function writeServerRow({ row, settings }: ServerEntry): void {
  const server = tables.servers.row(row)
  server.forwarding = FORWARDING[settings.forwarding]
  server.weight = settings.weight
  server.upperThreshold = settings.upperThreshold
  server.lowerThreshold = settings.lowerThreshold
  server.tunnelType = tables.TunnelType[settings.tunnel.type]
  server.tunnelFlags = TUNNEL_FLAGS[settings.tunnel.checksum]
  server.tunnelPort = settings.tunnel.port
  updateOverload(server)
}

/** What routers said of the way to the server holds no more: it may lead through another tunnel now. */
export function forgetPath(row: number): void {
  tables.servers.row(row).pathMtu = 0
}

/** Makes the row part of its service, or again. */
export function joinService(row: number, service: number): void {
  const server = tables.servers.row(row)
  server.service = service
  server.flags |= ServerFlag.available
}

/** The row is nobody's. */
export function clearServerRow(row: number): void {
  tables.servers.row(row).family = 0
  clearRow(tables.servers, row)
}

function writeOrigin(row: number, key: ServiceKey): void {
  const origin = tables.serverOrigins.row(row)
  if ('firewallMark' in key) {
    ;[origin.address0, origin.address1, origin.address2] = [0, 0, 0]
    origin.address3 = key.firewallMark
    origin.port = 0
    origin.lastPort = 0
    origin.family = key.family
  } else {
    writeAddress(origin, key.address)
    origin.port = key.port
    origin.lastPort = lastPortOf(key)
  }
  origin.protocol = protocolOf(key)
}

const PROTOCOLS = new Map([
  [6, 'tcp'],
  [17, 'udp'],
  [132, 'sctp'],
] as const)

/** The key of a service out of a row's words. Throws RangeError for a protocol that there is no service of. */
export function serviceKeyOf(row: {
  readonly words: readonly [number, number, number, number]
  readonly port: number
  readonly lastPort: number
  readonly protocol: number
  readonly family: number
}): ServiceKey {
  const { words, port, lastPort, protocol, family } = row
  if (protocol === 0) return { firewallMark: words[3], family: family === 6 ? 6 : 4 }
  const name = PROTOCOLS.get(protocol as 6)
  if (name === undefined) throw new RangeError(`no service has the protocol ${protocol}`)
  const key = { protocol: name, address: wordsToIp(...words), port }
  return lastPort === 0 ? key : { ...key, lastPort }
}

function originFields(row: number) {
  const { address0, address1, address2, address3, port, lastPort, protocol, family } =
    tables.serverOrigins.row(row)
  return { address0, address1, address2, address3, port, lastPort, protocol, family }
}

/** Of which service row `row` of `servers` was begun. */
export function originOf(row: number): ServiceKey {
  const { address0, address1, address2, address3, ...rest } = originFields(row)
  return serviceKeyOf({ words: [address0, address1, address2, address3], ...rest })
}

export function serverKeyOf(server: tables.Server): ServerKey {
  const { address0, address1, address2, address3, port } = server
  return { address: wordsToIp(address0, address1, address2, address3), port }
}

/** Do the server's answers pass the director? */
export function returnsThroughUs({ forwarding }: ServerSettings): boolean {
  return forwarding === 'masquerade' || forwarding === 'fullnat'
}
