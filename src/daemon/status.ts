/**
 * The daemon's state in numbers, for `sluice status` and whoever watches.
 */
import type { DaemonStatus } from '../control/protocol.ts'
import type { Director } from '../director/director.ts'
import { reasonName } from '../dataplane/reason-text.ts'
import { LOCALITY_PROBES_MAX } from '../dataplane/limits.ts'
import * as tables from '../dataplane/tables.ts'
import { Reason } from '../dataplane/verdict.ts'
import type { Engine } from '../engine/engine.ts'
import { VERSION } from '../base/version.ts'

/** Of the tables in use. */
export function readStatus(
  engine: Engine,
  director: Director,
  uptimeS: number,
): Omit<DaemonStatus, 'synchronisation'> {
  const { connections, connectionsMax, localities } = tables.settings.row(0)
  return {
    version: VERSION,
    pid: process.pid,
    engine: engine.name,
    uptimeS,
    interfaces: engine.attached.map(({ name, how, mac }) => ({ name, how, mac })),
    ...director.counts,
    connections,
    connectionsMax,
    localities,
    localitiesMax: tables.localities.memory.capacity - LOCALITY_PROBES_MAX,
    reasons: readReasons(),
    engineCounters: engine.counters(),
  }
}

/** Reasons that occurred, in the list's order. */
function readReasons(): Record<string, number> {
  const counted = Object.values(Reason).map(
    (reason) => [reasonName(reason), Number(tables.reasons.row(reason).packets)] as const,
  )
  return Object.fromEntries(counted.filter(([, packets]) => packets > 0))
}
