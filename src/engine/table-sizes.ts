/**
 * Rows of the tables that grow with the number of connections.
 */
import {
  CONNECTION_LINES,
  CONNECTIONS_MAX,
  LOCAL_PORT_SLOTS,
  PROBES_MAX,
} from '../dataplane/limits.ts'

/** Lines of a small table: fewer would save nothing. */
const LINES_MIN = 1 << 12
const LINES_MAX = 1 << 22

/** By table name, for so many connections at once; the defaults where that is undefined. */
export function capacitiesFor(connectionsMax: number | undefined): Record<string, number> {
  if (connectionsMax === undefined) return {}
  const share = CONNECTION_LINES / CONNECTIONS_MAX
  let lines = LINES_MIN
  while (lines < share * connectionsMax && lines < LINES_MAX) lines *= 2
  const localPorts = Math.max(LINES_MIN, (lines * LOCAL_PORT_SLOTS) / CONNECTION_LINES)
  return { connections: lines + PROBES_MAX, localPorts: localPorts + PROBES_MAX }
}
