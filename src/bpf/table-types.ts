/**
 * A table's types for those who look at its map with other tools: with them, `bpftool map dump` prints rows with
 * the names of their fields.
 *
 *     struct server { u32 weight; u32 active; u64 inBytes; };
 *     struct server rows[1024];                                   the map's one value
 */
import { BtfWriter } from './btf.ts'

export interface TableShape {
  readonly name: string
  readonly rows: number
  readonly rowSize: number
  /** In the order of their offsets; in bytes, within the row. */
  readonly fields: readonly {
    readonly name: string
    readonly offset: number
    readonly size: 1 | 2 | 4 | 8
  }[]
}

export interface TableTypes {
  readonly btf: Uint8Array
  /** Numbers of the types of key and value, for createMap. */
  readonly keyType: number
  readonly valueType: number
}

export function describeTable(table: TableShape): TableTypes {
  const writer = new BtfWriter()
  const integers = { 1: 0, 2: 0, 4: writer.int('u32', 4), 8: 0 }
  const keyType = integers[4]
  for (const size of [1, 2, 8] as const) integers[size] = writer.int(`u${8 * size}`, size)
  const members = table.fields.map(({ name, offset, size }) => ({
    name,
    offset,
    type: integers[size],
  }))
  const row = writer.struct(table.name, table.rowSize, members)
  const valueType = writer.array(row, keyType, table.rows)
  return { btf: writer.finish(), keyType, valueType }
}
