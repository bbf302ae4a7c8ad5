/**
 * The hop towards a neighbour, in the tables in use.
 */
import { ipToWords } from '../base/ip.ts'
import { findNeighbour, isResolved } from '../dataplane/route.ts'
import { hops, NONE, settings, type Hop } from '../dataplane/tables.ts'

/** Its row of `hops`; undefined while its MAC address is not known. */
export function findResolved(interfaceIndex: number, address: string): Hop | undefined {
  const { hashSeed, neighbourMask } = settings.row(0)
  const row = findNeighbour(hashSeed, neighbourMask, interfaceIndex, ...ipToWords(address))
  if (row === NONE) return undefined
  const hop = hops.row(row)
  return isResolved(hop) ? hop : undefined
}

/** Writes its MAC addresses into a frame. */
export function writeAddresses(frame: DataView, hop: Hop): void {
  frame.setUint16(0, hop.macHigh)
  frame.setUint32(2, hop.macLow)
  frame.setUint16(6, hop.sourceHigh)
  frame.setUint32(8, hop.sourceLow)
}
