/**
 * From services and servers to what packets look like that are theirs: claims for the engine.
 */
import { Protocol } from '../wire/ip-protocol.ts'
import { FTP_PORT } from '../dataplane/service.ts'
import { claimedPorts, type Endpoint } from './claim-log.ts'
import { lastPortOf, protocolOf } from './entries.ts'
import type { ServerKey, ServiceKey } from './model.ts'

/** Whatever has ports. */
export const CARRIERS = [Protocol.tcp, Protocol.udp, Protocol.sctp] as const

/** Where a service's clients send to; of a firewall mark its rules tell. */
export function destinationsOf(key: ServiceKey): Endpoint[] {
  if ('firewallMark' in key) return []
  const { address, port } = key
  const protocol = protocolOf(key)
  const last = lastPortOf(key)
  const ports = last === 0 ? [port] : claimedPorts(port, last)
  const claims = ports.map((each): Endpoint => ({ address, protocol, port: each }))
  // FTP's data connections come on any port.
  return isFtp(key) ? [...claims, { address, protocol, port: 0 }] : claims
}

/** Where a server's answers come from: from any port, where it may have got the port that its client asked for. */
export function sourcesOf(key: ServiceKey, server: ServerKey): Endpoint[] {
  const { address } = server
  if ('firewallMark' in key) return CARRIERS.map((protocol) => ({ address, protocol, port: 0 }))
  const hasManyPorts = key.port === 0 || lastPortOf(key) !== 0 || isFtp(key)
  return [{ address, protocol: protocolOf(key), port: hasManyPorts ? 0 : server.port }]
}

function isFtp(key: ServiceKey): boolean {
  return 'port' in key && key.port === FTP_PORT && key.protocol === 'tcp'
}
