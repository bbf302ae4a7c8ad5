/**
 * All neighbours the packet path may send to, and the rows of `hops` they get.
 *
 *     HopEntry ─┬─ row ────────► in neighbourIndex: packets to the neighbour itself
 *               └─ gatewayUses ► named by the trie: packets through it
 *
 * Bounds: the rows there are. Neighbours that are neither a gateway nor the next hop of a real server make room: those
 * without a MAC address first, then those whose MAC address was confirmed longest ago.
 */
import { hops } from '../../dataplane/tables.ts'
import { ZERO_MAC } from '../../base/mac.ts'
import type { FoundHops } from './hop-adoption.ts'
import { HopEntry, hopId, type GatewayUse, type HopKey } from './hop-entry.ts'
import { enterHop, leaveHop } from './hop-index.ts'
import { HopRows } from './hop-rows.ts'
import { HopSources } from './hop-source.ts'

/** An interface. */
export interface Link {
  readonly index: number
  /** Undefined where frames carry none: then nothing can be sent there. */
  readonly mac: string | undefined
  /** Bytes. */
  readonly mtu: number
}

export class HopEntries {
  readonly rows: HopRows
  /** Of the interfaces and routes as they are now; after a change call `rewrite`. */
  links: ReadonlyMap<number, Link> = new Map()
  sources = new HopSources([], [])
  readonly #entries = new Map<string, HopEntry>()
  readonly #byRow = new Map<number, HopEntry>()
  /** Entries with a row that nobody needs: without a MAC address, and with one, least recently confirmed first. */
  readonly #unresolved = new Set<HopEntry>()
  readonly #idle = new Set<HopEntry>()

  /** Of fresh tables, or of those whose rows were `found` (hop-adoption.ts). */
  constructor(found: FoundHops = { taken: [], neighbours: [] }) {
    this.rows = new HopRows(found.taken)
    for (const { row, mac, ...key } of found.neighbours) {
      const entry = this.ensure(key)
      entry.row = row
      this.#byRow.set(row, entry)
      if (mac !== undefined) entry.update({ ...key, mac, state: 'stale' })
      this.sortIn(entry)
    }
  }

  /** All of them, as they are now. */
  list(): HopEntry[] {
    return [...this.#entries.values()]
  }

  find(key: HopKey): HopEntry | undefined {
    return this.#entries.get(hopId(key))
  }

  /** Whose row it is. */
  ofRow(row: number): HopEntry | undefined {
    return this.#byRow.get(row)
  }

  /** The entry, made if there is none. */
  ensure(key: HopKey): HopEntry {
    const id = hopId(key)
    const found = this.#entries.get(id)
    if (found !== undefined) return found
    const entry = new HopEntry(key)
    this.#entries.set(id, entry)
    return entry
  }

  /** Links that frames can be sent on: not tunnels, not the loopback. */
  canSendOn(interfaceIndex: number): boolean {
    return this.#macOf(interfaceIndex) !== undefined
  }

  #macOf(interfaceIndex: number): string | undefined {
    const mac = this.links.get(interfaceIndex)?.mac
    return mac === ZERO_MAC ? undefined : mac
  }

  /** Gives an entry its row in the index, if there is room. */
  addRow(entry: HopEntry): void {
    if (entry.row !== undefined || !this.canSendOn(entry.interfaceIndex)) return
    const row = this.#takeRow()
    if (row === undefined) return
    entry.row = row
    this.#byRow.set(row, entry)
    this.write(entry)
    for (let others = enterHop(row); others !== undefined; others = enterHop(row)) {
      const victim = this.#findVictim(others)
      if (victim === undefined) {
        entry.row = undefined
        this.#freeRow(row)
        return
      }
      this.#evict(victim)
    }
    this.sortIn(entry)
  }

  /** A row for packets through the entry in one more way, or undefined if there is no room. */
  addGateway(entry: HopEntry, id: string, use: Omit<GatewayUse, 'row'>): number | undefined {
    const row = this.#takeRow()
    if (row === undefined) return undefined
    entry.gatewayUses.set(id, { ...use, row })
    this.#byRow.set(row, entry)
    this.write(entry)
    this.sortIn(entry)
    return row
  }

  /** The trie does not name this way through the entry any more. */
  removeGateway(entry: HopEntry, id: string): void {
    const use = entry.gatewayUses.get(id)
    if (use === undefined) return
    entry.gatewayUses.delete(id)
    this.#freeRow(use.row)
    this.sortIn(entry)
  }

  #takeRow(): number | undefined {
    const row = this.rows.take()
    if (row !== undefined) return row
    // Many at once, since after each time the packet path looks all its hops up again.
    const [victims, share] = this.#unresolved.size > 0 ? [this.#unresolved, 16] : [this.#idle, 64]
    let left = Math.ceil(hops.memory.capacity / share)
    for (const entry of victims) {
      if (left-- === 0) break
      this.#evict(entry)
    }
    return this.rows.take()
  }

  #findVictim(rows: readonly number[]): HopEntry | undefined {
    const entries = rows.map((row) => this.#byRow.get(row))
    const isIn = (set: Set<HopEntry>) => entries.find((entry) => entry && set.has(entry))
    return isIn(this.#unresolved) ?? isIn(this.#idle)
  }

  /** Takes an entry's row in the index away. */
  #evict(entry: HopEntry): void {
    const { row } = entry
    if (row === undefined) return
    leaveHop(row)
    entry.row = undefined
    this.#freeRow(row)
    this.sortIn(entry)
  }

  #freeRow(row: number): void {
    this.#byRow.delete(row)
    this.rows.free(row)
  }

  /**
   * After a change of who needs the entry, or that its MAC address was confirmed: puts it last in the order in which
   * rows are taken away. An entry that stands for nothing is forgotten.
   */
  sortIn(entry: HopEntry): void {
    this.#unresolved.delete(entry)
    this.#idle.delete(entry)
    if (entry.isNeeded) return
    if (entry.row === undefined) {
      if (entry.state === 'none') this.#entries.delete(hopId(entry))
    } else if (entry.mac === undefined) this.#unresolved.add(entry)
    else this.#idle.add(entry)
  }

  /** After a change of links, addresses or routes: writes what follows from it into all rows. */
  rewrite(): void {
    for (const entry of this.#entries.values()) {
      this.write(entry)
      if (entry.mac !== undefined) this.addRow(entry)
    }
  }

  /** Writes what is known of a neighbour into all its rows. */
  write(entry: HopEntry): void {
    const { interfaceIndex, ip, words, mac, row, family } = entry
    const linkMtu = this.links.get(interfaceIndex)?.mtu ?? 0
    const common = { interfaceIndex, words, mac, ownMac: this.#macOf(interfaceIndex) }
    const own = (of: 4 | 6, isDirect: boolean, preferred: string | undefined) =>
      this.sources.choose(of, interfaceIndex, { ip, words, isDirect }, preferred)
    if (row !== undefined) {
      const { mtu, preferredSource } = this.sources.traitsOf(interfaceIndex, ip, words)
      this.rows.write(row, {
        ...common,
        family,
        own: own(family, true, preferredSource),
        mtu: Math.min(mtu ?? linkMtu, linkMtu),
      })
    }
    for (const use of entry.gatewayUses.values()) {
      this.rows.write(use.row, {
        ...common,
        family: use.family,
        own: own(use.family, false, use.preferredSource),
        mtu: Math.min(use.mtu ?? linkMtu, linkMtu),
      })
    }
  }
}
