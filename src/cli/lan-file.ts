/**
 * `--lan FILE`: the network around a director that is not there, for `replay` and `explain`.
 */
import type { Lan } from '../replay/lan.ts'
import { failureOf, readText } from './input-file.ts'

export const LAN_HELP = `
--lan describes the network. "mtu" (1500), "routes", "neighbours" and "via" may be left out:

  { "interfaces": [{ "name": "eth0", "mac": "02:00:00:00:00:01", "addresses": ["10.0.0.1/24"], "mtu": 1500 }],
    "routes":     [{ "to": "0.0.0.0/0", "via": "10.0.0.2", "interface": "eth0" }],
    "neighbours": [{ "address": "10.0.0.2", "mac": "02:00:00:00:00:02", "interface": "eth0" }] }

A frame to a neighbour that is not described is held.
`

/** Throws Failure: all that is wrong with it, a line each. */
export async function readLanFile(path: string): Promise<Lan> {
  const { isLan, readLan } = await import('../replay/lan.ts')
  const lan = readLan(readText(path))
  if (isLan(lan)) return lan
  throw failureOf(path, lan)
}
