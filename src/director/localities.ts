/**
 * The control half of lblc and lblcr: gives a service its key in `localities`, and has old lines taken out.
 *
 * As the kernel does it (ip_vs_lblc.c, ip_vs_lblc_check_expire): each service is looked at once a minute. In every
 * thirtieth minute all destinations go that nobody asked for in 24 hours (lblc_expiration, lblcr_expiration); in
 * another, if there are more than 16 384, some that nobody asked for in six minutes.
 * Differs from IPVS: which of those go is by the order of the table, not of the kernel's buckets.
 */
import { isAtOrAfter } from '../subset/integers.ts'
import { now, TICKS_PER_SECOND } from '../subset/clock.ts'
import { SchedulerId } from '../dataplane/schedule.ts'
import type { Locality } from '../dataplane/tables.ts'
import * as tables from '../dataplane/tables.ts'
import { timeoutOf, TimeoutRow } from '../dataplane/timeout.ts'
import { LocalityLines } from './locality-lines.ts'

const MINUTE = 60 * TICKS_PER_SECOND
const UNUSED_TICKS = 6 * MINUTE
const MINUTES_FOR_ALL = 30
/** Of one service; more than so many make it look for some that can go: in the kernel 16 for each of 1024 buckets. */
const DESTINATIONS_MAX = 16 * 1024
/** A clock that jumped further ahead is followed without looking. */
const MINUTES_MISSED_MAX = 2 * MINUTES_FOR_ALL

/** One service's minutes: in `minute`, 1 … 30, it is looked at, at tick `next`. */
interface Watch {
  readonly key: number
  next: number
  minute: number
}

/** What is to go of a service's lines, as of tick `at`: all that are past their timeout, or `goal` unused ones. */
interface Errand {
  readonly key: number
  readonly at: number
  readonly isForAll: boolean
  goal: number
}

export class Localities {
  readonly #lines = new LocalityLines()
  /** By service row. */
  readonly #watches = new Map<number, Watch>()
  #isAdopted = false
  #lastKey = 0
  /** There may be lines that bear no service's key. */
  #hasDead = true

  /** The service in `row` begins to remember destinations, or begins anew, or does not, by its scheduler. */
  begin(row: number, scheduler: number): void {
    this.#adopt()
    this.end(row)
    if (scheduler !== SchedulerId.lblc && scheduler !== SchedulerId.lblcr) return
    const service = tables.services.row(row)
    service.localities = 0
    service.localityKey = ++this.#lastKey
    this.#watch(row, service.localityKey)
  }

  /** It forgets all. */
  end(row: number): void {
    const service = tables.services.row(row)
    if (service.localityKey === 0) return
    service.localityKey = 0
    this.#watches.delete(row)
    this.#hasDead = true
  }

  #watch(row: number, key: number): void {
    this.#watches.set(row, { key, next: (now() + MINUTE) >>> 0, minute: 1 })
  }

  /** What an earlier daemon left in the tables goes on. */
  #adopt(): void {
    if (this.#isAdopted) return
    this.#isAdopted = true
    this.#lastKey = this.#lines.adopt()
    for (let row = 0; row < tables.services.memory.capacity; row++) {
      const { localityKey } = tables.services.row(row)
      if (localityKey === 0) continue
      this.#lastKey = Math.max(this.#lastKey, localityKey)
      this.#watch(row, localityKey)
    }
  }

  /** These rows of `servers` are about to be given to others. */
  forget(servers: ReadonlySet<number>): void {
    if (tables.settings.row(0).localities > 0) this.#lines.forget(servers)
  }

  /** Call it about once a second. */
  run(): void {
    this.#adopt()
    this.#lines.free()
    const errands = new Map<number, Errand>()
    for (const [row, watch] of this.#watches) {
      const errand = lookAt(row, watch)
      if (errand !== undefined) errands.set(row, errand)
    }
    if (!this.#hasDead && errands.size === 0) return
    this.#hasDead = false
    this.#lines.sweep((line) => {
      const errand = errands.get(line.service)
      if (errand?.key === line.key) return isToGo(line, errand)
      return this.#watches.get(line.service)?.key !== line.key
    })
  }
}

/** Lets the service's minutes pass up to now. */
function lookAt(row: number, watch: Watch): Errand | undefined {
  let errand: Errand | undefined
  for (let missed = 0; isAtOrAfter(now(), watch.next); missed++) {
    if (missed === MINUTES_MISSED_MAX) {
      watch.next = (now() + MINUTE) >>> 0
      break
    }
    const { localities } = tables.services.row(row)
    const excess = localities - DESTINATIONS_MAX
    if (watch.minute === MINUTES_FOR_ALL) {
      errand = { key: watch.key, at: watch.next, isForAll: true, goal: localities }
      watch.minute = 1
    } else if (excess <= 0) watch.minute += 1
    else if (errand?.isForAll !== true) {
      const goal = Math.min(Math.floor((excess * 4) / 3), DESTINATIONS_MAX / 2)
      errand = { key: watch.key, at: watch.next, isForAll: false, goal }
    }
    watch.next = (watch.next + MINUTE) >>> 0
  }
  return errand
}

function isToGo(line: Locality, errand: Errand): boolean {
  const timeout = timeoutOf(line.server === tables.NONE ? TimeoutRow.lblcr : TimeoutRow.lblc)
  const ticks = errand.isForAll ? timeout : UNUSED_TICKS
  if (errand.goal <= 0 || !isAtOrAfter(errand.at, (line.used + ticks) >>> 0)) return false
  errand.goal -= 1
  return true
}
