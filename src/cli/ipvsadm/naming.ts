/**
 * How ipvsadm writes addresses and ports: as numbers, or as names where there are any.
 */
import type { ServiceProtocol } from '../../director/model.ts'

/** Names for what is listed; whatever has none is written as a number. */
export interface Naming {
  host(address: string): string | undefined
  port(port: number, protocol: ServiceProtocol): string | undefined
}

/** `-n`. */
export const NUMERIC: Naming = { host: () => undefined, port: () => undefined }

/** Room for a name and its port, less the NUL. */
const NAMED_MAX = 59

/** `protocol` null: ports have no names, as with firewall marks. */
export function formatEndpoint(
  {
    address,
    port,
    lastPort = port,
  }: { readonly address: string; readonly port: number; readonly lastPort?: number },
  protocol: ServiceProtocol | null,
  naming: Naming,
): string {
  const host = naming.host(address) ?? address
  const isNamed = protocol !== null && lastPort === port
  const number = lastPort === port ? String(port) : `${port}-${lastPort}`
  const service = (isNamed ? naming.port(port, protocol) : undefined) ?? number
  const text = address.includes(':') ? `[${host}]:${service}` : `${host}:${service}`
  return text.slice(0, NAMED_MAX)
}
