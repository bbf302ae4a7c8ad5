/**
 * The generation of cached hops: connections and real servers remember a row of `hops` together with the generation
 * it was found in (dataplane/route.ts), and look again once that is over.
 *
 * It must change whenever a remembered row may be wrong: routes changed, or a row is given to another neighbour.
 * Twelve bits come round again; what was remembered 4096 generations ago would then count as fresh. So at each turn
 * every cached hop is forgotten.
 */
import {
  Connection,
  connections,
  Server,
  servers,
  settings,
  Status,
} from '../../dataplane/tables.ts'
import type { AnyTable } from '../../subset/table.ts'

export const GENERATIONS = 1 << 12

/** From here on every cached hop is looked up again. */
export function advanceRouteGeneration(): void {
  const common = settings.row(0)
  const next = (common.routeGeneration + 1) % GENERATIONS
  if (next === 0) {
    clearClientHops()
    clearField(servers, Server.offsets.hop)
  }
  common.routeGeneration = next
}

/** Of connections; a template has something else in that place. */
function clearClientHops(): void {
  const { bytes, base, capacity } = connections.memory
  const line = Connection.view(bytes, base)
  for (let row = 0; row < capacity; row++) {
    ;(line as unknown as { base: number }).base = base + row * Connection.size
    if ((line.status & Status.template) === 0) line.clientHop = 0
  }
}

/** Sets one 32-bit field of every row to 0. */
function clearField({ memory, struct }: AnyTable, offset: number): void {
  const { bytes, base, capacity } = memory
  for (let row = 0; row < capacity; row++) bytes.setUint32(base + row * struct.size + offset, 0)
}
