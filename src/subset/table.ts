/**
 * Tables: fixed numbers of rows of one struct, in memory that packet path and control plane share.
 *
 * `table` declares a table's shape and name; the engine gives it memory. In V8 that is an ArrayBuffer, in the
 * kernel engine the mapped pages of a BPF array map: one layout, no copying. Several sets of memory may exist
 * in one process (the live tables, a copy for `explain`, a test's own); `TableSet.use` says which of them the
 * packet path works on, and costs a few assignments.
 */
import type { Fields, Memory, Row, RowCursor, View } from './struct.ts'

/** What is true of every table, whatever its rows. */
export interface AnyTable {
  readonly name: string
  readonly struct: { readonly size: number; readonly fields: Fields }
  /** Rows, unless the engine is told another number. */
  readonly capacity: number
  /** First contents of a table that the packet path only reads. */
  readonly contents: Uint8Array | undefined
  /** What the packet path works on now. */
  memory: Memory
}

export interface Table<F extends Fields> extends AnyTable {
  readonly struct: Row<F>
  /** For the packet path: see struct.ts. */
  cursor(): RowCursor<F>
  /** For the control plane: a view of its own over row `index` of the memory in use. Throws past the end. */
  row(index: number): View<F>
}

const NO_MEMORY: Memory = { capacity: 0, bytes: new DataView(new ArrayBuffer(0)), base: 0 }

/** Declares a table of `capacity` rows, zero at first, or filled with `contents` and never written. */
export function table<F extends Fields>(
  name: string,
  struct: Row<F>,
  capacity: number,
  contents?: Uint8Array,
): Table<F> {
  const declared: Table<F> = {
    name,
    struct,
    capacity,
    contents,
    memory: NO_MEMORY,
    cursor: () => struct.cursor(declared),
    row(index) {
      const { memory } = declared
      if (!(index >= 0 && index < memory.capacity)) {
        throw new RangeError(`table ${name} has no row ${index}, only ${memory.capacity}`)
      }
      return struct.view(memory.bytes, memory.base + index * struct.size)
    },
  }
  return declared
}

/** Memory for every table of a packet path: what one engine instance owns. */
export class TableSet {
  readonly #tables: readonly AnyTable[]
  readonly #memories: readonly Memory[]

  /** `memories` in the order of `tables`. */
  constructor(tables: readonly AnyTable[], memories: readonly Memory[]) {
    this.#tables = tables
    this.#memories = memories
  }

  /** Makes the packet path, and `row`, work on this set. */
  use(): void {
    for (let i = 0; i < this.#tables.length; i++) this.#tables[i]!.memory = this.#memories[i]!
  }

  /** The bytes of one table. */
  memoryOf(table: AnyTable): Memory {
    const memory = this.#memories[this.#tables.indexOf(table)]
    if (memory === undefined) throw new RangeError(`table ${table.name} is not of this set`)
    return memory
  }

  /** A set of its own with the same contents: for `explain`, which changes nothing. */
  copy(): TableSet {
    const copies = this.#memories.map(({ capacity, bytes, base }, i) => {
      const size = capacity * this.#tables[i]!.struct.size
      const from = new Uint8Array(bytes.buffer, bytes.byteOffset + base, size)
      return { capacity, bytes: new DataView(new Uint8Array(from).buffer), base: 0 }
    })
    return new TableSet(this.#tables, copies)
  }

  /**
   * As `copy`, a stretch at a time with `pause` in between, so that frames go on meanwhile. Each row is whole; rows of
   * different stretches may be of slightly different times.
   */
  async copyGradually(pause: () => Promise<void>): Promise<TableSet> {
    const copies: Memory[] = []
    for (const [i, { capacity, bytes, base }] of this.#memories.entries()) {
      const { size } = this.#tables[i]!.struct
      const from = new Uint8Array(bytes.buffer, bytes.byteOffset + base, capacity * size)
      const to = new Uint8Array(from.length)
      const stretch = Math.max(1, Math.floor(STRETCH_BYTES / size)) * size
      for (let at = 0; at < from.length; at += stretch) {
        to.set(from.subarray(at, at + stretch), at)
        if (from.length > stretch) await pause()
      }
      copies.push({ capacity, bytes: new DataView(to.buffer), base: 0 })
    }
    return new TableSet(this.#tables, copies)
  }
}

/** Copied in a fraction of a millisecond. */
const STRETCH_BYTES = 1 << 20

/** A set in this process's own memory; `capacities` overrides rows by table name. */
export function allocateTables(
  tables: readonly AnyTable[],
  capacities: Readonly<Record<string, number>> = {},
): TableSet {
  const memories = tables.map(({ name, struct, capacity, contents }) => {
    const rows = capacities[name] ?? capacity
    const buffer = new ArrayBuffer(rows * struct.size)
    if (contents !== undefined) new Uint8Array(buffer).set(contents)
    return { capacity: rows, bytes: new DataView(buffer), base: 0 }
  })
  return new TableSet(tables, memories)
}
