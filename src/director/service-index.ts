/**
 * Keeps `tables.serviceIndex`: from address, port and protocol to the service's row.
 *
 * Open addressing; the packet path probes SERVICE_PROBES_MAX slots (dataplane/service.ts). A removed entry leaves
 * NONE, over which probes go on; entering reuses it.
 */
import { ipToWords } from '../base/ip.ts'
import { SERVICE_PROBES_MAX } from '../dataplane/limits.ts'
import { hashService } from '../dataplane/service.ts'
import { NONE, serviceIndex, settings } from '../dataplane/tables.ts'

function* probes(address: string, port: number, protocol: number): Generator<number> {
  const { hashSeed, serviceMask } = settings.row(0)
  const hash = hashService(hashSeed, ...ipToWords(address), port, protocol)
  for (let i = 0; i < SERVICE_PROBES_MAX; i++) yield ((hash + i) & serviceMask) >>> 0
}

/** Enters row `row`. False: every slot where it may stand is taken. */
export function enterService(
  address: string,
  port: number,
  protocol: number,
  row: number,
): boolean {
  for (const slot of probes(address, port, protocol)) {
    const entry = serviceIndex.row(slot)
    if (entry.service !== 0 && entry.service !== NONE) continue
    entry.service = row + 1
    return true
  }
  return false
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
