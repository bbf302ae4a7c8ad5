/**
 * First contents of a fresh set of tables: masks, limits, switches, timeouts.
 */
import { assert } from '../base/assert.ts'
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
import { SCTP_TIMEOUTS_S } from '../dataplane/sctp.ts'
import { BYPASS_SERVER } from '../dataplane/forward-bypass.ts'
import { signTables } from '../dataplane/schema.ts'
import * as tables from '../dataplane/tables.ts'
import { writeTcpTransitions } from '../dataplane/tcp.ts'
import { ICMP_TIMEOUT_S, TCP_TIMEOUTS_S, TimeoutRow, UDP_TIMEOUT_S } from '../dataplane/timeout.ts'
import { initSysctls } from './sysctls.ts'
import { setTimeoutS } from './timeouts.ts'

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
  settings.natServerMask = maskOf(tables.natServers, 0)
  settings.localPortMask = maskOf(tables.localPorts, PROBES_MAX)
  settings.neighbourMask = maskOf(tables.neighbourIndex, 0)
  settings.fragmentMask = maskOf(tables.fragments, FRAGMENT_PROBES_MAX)
  settings.localityMask = maskOf(tables.localities, LOCALITY_PROBES_MAX)
  settings.memberMask = maskOf(tables.localityMembers, MEMBER_PROBES_MAX)
  settings.connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX
  settings.icmpPerSecond = options.icmpPerSecond ?? ICMP_PER_SECOND
  writeTcpTransitions(false)
  writeBypassServer()
  TCP_TIMEOUTS_S.forEach((seconds, state) => setTimeoutS(TimeoutRow.tcp + state, seconds))
  setTimeoutS(TimeoutRow.udp, UDP_TIMEOUT_S)
  setTimeoutS(TimeoutRow.icmp, ICMP_TIMEOUT_S)
  setTimeoutS(TimeoutRow.fragment, FRAGMENT_TIMEOUT_S)
  SCTP_TIMEOUTS_S.forEach((seconds, state) => setTimeoutS(TimeoutRow.sctp + state, seconds))
  initSysctls()
  signTables()
}

/** Nobody, whom connections are bound to that go on to where they were sent (cache_bypass). */
function writeBypassServer(): void {
  const nobody = tables.servers.row(BYPASS_SERVER)
  nobody.forwarding = tables.Forwarding.bypass
  nobody.flags = tables.ServerFlag.available
  nobody.service = tables.NONE
}
