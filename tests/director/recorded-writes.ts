/**
 * Every write to a set of tables, one by one: what is in them after the first, the second, the third …, when a daemon
 * may be killed.
 */
import { TABLES } from '../../src/dataplane/tables.ts'
import { TableSet } from '../../src/subset/table.ts'

interface Write {
  readonly table: number
  readonly offset: number
  readonly bytes: 1 | 2 | 4
  readonly value: number
}

class RecordingView extends DataView<ArrayBufferLike> {
  table = 0
  writes: Write[] = []

  override setUint8(offset: number, value: number): void {
    this.writes.push({ table: this.table, offset, bytes: 1, value })
    super.setUint8(offset, value)
  }

  override setUint16(offset: number, value: number, littleEndian?: boolean): void {
    this.writes.push({ table: this.table, offset, bytes: 2, value })
    super.setUint16(offset, value, littleEndian)
  }

  override setUint32(offset: number, value: number, littleEndian?: boolean): void {
    this.writes.push({ table: this.table, offset, bytes: 4, value })
    super.setUint32(offset, value, littleEndian)
  }
}

export class RecordedWrites {
  readonly tables: TableSet
  readonly #writes: Write[] = []

  /** Of a set with the same memory as `tables`. */
  constructor(tables: TableSet) {
    const memories = TABLES.map((table, i) => {
      const { capacity, bytes, base } = tables.memoryOf(table)
      const view = new RecordingView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      view.table = i
      view.writes = this.#writes
      return { capacity, bytes: view, base }
    })
    this.tables = new TableSet(TABLES, memories)
  }

  get count(): number {
    return this.#writes.length
  }

  /** Begins a new record. */
  forget(): void {
    this.#writes.length = 0
  }

  /** Does to `tables`, which are as ours were when the record began, what the first `count` writes did. */
  repeat(tables: TableSet, count: number): void {
    const views = TABLES.map((table) => tables.memoryOf(table).bytes)
    for (const { table, offset, bytes, value } of this.#writes.slice(0, count)) {
      const view = views[table]!
      if (bytes === 1) view.setUint8(offset, value)
      else if (bytes === 2) view.setUint16(offset, value, true)
      else view.setUint32(offset, value, true)
    }
  }
}
