/**
 * Rows of the tables in use, by the names that `ipvsadm` gives them.
 */
import { wordsToIp } from '../base/ip.ts'
import { NONE, servers, services, connections } from '../dataplane/tables.ts'
import { serverText, serviceText } from '../director/check.ts'
import { keyOfService } from '../director/service-rows.ts'

interface Addressed {
  readonly address0: number
  readonly address1: number
  readonly address2: number
  readonly address3: number
}

/** The address in a row. */
export function addressOf({ address0, address1, address2, address3 }: Addressed): string {
  return wordsToIp(address0, address1, address2, address3)
}

/** 'tcp 10.0.0.100:80' for a row of `services`; null for NONE. */
export function nameService(row: number): string | null {
  return row === NONE ? null : serviceText(keyOfService(services.row(row)))
}

/** '10.0.1.11:8080' for a row of `servers`; null for NONE. A server with port 0 keeps the virtual port. */
export function nameServer(row: number, virtualPort: number): string | null {
  if (row === NONE) return null
  const server = servers.row(row)
  return serverText({ address: addressOf(server), port: server.port || virtualPort })
}

/** Which port the client of a connection asked for; 0 for NONE. */
export function virtualPortOf(connection: number): number {
  return connection === NONE ? 0 : connections.row(connection).virtualPort
}
