/**
 * Keeps `tables.serviceIndex`: from address, port and protocol, or from a firewall mark, to the service's row.
 *
 * Open addressing; the packet path probes SERVICE_PROBES_MAX slots (dataplane/service.ts). A removed entry leaves
 * NONE, over which probes go on; entering reuses it. A service on a range of ports has an entry for each of the blocks
 * that the range is cut into, 30 at most.
 */
import { assert } from '../base/assert.ts'
import { ipToWords } from '../base/ip.ts'
import { PORT_BLOCK_SIZES, SERVICE_PROBES_MAX } from '../dataplane/limits.ts'
import { hashMark, hashService } from '../dataplane/service.ts'
import { NONE, serviceIndex, settings } from '../dataplane/tables.ts'
import { lastPortOf, protocolOf } from './entries.ts'
import type { ServiceKey } from './model.ts'

/** A block of 2^bits ports. */
export interface PortBlock {
  readonly first: number
  readonly bits: number
}

/** The fewest blocks that make up the ports from `first` to `last`. */
export function cutPorts(first: number, last: number): PortBlock[] {
  const blocks: PortBlock[] = []
  let at = first
  while (at <= last) {
    let bits = 0
    while (bits + 1 < PORT_BLOCK_SIZES && at % 2 ** (bits + 1) === 0) {
      if (at + 2 ** (bits + 1) - 1 > last) break
      bits++
    }
    blocks.push({ first: at, bits })
    at += 2 ** bits
  }
  return blocks
}

/** May a service of this key be entered? False: every slot where one of its entries may stand is taken. */
export function hasRoomForService(key: ServiceKey): boolean {
  const given = new Set<number>()
  for (const hash of hashesOf(key)) {
    const slot = freeSlot(hash, given)
    if (slot === undefined) return false
    given.add(slot)
  }
  return true
}

/** Enters row `row`, for which there is room; one that is in with all its entries stays where it is. */
export function enterService(key: ServiceKey, row: number): void {
  const hashes = hashesOf(key)
  if (slotsOf(hashes, row).size === hashes.length) return
  leaveService(key, row)
  for (const hash of hashes) {
    const free = freeSlot(hash, new Set())
    assert(free !== undefined, 'there is room for the service')
    serviceIndex.row(free).service = row + 1
  }
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
export function leaveService(key: ServiceKey, row: number): void {
  const slots = slotsOf(hashesOf(key), row)
  for (const slot of slots) serviceIndex.row(slot).service = NONE
  // What nothing follows need not keep a search going.
  for (const slot of slots) {
    const next = serviceIndex.row((slot + 1) & settings.row(0).serviceMask)
    if (next.service === 0) serviceIndex.row(slot).service = 0
  }
}

/** Where the search for each entry of a service begins. */
function hashesOf(key: ServiceKey): number[] {
  const { hashSeed } = settings.row(0)
  if ('firewallMark' in key) return [hashMark(hashSeed, key.firewallMark, key.family)]
  const words = ipToWords(key.address)
  const hash = (port: number, size: number) =>
    hashService(hashSeed, ...words, port, protocolOf(key), size)
  const last = lastPortOf(key)
  if (last === 0) return [hash(key.port, 0)]
  return cutPorts(key.port, last).map(({ first, bits }) => hash(first, bits + 1))
}

function* probes(hash: number): Generator<number> {
  const { serviceMask } = settings.row(0)
  for (let i = 0; i < SERVICE_PROBES_MAX; i++) yield ((hash + i) & serviceMask) >>> 0
}

/** The first slot that is free and not in `given`. */
function freeSlot(hash: number, given: ReadonlySet<number>): number | undefined {
  for (const slot of probes(hash)) {
    const { service } = serviceIndex.row(slot)
    if ((service === 0 || service === NONE) && !given.has(slot)) return slot
  }
  return undefined
}

/** Slots of a row's entries. */
function slotsOf(hashes: readonly number[], row: number): Set<number> {
  const slots = new Set<number>()
  for (const hash of hashes) {
    for (const slot of probes(hash)) {
      const { service } = serviceIndex.row(slot)
      if (service === row + 1) slots.add(slot)
      if (service === 0) break
    }
  }
  return slots
}
