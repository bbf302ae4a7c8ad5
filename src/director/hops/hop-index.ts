/**
 * Keeps `tables.neighbourIndex`: from interface and address to the row of `hops`.
 *
 * Open addressing; the packet path probes NEIGHBOUR_PROBES_MAX slots from an entry's home (dataplane/route.ts) and
 * stops at the first empty one. A removal leaves no mark: entries behind it that would be cut off from their home are
 * moved up, each copied before its old place is given away, until an empty slot is reached.
 */
import { hashAddress } from '../../dataplane/hash.ts'
import { NEIGHBOUR_PROBES_MAX } from '../../dataplane/limits.ts'
import { hops, HopState, neighbourIndex, settings } from '../../dataplane/tables.ts'

/** The slot where the search for this row of `hops` begins. */
function homeOf(row: number): number {
  const { hashSeed, neighbourMask } = settings.row(0)
  const hop = hops.row(row)
  const { address0, address1, address2, address3 } = hop
  const hash = hashAddress(hashSeed, address0, address1, address2, address3, hop.interface)
  return (hash & neighbourMask) >>> 0
}

/**
 * Enters row `row`, whose interface and address are written already, and which is not in the index. Undefined: done;
 * else the rows that stand in all the places where it might stand.
 */
export function enterHop(row: number): number[] | undefined {
  const { neighbourMask } = settings.row(0)
  const home = homeOf(row)
  const others: number[] = []
  for (let i = 0; i < NEIGHBOUR_PROBES_MAX; i++) {
    const slot = neighbourIndex.row((home + i) & neighbourMask)
    if (slot.hop === 0) {
      slot.hop = row + 1
      return undefined
    }
    others.push(slot.hop - 1)
  }
  return others
}

/** Takes row `row` out, whose interface and address are written still. */
export function leaveHop(row: number): void {
  const slot = findSlot(row)
  if (slot !== undefined) emptySlot(slot)
}

/**
 * Of an index that an earlier daemon left, perhaps in the middle of a change: takes out what it had begun. The rows
 * that are in it.
 */
export function adoptIndex(): Set<number> {
  const rows = new Set<number>()
  for (let slot = 0; slot <= settings.row(0).neighbourMask; slot++) {
    const { hop } = neighbourIndex.row(slot)
    if (hop === 0) continue
    // A row that is free, or that was being moved and is found somewhere else first.
    const isRight = hops.row(hop - 1).state !== HopState.free && findSlot(hop - 1) === slot
    if (isRight) rows.add(hop - 1)
    else {
      emptySlot(slot)
      // What stood behind may have moved here.
      slot--
    }
  }
  return rows
}

/** Empties a slot, and moves up what stands behind it. */
function emptySlot(slot: number): void {
  const { neighbourMask } = settings.row(0)
  let hole = slot
  for (let i = 1; i <= neighbourMask; i++) {
    const at: number = (hole + i) & neighbourMask
    const { hop } = neighbourIndex.row(at)
    if (hop === 0) break
    // Does a search that begins at its home come past the hole?
    const distance = (at - homeOf(hop - 1)) & neighbourMask
    if (distance < i) continue
    neighbourIndex.row(hole).hop = hop
    hole = at
    i = 0
  }
  neighbourIndex.row(hole).hop = 0
}

function findSlot(row: number): number | undefined {
  const { neighbourMask } = settings.row(0)
  const home = homeOf(row)
  for (let i = 0; i < NEIGHBOUR_PROBES_MAX; i++) {
    const slot = (home + i) & neighbourMask
    if (neighbourIndex.row(slot).hop === row + 1) return slot
  }
  return undefined
}
