/**
 * The packet path's tables as maps of the kernel: each is an array with one entry, the whole table, mapped into this
 * process and pinned.
 *
 *      this process ───────► mapping ──┐
 *                                      ├──► one piece of memory ◄── the packet path, by direct address
 *      pin: table_5f3a…_NAME ──► map ──┘
 *
 * The table `settings` has one name in all releases, and says which layout is in charge; the others have it in theirs.
 * So tables of another layout are made beside those that are there, and put in charge by moving one name.
 */
import { TableSet, type AnyTable } from '../subset/table.ts'
import {
  DESCRIPTION,
  describeTables,
  judgeSchema,
  LAYOUT,
  layoutOf,
  type OtherSchema,
} from '../dataplane/schema.ts'
import { settings, TABLES } from '../dataplane/tables.ts'
import { mapInfo } from '../kernel/bpf/info.ts'
import { mapMemory } from '../kernel/bpf/map.ts'
import { openPinned, repin } from '../kernel/bpf/pin.ts'
import { close } from '../kernel/ffi.ts'
import type { Instance } from './instance.ts'
import {
  closeTable,
  makeTable,
  named,
  openTable,
  readDescription,
  writeDescription,
  type KernelTable,
} from './table-maps.ts'

export interface MakeOptions {
  /** Others are in charge until `takeCharge`. */
  readonly isBeside?: boolean
  /** For tests: tables of another release. */
  readonly declared?: readonly AnyTable[]
}

export class KernelTables {
  readonly set: TableSet
  readonly #tables: ReadonlyMap<string, KernelTable>

  private constructor(declared: readonly AnyTable[], tables: readonly KernelTable[]) {
    this.#tables = new Map(tables.map((table, i) => [declared[i]!.name, table]))
    this.set = new TableSet(
      declared,
      tables.map(({ rows, mapping }) => ({
        capacity: rows,
        bytes: new DataView(mapping.buffer),
        base: 0,
      })),
    )
  }

  /** All or nothing: what was opened is closed again when one cannot be. */
  static #open(
    declared: readonly AnyTable[],
    openOne: (table: AnyTable) => KernelTable,
  ): KernelTables {
    const opened: KernelTable[] = []
    try {
      for (const table of declared) opened.push(openOne(table))
      return new KernelTables(declared, opened)
    } catch (error) {
      for (const table of opened) closeTable(table)
      throw error
    }
  }

  /**
   * Those that an earlier daemon left in the instance. Undefined if there are none, or not all; a word on those of
   * another release (other-tables.ts). Throws EngineProblem, KernelError.
   */
  static find(instance: Instance): KernelTables | OtherSchema | undefined {
    const judgement = judgeInstance(instance)
    if (judgement === 'unfinished') return undefined
    if (judgement !== 'ours') return judgement
    if (readDescription(instance.layoutPath(LAYOUT), LAYOUT) === undefined) {
      writeDescription(instance, LAYOUT, DESCRIPTION)
    }
    return this.#open(TABLES, ({ name, struct }) =>
      openTable(instance, { name, size: struct.size }, LAYOUT),
    )
  }

  /** Fresh ones, zero but for what is constant. Throws EngineProblem, KernelError. */
  static make(
    instance: Instance,
    capacities: Readonly<Record<string, number>>,
    { isBeside = false, declared = TABLES }: MakeOptions = {},
  ): KernelTables {
    const description = describeTables(declared)
    const layout = layoutOf(description)
    writeDescription(instance, layout, description)
    return this.#open(declared, (table) => {
      const { name, capacity } = table
      const made = makeTable(table, capacities[name] ?? capacity)
      const isNamed = !isBeside || name !== settings.name
      return isNamed ? named(made, instance.tablePath(name, layout)) : made
    })
  }

  /** In one step; those that were lose nothing but that. Throws KernelError. */
  takeCharge(instance: Instance): void {
    repin(this.#tables.get(settings.name)!.fd, instance.tablePath(settings.name, LAYOUT))
  }

  /** A table's map; undefined if there is no such table. */
  mapOf(name: string): { readonly fd: number; readonly rows: number } | undefined {
    return this.#tables.get(name)
  }

  /** Bytes of memory that the kernel holds for them. */
  get bytes(): number {
    let bytes = 0
    for (const { mapping } of this.#tables.values()) bytes += mapping.buffer.byteLength
    return bytes
  }

  /** This process's part ends; the set must not be used any more. */
  close(): void {
    for (const table of this.#tables.values()) closeTable(table)
  }
}

/** Did a daemon make all of the tables, one like this? */
function judgeInstance(instance: Instance): ReturnType<typeof judgeSchema> {
  const fd = openPinned(instance.tablePath(settings.name, LAYOUT), 'map')
  if (fd === undefined) return 'unfinished'
  try {
    const { valueSize } = mapInfo(fd)
    const mapping = mapMemory(fd, { valueSize, entries: 1 })
    const judgement = judgeSchema(new DataView(mapping.buffer))
    mapping.unmap()
    return judgement
  } finally {
    close(fd)
  }
}
