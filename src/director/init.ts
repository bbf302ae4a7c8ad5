/**
 * First contents of a fresh set of tables: masks, limits, switches, timeouts.
 */
import { assert } from '../base/assert.ts'
import { TICKS_PER_SECOND } from '../subset/clock.ts'
import type { Table } from '../subset/table.ts'
import type { Fields } from '../subset/struct.ts'
import {
  CONNECTIONS_MAX,
  FRAGMENT_PROBES_MAX,
  FRAGMENT_TIMEOUT_S,
  LOCALITY_PROBES_MAX,
  MEMBER_PROBES_MAX,
  PROBES_MAX,
} from '../dataplane/limits.ts'
import * as tables from '../dataplane/tables.ts'
import {
  ICMP_TIMEOUT_S,
  LOCALITY_TIMEOUT_S,
  TCP_TIMEOUTS_S,
  TimeoutRow,
  UDP_TIMEOUT_S,
} from '../dataplane/timeout.ts'
import { signTables } from './schema.ts'

export interface TableOptions {
  /** Mixed into every hash; draw it at random, or choose it in a test. */
  readonly hashSeed: number
  readonly connectionsMax?: number
  /** ICMP errors a second that the packet path may send; 0: no limit. */
  readonly icmpPerSecond?: number
}

/** Linux's own default, icmp_msgs_per_sec. */
const ICMP_PER_SECOND = 1000

/** Rows of the memory in use, less those past a hash table's end, must be a power of two: the mask. */
function maskOf<F extends Fields>(table: Table<F>, spare: number): number {
  const rows = table.memory.capacity - spare
  if (rows < 1 || (rows & (rows - 1)) !== 0) {
    throw new RangeError(`table ${table.name} has ${rows} rows, which is no power of two`)
  }
  return rows - 1
}

/** Writes them into the set of tables in use, which is all zero. */
export function initTables(options: TableOptions): void {
  assert(
    tables.serverOrigins.memory.capacity >= tables.servers.memory.capacity,
    'every server has an origin',
  )
  const settings = tables.settings.row(0)
  settings.hashSeed = options.hashSeed
  settings.connectionMask = maskOf(tables.connections, PROBES_MAX)
  settings.serviceMask = maskOf(tables.serviceIndex, 0)
  settings.localPortMask = maskOf(tables.localPorts, PROBES_MAX)
  settings.neighbourMask = maskOf(tables.neighbourIndex, 0)
  settings.fragmentMask = maskOf(tables.fragments, FRAGMENT_PROBES_MAX)
  settings.localityMask = maskOf(tables.localities, LOCALITY_PROBES_MAX)
  settings.memberMask = maskOf(tables.localityMembers, MEMBER_PROBES_MAX)
  settings.connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX
  settings.icmpPerSecond = options.icmpPerSecond ?? ICMP_PER_SECOND
  settings.switches = tables.Switch.reuse | tables.Switch.pathMtuDiscovery
  TCP_TIMEOUTS_S.forEach((seconds, state) => setTimeoutS(TimeoutRow.tcp + state, seconds))
  setTimeoutS(TimeoutRow.udp, UDP_TIMEOUT_S)
  setTimeoutS(TimeoutRow.icmp, ICMP_TIMEOUT_S)
  setTimeoutS(TimeoutRow.fragment, FRAGMENT_TIMEOUT_S)
  setTimeoutS(TimeoutRow.lblc, LOCALITY_TIMEOUT_S)
  setTimeoutS(TimeoutRow.lblcr, LOCALITY_TIMEOUT_S)
  signTables()
}

/** Sets a row of `timeouts`, in seconds. */
export function setTimeoutS(row: number, seconds: number): void {
  tables.timeouts.row(row).ticks = seconds * TICKS_PER_SECOND
}

/** A row of `timeouts`, in seconds. */
export function timeoutS(row: number): number {
  return tables.timeouts.row(row).ticks / TICKS_PER_SECOND
}
