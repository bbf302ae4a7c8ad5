/**
 * May this daemon go on with tables that another left? If every byte means the same to both; and if what has the same
 * name does, it can take them over, field by field (engine/other-tables.ts).
 *
 * The version counts changes of meaning, the layout is a hash of every table's name, fields and order. They stand in
 * the first two words of `settings`, of this and any other version. Version 0: a daemon ended while it made the tables.
 * What a layout is a hash of is kept beside the tables, for releases to come.
 *
 * @control
 */
import { layOutRow, type FieldKind, type Fields } from '../subset/struct.ts'
import type { AnyTable } from '../subset/table.ts'
import { Settings, SCHEMA_VERSION, settings, TABLES } from './tables.ts'

const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

/** A table of any release: its rows. */
export interface TableShape {
  readonly name: string
  readonly fields: Fields
  readonly offsets: Readonly<Record<string, number>>
  /** Bytes of a row. */
  readonly size: number
}

/** What tables look like, a line for each: `hop: {"address0":"u32",…}`. Rows may differ in number. */
export function describeTables(tables: readonly AnyTable[]): string {
  return tables
    .map(({ name, struct: { fields } }) => `${name}: ${JSON.stringify(fields)}`)
    .join('\n')
}

/** Undefined for what describeTables never said. */
export function parseDescription(text: string): TableShape[] | undefined {
  try {
    return text.split('\n').map((line) => {
      const [, name, json] = /^(\w+): (\{.*\})$/.exec(line)!
      const fields = JSON.parse(json!) as Fields
      if (!Object.values(fields).every((kind) => KINDS.includes(kind))) throw new Error(line)
      return { name: name!, fields, ...layOutRow(name!, fields) }
    })
  } catch {
    return undefined
  }
}
const KINDS: readonly FieldKind[] = ['u8', 'u16', 'u32', 'atomic', 'u64']

/** A 32-bit hash (FNV-1a) of a description. */
export function layoutOf(description: string): number {
  let hash = FNV_OFFSET
  for (let i = 0; i < description.length; i++) {
    hash = Math.imul(hash ^ description.charCodeAt(i), FNV_PRIME)
  }
  return hash >>> 0
}

/** Of this program's tables. */
export const DESCRIPTION = describeTables(TABLES)
export const LAYOUT = layoutOf(DESCRIPTION)

/** Says, last of all that is written into fresh tables, whose they are. */
export function signTables(): void {
  const row = settings.row(0)
  row.layout = LAYOUT
  row.schemaVersion = SCHEMA_VERSION
}

/** Another release's tables. */
export interface OtherSchema {
  readonly layout: number
  /** What has the same name means the same. */
  readonly isAlike: boolean
  /** Why they cannot be gone on with as they are. */
  readonly refusal: string
}

/** `head`: the first bytes of the table `settings`. */
export function judgeSchema(head: DataView): 'ours' | 'unfinished' | OtherSchema {
  const { schemaVersion, layout } = Settings.view(head, 0)
  if (schemaVersion === SCHEMA_VERSION && layout === LAYOUT) return 'ours'
  if (schemaVersion === 0) return 'unfinished'
  const theirs = `version ${schemaVersion}, layout ${layout.toString(16)}`
  const ours = `version ${SCHEMA_VERSION}, layout ${LAYOUT.toString(16)}`
  return {
    layout,
    isAlike: schemaVersion === SCHEMA_VERSION,
    refusal:
      `its tables were made by another release of Sluice (${theirs}; this one has ${ours}). ` +
      'They go on forwarding. Either run that release, or save the rules with it ' +
      '(`ipvsadm -S --extended -n`), end it for good with `sluice detach`, start this one and restore them',
  }
}
