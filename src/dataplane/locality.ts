/**
 * Localities: for lblc and lblcr, which servers had a destination address last, so that it stays with their caches.
 *
 * A line stands on its home, the hash of the service's `localityKey` and the address, or on one of the
 * LOCALITY_PROBES_MAX - 1 lines behind; with no room there, or too many lines of one service, a destination is
 * not remembered, and that is all. Only new connections come here.
 *
 * Several CPUs may remember one destination at the same time, on two lines: the first in order is found, the other one
 * ages. Lines are taken out by the control plane alone (director/localities.ts), and rest before they are
 * used anew: whoever found a line may read it to the end of his packet.
 */
import { u32 } from '../subset/integers.ts'
import { now } from '../subset/clock.ts'
import type { Flow } from './flow.ts'
import { hashAddress } from './hash.ts'
import { LOCALITIES_PER_SERVICE_MAX, LOCALITY_PROBES_MAX } from './limits.ts'
import { localities, NONE, settings, type Locality, type Service } from './tables.ts'

/** `owner` of a line that is being written, or rests. */
export const LINE_BUSY = 1

const findSettingsAt = settings.cursor()
const claimSettingsAt = settings.cursor()
const countSettingsAt = settings.cursor()
const foundLineAt = localities.cursor()
const freeLineAt = localities.cursor()
const writtenLineAt = localities.cursor()

/** Never 0 or LINE_BUSY. */
function hashLocality(seed: u32, key: u32, flow: Flow): u32 {
  const hash: u32 = hashAddress(
    seed,
    flow.destination0,
    flow.destination1,
    flow.destination2,
    flow.destination3,
    key,
  )
  return hash < 2 ? u32(hash + 2) : hash
}

/** The line of the flow's destination, or NONE. */
export function findLocality(service: Service, flow: Flow): u32 {
  const common = findSettingsAt.at(0)
  const key: u32 = service.localityKey
  if (common === null || key === 0 || service.localities === 0) return NONE
  const hash: u32 = hashLocality(common.hashSeed, key, flow)
  const home: u32 = u32(hash & common.localityMask)
  for (let i: u32 = 0; i < LOCALITY_PROBES_MAX; i++) {
    const line = foundLineAt.at(home + i)
    if (line === null) break
    if (line.owner === hash && isOf(line, key, flow)) return u32(home + i)
  }
  return NONE
}

function isOf(line: Locality, key: u32, flow: Flow): boolean {
  return (
    line.key === key &&
    line.address3 === flow.destination3 &&
    line.address2 === flow.destination2 &&
    line.address1 === flow.destination1 &&
    line.address0 === flow.destination0
  )
}

/** A line for the flow's destination that nobody finds before `publishLocality`; NONE: there is no room. */
export function claimLocality(service: Service, flow: Flow): u32 {
  const common = claimSettingsAt.at(0)
  const key: u32 = service.localityKey
  if (common === null || key === 0) return NONE
  if (service.localities >= LOCALITIES_PER_SERVICE_MAX) return NONE
  const home: u32 = u32(hashLocality(common.hashSeed, key, flow) & common.localityMask)
  for (let i: u32 = 0; i < LOCALITY_PROBES_MAX; i++) {
    const line = freeLineAt.at(home + i)
    if (line === null) break
    if (line.owner !== 0 || !line.swapOwner(0, LINE_BUSY)) continue
    line.address0 = flow.destination0
    line.address1 = flow.destination1
    line.address2 = flow.destination2
    line.address3 = flow.destination3
    line.key = key
    line.service = flow.service
    line.server = NONE
    line.used = now()
    line.first = 0
    line.members = 0
    line.changed = now()
    line.locked = 0
    return u32(home + i)
  }
  return NONE
}

/** From here on a claimed line is found. */
export function publishLocality(service: Service, flow: Flow, index: u32): void {
  const common = countSettingsAt.at(0)
  const line = writtenLineAt.at(index)
  if (common === null || line === null) return
  common.addLocalities(1)
  service.addLocalities(1)
  line.swapOwner(LINE_BUSY, hashLocality(common.hashSeed, line.key, flow))
}
