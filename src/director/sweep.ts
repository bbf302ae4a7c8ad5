/**
 * Takes connections out that are over, a stretch of the table at a time: a million of them never stop the world.
 *
 * On the way it measures how far each home's lines really stand from it and lowers `reach` where that has become
 * less: misses touch one line again. (See dataplane/connection.ts.)
 */
import { isAtOrAfter } from '../subset/integers.ts'
import { now } from '../subset/clock.ts'
import { BUSY, isAvailable } from '../dataplane/connection.ts'
import { PROBES_MAX } from '../dataplane/limits.ts'
import { endConnection } from '../dataplane/main.ts'
import * as tables from '../dataplane/tables.ts'

/** A view that is moved from row to row: no allocation a line. */
type Movable = { base: number }

export class Sweep {
  #next = 0
  /** Of the last PROBES_MAX homes, by home modulo that: reach seen at first, and what is needed. */
  readonly #seen = new Uint32Array(PROBES_MAX)
  readonly #needed = new Uint8Array(PROBES_MAX)

  /** Looks at the next `lines` lines of the connection table in use. How many connections ended. */
  run(lines: number): number {
    const { capacity, bytes, base } = tables.connections.memory
    const { connectionMask, switches } = tables.settings.row(0)
    const endsOrphans = (switches & tables.Switch.expireNoDestination) !== 0
    const line = tables.Connection.view(bytes, base)
    let ended = 0
    const end = Math.min(this.#next + lines, capacity)
    for (let i = this.#next; i < end; i++) {
      ;(line as unknown as Movable).base = base + i * tables.Connection.size
      this.#settle(i)
      this.#begin(i, line.reach)
      if (line.owner <= BUSY) continue
      if (isAtOrAfter(now(), line.expires) || (endsOrphans && isOrphan(line))) {
        endConnection(i, line, tables.servers.row(line.server))
        ended++
      } else this.#note(i, line.owner & connectionMask)
    }
    this.#next = end === capacity ? 0 : end
    if (this.#next === 0) this.#seen.fill(0)
    return ended
  }

  #begin(home: number, reach: number): void {
    this.#seen[home % PROBES_MAX] = reach
    this.#needed[home % PROBES_MAX] = 0
  }

  /** A live line at `i` belongs to `home`. */
  #note(i: number, home: number): void {
    const slot = home % PROBES_MAX
    if (i - home > this.#needed[slot]!) this.#needed[slot] = i - home
  }

  /** Home `i` - PROBES_MAX has seen all its lines: its reach becomes what is needed, unless somebody came since. */
  #settle(i: number): void {
    const home = i - PROBES_MAX
    const seen = this.#seen[home & (PROBES_MAX - 1)]!
    const needed = this.#needed[home & (PROBES_MAX - 1)]!
    if (home < 0 || (seen & 0xff) <= needed) return
    tables.connections.row(home).swapReach(seen, ((seen & 0xffffff00) | needed) >>> 0)
  }
}

/**
 * Was its server removed? With expire_nodest_conn it ends now. Differs from IPVS: there the removal itself ends it.
 */
function isOrphan(line: tables.Connection): boolean {
  return !isAvailable(tables.servers.row(line.server))
}
