/**
 * The packet path's tables as maps of the kernel: each is an array with one entry, the whole table, mapped into this
 * process and pinned.
 *
 *      this process ──► mapping ──┐
 *                                 ├──► one piece of memory ◄── the packet path, by direct address
 *      pin: table_NAME ──► map ───┘
 */
import type { TableSet } from '../subset/table.ts'
import { TableSet as Set } from '../subset/table.ts'
import { judgeSchema } from '../dataplane/schema.ts'
import { settings, TABLES } from '../dataplane/tables.ts'
import { mapInfo } from '../kernel/bpf-info.ts'
import { createMap, mapMemory } from '../kernel/bpf-map.ts'
import { openPinned, pin } from '../kernel/bpf-pin.ts'
import { isKernelError } from '../kernel/errno.ts'
import { close, type Mapping } from '../kernel/ffi.ts'
import { EngineProblem } from './engine.ts'
import type { Instance } from './instance.ts'

/** What the kernel shows of a map has 15 letters at most. */
const NAME_MAX = 15

interface KernelTable {
  readonly fd: number
  readonly rows: number
  readonly mapping: Mapping
}

export class KernelTables {
  readonly set: TableSet
  readonly #tables: ReadonlyMap<string, KernelTable>

  private constructor(tables: readonly KernelTable[]) {
    this.#tables = new Map(tables.map((table, i) => [TABLES[i]!.name, table]))
    this.set = new Set(
      TABLES,
      tables.map(({ rows, mapping }) => ({
        capacity: rows,
        bytes: new DataView(mapping.buffer),
        base: 0,
      })),
    )
  }

  /**
   * Those that an earlier daemon left in the instance; undefined if there are none, or not all. Throws EngineProblem if
   * they are not ours to read.
   */
  static find(instance: Instance): KernelTables | undefined {
    if (!isFinished(instance)) return undefined
    return open(
      TABLES.length,
      (i) => findTable(instance, i),
      (tables) => new KernelTables(tables),
    )
  }

  /** Fresh ones, zero but for what is constant. Throws EngineProblem, KernelError. */
  static make(instance: Instance, capacities: Readonly<Record<string, number>>): KernelTables {
    return open(
      TABLES.length,
      (i) => makeTable(instance, i, capacities),
      (tables) => new KernelTables(tables),
    )
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
    for (const { fd, mapping } of this.#tables.values()) {
      mapping.unmap()
      close(fd)
    }
  }
}

/** All or nothing: what was opened is closed again when one cannot be. */
function open(
  count: number,
  openOne: (i: number) => KernelTable,
  make: (tables: readonly KernelTable[]) => KernelTables,
): KernelTables {
  const opened: KernelTable[] = []
  try {
    for (let i = 0; i < count; i++) opened.push(openOne(i))
    return make(opened)
  } catch (error) {
    for (const { fd, mapping } of opened) {
      mapping.unmap()
      close(fd)
    }
    throw error
  }
}

/** Did a daemon make all of them, one like this? Throws EngineProblem for another's. */
function isFinished(instance: Instance): boolean {
  const fd = openPinned(instance.tablePath(settings.name), 'map')
  if (fd === undefined) return false
  try {
    const { valueSize } = mapInfo(fd)
    const mapping = mapMemory(fd, { valueSize, entries: 1 })
    const judgement = judgeSchema(new DataView(mapping.buffer))
    mapping.unmap()
    if (typeof judgement === 'object') {
      throw new EngineProblem(`the instance "${instance.name}": ${judgement.refusal}`, false)
    }
    return judgement === 'ours'
  } finally {
    close(fd)
  }
}

function findTable(instance: Instance, i: number): KernelTable {
  const { name, struct } = TABLES[i]!
  const fd = openPinned(instance.tablePath(name), 'map')
  if (fd === undefined) {
    throw new EngineProblem(
      `the instance "${instance.name}" has no table ${name}: somebody removed it. Begin anew after \`sluice detach\``,
      false,
    )
  }
  const { valueSize } = mapInfo(fd)
  return mapped(fd, Math.floor(valueSize / struct.size), valueSize)
}

function makeTable(
  instance: Instance,
  i: number,
  capacities: Readonly<Record<string, number>>,
): KernelTable {
  const { name, struct, capacity, contents } = TABLES[i]!
  const rows = capacities[name] ?? capacity
  const valueSize = rows * struct.size
  const fd = makeMap(name, valueSize)
  const table = mapped(fd, rows, valueSize)
  if (contents !== undefined) new Uint8Array(table.mapping.buffer).set(contents)
  try {
    pin(fd, instance.tablePath(name))
  } catch (error) {
    table.mapping.unmap()
    close(fd)
    throw error
  }
  return table
}

function makeMap(name: string, valueSize: number): number {
  try {
    const shape = { name: name.slice(0, NAME_MAX), valueSize, entries: 1, isMappable: true }
    return createMap({ type: 'array', ...shape })
  } catch (error) {
    if (!isKernelError(error, 'E2BIG')) throw error
    throw new EngineProblem(
      'this kernel has BPF arrays of a few MiB only, and our tables are larger (Linux 6.0 has such)',
      true,
    )
  }
}

function mapped(fd: number, rows: number, valueSize: number): KernelTable {
  try {
    return { fd, rows, mapping: mapMemory(fd, { valueSize, entries: 1 }) }
  } catch (error) {
    close(fd)
    throw error
  }
}
