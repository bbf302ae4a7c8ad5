/**
 * Connections as the control socket has them, one row each: read here; director/connection-rows.ts makes them.
 */
import type { ConnectionListing, ConnectionRow } from '../director/model.ts'

export function connectionOf(row: ConnectionRow): ConnectionListing {
  const [protocol, state, expiresS, client, clientPort, virtual, virtualPort] = row
  const [, , , , , , , server, serverPort, local = null, localPort, engine, data] = row
  return {
    protocol,
    client: { address: client, port: clientPort },
    virtual: { address: virtual, port: virtualPort },
    server: { address: server, port: serverPort },
    local: local === null ? null : { address: local, port: localPort! },
    state,
    expiresS,
    ...(engine !== undefined && { engine: { name: engine, data: data! } }),
  }
}
