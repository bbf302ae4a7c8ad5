/**
 * Takes connections out that are over, a stretch of the table at a time: a million of them never stop the world.
 *
 * One pass ends them, the next frees their lines: a packet that found a connection alive has long gone by then. On the
 * way it measures how far each home's lines really stand from it and lowers `reach` where that has become less: misses
 * touch one line again. (See dataplane/connection.ts, template.ts.)
 */
import { isAtOrAfter } from '../subset/integers.ts'
import { now, TICKS_PER_SECOND } from '../subset/clock.ts'
import { BUSY, isAvailable, unbindLine } from '../dataplane/connection.ts'
import { endConnection } from '../dataplane/end-connection.ts'
import { PROBES_MAX } from '../dataplane/limits.ts'
import { Switch } from '../dataplane/switch.ts'
import * as tables from '../dataplane/tables.ts'
import { DEAD } from '../dataplane/template.ts'
import { TEMPLATE_REST_S } from '../dataplane/timeout.ts'

const { Status } = tables

/** A view that is moved from row to row: no allocation a line. */
type Movable = { base: number }

/** Templates looked at in one portion. */
const TEMPLATES_MAX = 1 << 16

export class Sweep {
  #next = 0
  /** Templates that are over, by line: of this pass, and of those before, whose connections have all been seen. */
  #over: number[] = []
  #due: number[] = []
  /** Of the last PROBES_MAX homes, by home modulo that: reach seen at first, and what is needed. */
  readonly #seen = new Uint32Array(PROBES_MAX)
  readonly #needed = new Uint8Array(PROBES_MAX)

  /** Looks at the next `lines` lines of the connection table in use. How many connections and templates ended. */
  run(lines: number): number {
    const { capacity, bytes, base } = tables.connections.memory
    const { connectionMask, switches } = tables.settings.row(0)
    const endsOrphans = (switches & Switch.expireNoDestination) !== 0
    const line = tables.Connection.view(bytes, base)
    let ended = 0
    const end = Math.min(this.#next + lines, capacity)
    for (let i = this.#next; i < end; i++) {
      ;(line as unknown as Movable).base = base + i * tables.Connection.size
      this.#settle(i)
      this.#begin(i, line.reach)
      if (line.owner <= BUSY) continue
      if ((line.status & Status.ended) !== 0) {
        line.owner = 0
        continue
      }
      const isEnding = isOver(line, endsOrphans)
      if (isEnding && (line.status & Status.template) !== 0) this.#over.push(i)
      else if (isEnding && endLine(i, line)) {
        ended++
        continue
      }
      this.#note(i, line.owner & connectionMask)
    }
    this.#next = end === capacity ? 0 : end
    if (this.#next === 0) this.#turn()
    return ended + this.#endTemplates(line, base, endsOrphans)
  }

  #turn(): void {
    this.#seen.fill(0)
    this.#due = this.#due.concat(this.#over)
    this.#over = []
  }

  /** How many ended; others go on, since connections that they opened do. */
  #endTemplates(line: tables.Connection, base: number, endsOrphans: boolean): number {
    let ended = 0
    for (const i of this.#due.splice(-TEMPLATES_MAX)) {
      ;(line as unknown as Movable).base = base + i * tables.Connection.size
      const isTemplate = (line.status & (Status.template | Status.ended)) === Status.template
      if (line.owner <= BUSY || !isTemplate || !isOver(line, endsOrphans)) continue
      if (endLine(i, line)) ended++
    }
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

function isOver(line: tables.Connection, endsOrphans: boolean): boolean {
  return isAtOrAfter(now(), line.expires) || (endsOrphans && isOrphan(line))
}

/** Was its server removed? */
function isOrphan(line: tables.Connection): boolean {
  return !isAvailable(tables.servers.row(line.server))
}

/**
 * Will the next sweep end it, because its server was removed? With expire_nodest_conn; nobody is told of it any more,
 * since in IPVS the removal itself ends it.
 */
export function isDoomed(line: tables.Connection): boolean {
  const endsOrphans = (tables.settings.row(0).switches & Switch.expireNoDestination) !== 0
  if (!endsOrphans || !isOrphan(line)) return false
  return (line.status & Status.template) === 0 || line.binding === 0
}

/** Ends the connection or template on line `i`, now. False: it goes on, or somebody else ended it. */
export function endLine(i: number, line: tables.Connection): boolean {
  const server = tables.servers.row(line.server)
  if ((line.status & Status.template) === 0) return endConnection(i, line, server)
  if (!line.swapBinding(0, DEAD)) prolong(line)
  else return unbindLine(line, server)
  return false
}

const REST_TICKS = TEMPLATE_REST_S * TICKS_PER_SECOND

/** A template that is over, but controls somebody, goes on for a while (ip_vs_conn_expire). */
function prolong(line: tables.Connection): void {
  const late = (now() - line.expires) | 0
  if (late < 0) return
  line.clientHop = REST_TICKS
  line.expires = (now() + REST_TICKS - (late % REST_TICKS)) >>> 0
}

/** Ends at once whatever names row `server`: connections, and templates that no other connection holds. */
export function endAllOf(server: number): void {
  const { capacity, bytes, base } = tables.connections.memory
  const line = tables.Connection.view(bytes, base)
  for (const isTemplate of [false, true]) {
    for (let i = 0; i < capacity; i++) {
      ;(line as unknown as Movable).base = base + i * tables.Connection.size
      if (line.server !== server || line.owner <= BUSY) continue
      if (((line.status & Status.template) !== 0) === isTemplate) endLine(i, line)
    }
  }
}
