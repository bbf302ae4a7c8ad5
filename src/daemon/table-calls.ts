/**
 * The calls that change many services: clear, zero, and put a new table in the old one's place. All of them in slices.
 */
import type { CallTable } from '../control/call-table.ts'
import { ControlError } from '../control/control-error.ts'
import type { ListedChange, ListedRefusal } from '../control/protocol.ts'
import type { Director } from '../director/director.ts'
import { serviceId } from '../director/entries.ts'
import type { ServiceKey } from '../director/model.ts'
import { replaceTable, type Replacing, type Steps } from '../director/replace-table.ts'
import { TableDraft } from '../director/table-draft.ts'
import type { Turns } from './turns.ts'

/** Tables that may be in the making at once, and for how long one may lie there untouched. */
const DRAFTS_MAX = 4
const DRAFT_IDLE_MS = 60_000
/** Refusals that are told of one table. */
const REFUSALS_MAX = 20

export interface TableSurroundings extends Replacing {
  readonly director: Director
  readonly turns: Turns
  /** Tells the engine what changed; resolves when it did. */
  applied(): Promise<void>
}

export function tableCalls({ director, turns, applied, use, onServerAdded }: TableSurroundings) {
  const drafts = new Drafts()
  return {
    'service.zero': async ({ service }) => {
      await turns.run(zeroAll(director, service, use), applied)
      return null
    },
    'service.flush': async () => {
      await turns.run(flush(director, use), applied)
      return null
    },
    'table.begin': () => ({ table: drafts.begin(new TableDraft(director.sync.isAny)) }),
    'table.put': ({ table, changes }) => {
      drafts.find(table).put(changes)
      return null
    },
    'table.commit': async ({ table }) => {
      const { draft, refusals } = drafts.end(table)
      if (refusals.length > 0) return refusals
      const refusal = await turns.run(
        replaceTable(director, draft, { use, onServerAdded }),
        applied,
      )
      if (refusal !== null) throw new ControlError(refusal.errno, refusal.message)
      return []
    },
  } satisfies Partial<CallTable>
}

function* zeroAll(
  director: Director,
  service: ServiceKey | undefined,
  use: () => void,
): Steps<void> {
  const keys = service === undefined ? [...director.services.values()] : [{ key: service }]
  for (const { key } of keys) {
    use()
    const refusal = director.zero(key)
    if (refusal !== null) throw new ControlError(refusal.errno, refusal.message)
    yield undefined
  }
}

function* flush(director: Director, use: () => void): Steps<void> {
  for (const { key } of [...director.services.values()]) {
    use()
    director.deleteService(key)
    yield undefined
  }
}

/** A table in the making. */
class Making {
  readonly draft: TableDraft
  readonly refusals: ListedRefusal[] = []
  touchedMs = performance.now()
  /** Services that could not be added: what was to go into them is not complained of as well. */
  readonly #missing = new Set<string>()

  constructor(draft: TableDraft) {
    this.draft = draft
  }

  put(changes: readonly ListedChange[]): void {
    this.touchedMs = performance.now()
    for (const change of changes) {
      const refusal = this.draft.apply(change)
      if (refusal === null || this.refusals.length === REFUSALS_MAX) continue
      const { line, call } = change
      const service = 'service' in change.with ? serviceId(change.with.service) : ''
      if (refusal.errno === 'ESRCH' && this.#missing.has(service)) continue
      if (call === 'service.add') this.#missing.add(service)
      this.refusals.push({ line, call, ...refusal })
    }
  }
}

class Drafts {
  readonly #tables = new Map<number, Making>()
  #last = 0

  begin(draft: TableDraft): number {
    for (const [table, { touchedMs }] of this.#tables) {
      if (performance.now() - touchedMs > DRAFT_IDLE_MS) this.#tables.delete(table)
    }
    if (this.#tables.size >= DRAFTS_MAX) {
      throw new ControlError('EBUSY', `${DRAFTS_MAX} tables are in the making already`)
    }
    this.#tables.set(++this.#last, new Making(draft))
    return this.#last
  }

  find(table: number): Making {
    const making = this.#tables.get(table)
    if (making !== undefined) return making
    throw new ControlError('ENOENT', 'no such table is in the making: begin again')
  }

  end(table: number): Making {
    const making = this.find(table)
    this.#tables.delete(table)
    return making
  }
}
