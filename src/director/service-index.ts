/**
 * Keeps `tables.serviceIndex`: from address, port and protocol to the service's row.
 *
 * Open addressing; the packet path probes SERVICE_PROBES_MAX slots (dataplane/service.ts). A removed entry leaves
 * NONE, over which probes go on; entering reuses it.
 */
import { assert } from '../base/assert.ts'
import { ipToWords } from '../base/ip.ts'
import { SERVICE_PROBES_MAX } from '../dataplane/limits.ts'
import { hashService } from '../dataplane/service.ts'
import { NONE, serviceIndex, settings } from '../dataplane/tables.ts'

function* probes(address: string, port: number, protocol: number): Generator<number> {
  const { hashSeed, serviceMask } = settings.row(0)
  const hash = hashService(hashSeed, ...ipToWords(address), port, protocol)
  for (let i = 0; i < SERVICE_PROBES_MAX; i++) yield ((hash + i) & serviceMask) >>> 0
}

/** May a service of this key be entered? False: every slot where it may stand is taken. */
export function hasRoomForService(address: string, port: number, protocol: number): boolean {
  for (const slot of probes(address, port, protocol)) {
    const { service } = serviceIndex.row(slot)
    if (service === 0 || service === NONE) return true
  }
  return false
}

/** Enters row `row`, for which there is room; one that is in stays where it is. */
export function enterService(address: string, port: number, protocol: number, row: number): void {
  let free: number | undefined
  for (const slot of probes(address, port, protocol)) {
    const { service } = serviceIndex.row(slot)
    if (service === row + 1) return
    if (service === 0 || service === NONE) free ??= slot
    if (service === 0) break
  }
  assert(free !== undefined, 'there is room for the service')
  serviceIndex.row(free).service = row + 1
}

/** Takes out every entry but those of `rows`. */
export function keepServices(rows: ReadonlySet<number>): void {
  for (let slot = 0; slot < serviceIndex.memory.capacity; slot++) {
    const entry = serviceIndex.row(slot)
    if (entry.service === 0 || entry.service === NONE || rows.has(entry.service - 1)) continue
    entry.service = NONE
  }
}

/** Takes row `row` out. */
export function leaveService(address: string, port: number, protocol: number, row: number): void {
  for (const slot of probes(address, port, protocol)) {
    const entry = serviceIndex.row(slot)
    if (entry.service !== row + 1) continue
    const next = serviceIndex.row((slot + 1) & settings.row(0).serviceMask)
    entry.service = next.service === 0 ? 0 : NONE
    return
  }
}
