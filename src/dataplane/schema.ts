/**
 * May this daemon go on with tables that another left? Only if every byte means the same to both.
 *
 * The version counts changes of meaning, the layout is a hash of every table's name, fields and order. They stand in
 * the first two words of `settings`, of this and any other version. Version 0: a daemon ended while it made the tables.
 *
 * @control
 */
import { Settings, SCHEMA_VERSION, settings, TABLES } from './tables.ts'
import type { AnyTable } from '../subset/table.ts'

const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

/** A 32-bit hash (FNV-1a) of what the tables look like; rows may differ in number. */
export function layoutOf(tables: readonly AnyTable[]): number {
  const text = tables
    .map(({ name, struct: { fields } }) => `${name}: ${JSON.stringify(fields)}`)
    .join('\n')
  let hash = FNV_OFFSET
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME)
  return hash >>> 0
}

/** Of this program's tables. */
export const LAYOUT = layoutOf(TABLES)

/** Says, last of all that is written into fresh tables, whose they are. */
export function signTables(): void {
  const row = settings.row(0)
  row.layout = LAYOUT
  row.schemaVersion = SCHEMA_VERSION
}

/** 'ours', 'unfinished', or a sentence that says why not. `head`: the first bytes of the table `settings`. */
export function judgeSchema(head: DataView): 'ours' | 'unfinished' | { readonly refusal: string } {
  const { schemaVersion, layout } = Settings.view(head, 0)
  if (schemaVersion === SCHEMA_VERSION && layout === LAYOUT) return 'ours'
  if (schemaVersion === 0) return 'unfinished'
  const theirs = `version ${schemaVersion}, layout ${layout.toString(16)}`
  const ours = `version ${SCHEMA_VERSION}, layout ${LAYOUT.toString(16)}`
  return {
    refusal:
      `its tables were made by another release of Sluice (${theirs}; this one has ${ours}). ` +
      'They go on forwarding. Either run that release, or save the rules with it and end it for good ' +
      'with `sluice detach`',
  }
}
