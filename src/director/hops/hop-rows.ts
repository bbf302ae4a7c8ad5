/**
 * Rows of `tables.hops`: given, written, taken back.
 *
 * Connections and servers remember rows (dataplane/route.ts). So a row that was taken back is given again only after
 * the generation of cached hops was advanced; once for all rows that were taken back in one go.
 */
import { ipToWords, type IpWords } from '../../base/ip.ts'
import { macToParts } from '../../base/mac.ts'
import { hops, Hop, HopState } from '../../dataplane/tables.ts'
import { advanceRouteGeneration } from './route-generation.ts'
import { RowAllocator } from '../row-allocator.ts'

/** A row as frames see it. */
export interface HopContents {
  readonly interfaceIndex: number
  readonly words: IpWords
  /** 4 or 6: of the packets that take this hop. */
  readonly family: 4 | 6
  readonly own: string | undefined
  /** Bytes of IP packet. */
  readonly mtu: number
  /** The neighbour's and the interface's own; a hop is resolved if both are known. */
  readonly mac: string | undefined
  readonly ownMac: string | undefined
}

/** Before it stand the two rows that are always there. */
export const FIRST = 2

const NO_WORDS: IpWords = [0, 0, 0, 0]
const NO_MAC = { high: 0, low: 0 }

export class HopRows {
  /** Destinations that are the host itself, and those that nothing leads to. */
  readonly local = 0
  readonly unreachable = 1
  readonly #allocator: RowAllocator
  #wasFreed = false

  /** `taken`: rows that are in use already. Writes the two rows that are always there. */
  constructor(taken: readonly number[] = []) {
    this.#allocator = RowAllocator.around(hops.memory.capacity, taken, FIRST)
    for (const [row, state] of [
      [this.local, HopState.local],
      [this.unreachable, HopState.unreachable],
    ] as const) {
      if (hops.row(row).state !== state) clearRow(row, state)
    }
  }

  /** Rows in use, without those two. */
  get used(): number {
    return this.#allocator.used
  }

  /** A row that nobody remembers, or undefined if there is none. */
  take(): number | undefined {
    if (this.#wasFreed) this.forgetCached()
    return this.#allocator.take()
  }

  /** Nothing leads to this row any more but what was remembered. */
  free(row: number): void {
    clearRow(row, HopState.free)
    this.#allocator.free(row)
    this.#wasFreed = true
  }

  /** After a change: advances the generation if rows were taken back, or if `isDue`. */
  settle(isDue: boolean): void {
    if (this.#wasFreed || isDue) this.forgetCached()
  }

  forgetCached(): void {
    advanceRouteGeneration()
    this.#wasFreed = false
  }

  /** Fills a row, or changes it in place. */
  write(row: number, contents: HopContents): void {
    const hop = hops.row(row)
    const { mac, ownMac } = contents
    const isResolved = mac !== undefined && ownMac !== undefined
    const { high, low } = isResolved ? macToParts(mac) : NO_MAC
    const source = isResolved ? macToParts(ownMac) : NO_MAC
    if (!isResolved) hop.state = HopState.unresolved
    ;[hop.address0, hop.address1, hop.address2, hop.address3] = contents.words
    const own = contents.own === undefined ? NO_WORDS : ipToWords(contents.own)
    ;[hop.own0, hop.own1, hop.own2, hop.own3] = own
    hop.interface = contents.interfaceIndex
    hop.mtu = contents.mtu
    hop.macHigh = high
    hop.macLow = low
    hop.sourceHigh = source.high
    hop.sourceLow = source.low
    hop.family = contents.family
    if (isResolved) hop.state = HopState.resolved
  }
}

function clearRow(index: number, state: number): void {
  const hop = hops.row(index)
  hop.state = HopState.free
  for (const field of Object.keys(Hop.fields) as (keyof typeof Hop.fields)[]) hop[field] = 0
  hop.state = state
}
