/**
 * A real server's load: counts, overload, and what every scheduler asks of it.
 *
 * Counting and thresholds follow ip_vs_bind_dest, ip_vs_unbind_dest and ip_vs_dest_update_overload
 * (net/netfilter/ipvs/ip_vs_conn.c, ip_vs_ctl.c): a new connection is inactive until its state says otherwise.
 */
import { u32 } from '../subset/integers.ts'
import type { Server } from './tables.ts'

/** May the scheduler give it a new connection? Weight 0 drains, overload pauses. */
export function isUsable(server: Server): boolean {
  return server.weight !== 0 && server.overloaded === 0
}

/** Connections weighted by what they cost: 256 × active + inactive (ip_vs.h, ip_vs_dest_conn_overhead). */
export function overhead(server: Server): u32 {
  return u32(server.active * 256 + server.inactive)
}

/** Sets or clears the overload flag after the server's counts or thresholds changed. */
export function updateOverload(server: Server): void {
  const total: u32 = u32(server.active + server.inactive)
  const upper: u32 = server.upperThreshold
  const lower: u32 = server.lowerThreshold
  if (upper !== 0 && total >= upper) {
    server.overloaded = 1
    return
  }
  let hasRoom: boolean = true
  if (lower !== 0) hasRoom = total < lower
  else if (upper !== 0) hasRoom = total * 4 < upper * 3
  if (hasRoom) server.overloaded = 0
}
