/**
 * Tables of another release, in charge of an instance until ours are. Its programs forward by them all the while.
 *
 *   1. ours are made beside them, our programs loaded on ours; `moveInto`, the first time, takes long
 *   2. `hold`: theirs opens no connection any more; who wants one tries again, as TCP does after a second, and with
 *      UDP whoever cares for an answer
 *   3. `moveInto`: what has the same name, at the same index, and changed since
 *   4. ours are put in charge, and on every interface our program comes in place of theirs, in one step each
 *   5. ours open connections; theirs are removed (take-over.ts)
 *
 * Connections that are there go on without a pause. What becomes of them between 3 and 4, some hundredths of a second,
 * ours do not learn: a state that changed is learnt from the next packet, a counter lacks some.
 *
 * A daemon that is killed before 4 changed nothing for good, and one that is killed in it leaves an instance that the
 * next goes on with: until then it opens no connection.
 */
import type { OtherSchema, TableShape } from '../dataplane/schema.ts'
import { settings, TABLES } from '../dataplane/tables.ts'
import type { TableSet } from '../subset/table.ts'
import { EngineProblem } from './engine.ts'
import type { Instance } from './instance.ts'
import { planMove, RowMover, type RowMove } from './move-rows.ts'
import { closeTable, openTable, readDescription, type KernelTable } from './table-maps.ts'

/** Of so many new connections one is dropped. */
const ALL = 1

/** What only the control plane writes: while none runs it does not change. */
const STILL: ReadonlySet<string> = new Set([
  ...['addressRoles', 'serviceIndex', 'serverOrigins', 'natServers', 'pool', 'timeouts', 'sysctls'],
  ...['hops', 'routeNodes', 'neighbourIndex', 'interfaces', 'callWords'],
])

interface OtherTable {
  readonly shape: TableShape
  readonly table: KernelTable
}

interface Move {
  /** Of ours, in TABLES. */
  readonly to: (typeof TABLES)[number]
  readonly from: OtherTable
  readonly how: RowMove
}

export class OtherTables {
  /** Rows of each table that we have, too: ours get as many. */
  readonly capacities: Readonly<Record<string, number>>
  readonly #tables: ReadonlyMap<string, OtherTable>
  readonly #moves: readonly Move[]
  readonly #movers = new Map<string, RowMover>()

  private constructor(tables: ReadonlyMap<string, OtherTable>, moves: readonly Move[]) {
    this.#tables = tables
    this.#moves = moves
    this.capacities = Object.fromEntries(moves.map(({ to, from }) => [to.name, from.table.rows]))
  }

  /** Throws EngineProblem where they cannot be taken over, and says why. */
  static open(instance: Instance, { layout, isAlike, refusal }: OtherSchema): OtherTables {
    const shapes = isAlike ? readDescription(instance.layoutPath(layout), layout) : undefined
    if (!shapes?.some(({ name }) => name === settings.name)) {
      throw new EngineProblem(`the instance "${instance.name}": ${refusal}`, false)
    }
    const opened = new Map<string, OtherTable>()
    try {
      for (const shape of shapes) {
        opened.set(shape.name, { shape, table: openTable(instance, shape, layout) })
      }
      return new OtherTables(opened, planMoves(instance, opened, refusal))
    } catch (error) {
      for (const { table } of opened.values()) closeTable(table)
      throw error
    }
  }

  /** The network namespace whose interfaces are meant; undefined if they do not say. */
  get network(): number | undefined {
    return this.#setting('network')?.[0]
  }

  /** No connection is opened from here on, once nobody forwards who began before. What it was: for ours. */
  hold(): number {
    const rate = this.#setting('dropRate')
    if (rate === undefined) return 0
    const was = rate[0]!
    rate[0] = ALL
    return was
  }

  /** As before `hold`. */
  release(dropRate: number): void {
    this.#setting('dropRate')?.fill(dropRate)
  }

  /** All that has a place in ours; when called again, what may have changed. */
  moveInto(set: TableSet): void {
    for (const { to, from, how } of this.#moves) {
      const known = this.#movers.get(to.name)
      if (known !== undefined && STILL.has(to.name)) continue
      const { rows, mapping } = from.table
      const memory = { capacity: rows, bytes: new DataView(mapping.buffer), base: 0 }
      const mover = known ?? new RowMover(how, rows, memory, set.memoryOf(to))
      this.#movers.set(to.name, mover)
      mover.run()
    }
  }

  close(): void {
    for (const { table } of this.#tables.values()) closeTable(table)
  }

  #setting(name: string): Uint32Array | undefined {
    const { shape, table } = this.#tables.get(settings.name)!
    const offset = shape.offsets[name]
    if (offset === undefined || shape.fields[name] !== 'u32') return undefined
    return new Uint32Array(table.mapping.buffer, offset, 1)
  }
}

function planMoves(
  instance: Instance,
  theirs: ReadonlyMap<string, OtherTable>,
  refusal: string,
): Move[] {
  return TABLES.flatMap((to): Move[] => {
    const from = theirs.get(to.name)
    if (from === undefined || to.contents !== undefined) return []
    const how = planMove(from.shape, to.struct)
    if (typeof how === 'object') return [{ to, from, how }]
    const why = `its ${to.name}.${how} is wider than this release's`
    throw new EngineProblem(`the instance "${instance.name}": ${why}, and ${refusal}`, false)
  })
}
