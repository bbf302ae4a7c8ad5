/**
 * Next hops in tables that an earlier daemon left, while packets go on by them.
 *
 * Rows of neighbours are in the index, and are taken over: connections remember them. The others in use are ways
 * through gateways, which the trie names, or were just being written or taken back: they stay until the new daemon has
 * written its own trie.
 */
import { wordsToIp } from '../../base/ip.ts'
import { partsToMac, ZERO_MAC } from '../../base/mac.ts'
import { hops, HopState, interfaces } from '../../dataplane/tables.ts'
import type { Link } from './hop-entries.ts'
import type { HopKey } from './hop-entry.ts'
import { adoptIndex } from './hop-index.ts'
import { FIRST } from './hop-rows.ts'

export interface FoundNeighbour extends HopKey {
  readonly row: number
  readonly mac: string | undefined
}

export interface FoundHops {
  /** All rows in use. */
  readonly taken: readonly number[]
  readonly neighbours: readonly FoundNeighbour[]
}

/** What is there; the index is put in order. */
export function findHops(): FoundHops & { readonly abandoned: readonly number[] } {
  const indexed = adoptIndex()
  const taken: number[] = []
  for (let row = FIRST; row < hops.memory.capacity; row++) {
    if (hops.row(row).state !== HopState.free) taken.push(row)
  }
  return {
    taken,
    neighbours: taken.filter((row) => indexed.has(row)).map(readNeighbour),
    abandoned: taken.filter((row) => !indexed.has(row)),
  }
}

function readNeighbour(row: number): FoundNeighbour {
  const hop = hops.row(row)
  const { address0, address1, address2, address3, macHigh, macLow } = hop
  return {
    row,
    interfaceIndex: hop.interface,
    ip: wordsToIp(address0, address1, address2, address3),
    mac: hop.state === HopState.resolved ? partsToMac(macHigh, macLow) : undefined,
  }
}

/** Interfaces as they were; their size is not in the tables. */
export function findInterfaces(): (Link & { readonly flags: number })[] {
  const found: (Link & { readonly flags: number })[] = []
  for (let index = 0; index < interfaces.memory.capacity; index++) {
    const { macHigh, macLow, flags } = interfaces.row(index)
    const mac = partsToMac(macHigh, macLow)
    if (mac !== ZERO_MAC) found.push({ index, mac, mtu: 0, flags })
  }
  return found
}
