/**
 * Takes lines and sets out of `localities`, for the control plane: the packet path only adds to them.
 *
 * What is taken out rests from one `free` to the next but one: a packet may have found it just before and still be
 * reading it. (See dataplane/locality.ts and locality-set.ts.)
 */
import { LINE_BUSY } from '../dataplane/locality.ts'
import {
  localities,
  Locality,
  localityMembers,
  NONE,
  services,
  settings,
} from '../dataplane/tables.ts'

/** A view that is moved from row to row: no allocation a line. */
type Movable = { base: number }

/** The packet path holds a set for microseconds; with so many tries in vain the line stays for now. */
const LOCK_TRIES_MAX = 1000

export class LocalityLines {
  /** Rows of `localities` and of `localityMembers`, taken out before the last `free` and since. */
  #resting = { lines: [] as number[], members: [] as number[] }
  #retired = { lines: [] as number[], members: [] as number[] }

  /**
   * Takes over from a daemon that may have been killed while it took something out: locks open, what it left resting
   * rests here, and lines are counted anew. The greatest key in any line.
   */
  adopt(): number {
    const ofService = new Map<number, number>()
    let greatest = 0
    let lines = 0
    for (let i = 0; i < localities.memory.capacity; i++) {
      const line = localities.row(i)
      if (line.owner === 0) continue
      lock(line)
      line.locked = 0
      if (line.owner === LINE_BUSY) {
        this.#retired.lines.push(i)
        continue
      }
      lines++
      greatest = Math.max(greatest, line.key)
      if (services.row(line.service).localityKey !== line.key) continue
      ofService.set(line.service, (ofService.get(line.service) ?? 0) + 1)
    }
    adjust(settings.row(0), lines)
    for (const [row, count] of ofService) adjust(services.row(row), count)
    this.#adoptMembers()
    return greatest
  }

  #adoptMembers(): void {
    for (let i = 0; i < localityMembers.memory.capacity; i++) {
      const member = localityMembers.row(i)
      if (member.owner === 0) continue
      const isOfLine = member.owner !== NONE && localities.row(member.owner - 1).owner > LINE_BUSY
      if (isOfLine) continue
      member.owner = NONE
      this.#retired.members.push(i)
    }
  }

  /** Takes each line out of which `isToGo` says so. */
  sweep(isToGo: (line: Locality) => boolean): void {
    const { bytes, base, capacity } = localities.memory
    const line = Locality.view(bytes, base)
    for (let i = 0; i < capacity; i++) {
      ;(line as unknown as Movable).base = base + i * Locality.size
      if (line.owner > LINE_BUSY && isToGo(line)) this.#takeOut(i, line)
    }
  }

  #takeOut(index: number, line: Locality): void {
    if (!lock(line)) return
    line.owner = LINE_BUSY
    for (let next = line.first; next !== 0;) {
      const member = localityMembers.row(next - 1)
      this.#retired.members.push(next - 1)
      member.owner = NONE
      next = member.next
    }
    line.first = 0
    line.members = 0
    line.swapLocked(1, 0)
    this.#retired.lines.push(index)
    settings.row(0).addLocalities(NONE) // adds 2^32 - 1: takes one away
    const service = services.row(line.service)
    if (service.localityKey === line.key) service.addLocalities(NONE)
  }

  /** Forgets that these rows of `servers` had any destination. */
  forget(servers: ReadonlySet<number>): void {
    this.sweep((line) => {
      if (line.server !== NONE) return servers.has(line.server)
      if (line.members > 0 && lock(line)) {
        leaveSet(line, servers)
        line.swapLocked(1, 0)
      }
      return false
    })
  }

  /** What has rested is free again. */
  free(): void {
    for (const i of this.#resting.lines) localities.row(i).swapOwner(LINE_BUSY, 0)
    for (const i of this.#resting.members) localityMembers.row(i).swapOwner(NONE, 0)
    this.#resting = this.#retired
    this.#retired = { lines: [], members: [] }
  }
}

/** The packet path may be counting at the same time. */
function adjust(
  row: { localities: number; addLocalities(n: number): number },
  count: number,
): void {
  row.addLocalities((count - row.localities) >>> 0)
}

function lock(line: Locality): boolean {
  for (let i = 0; i < LOCK_TRIES_MAX; i++) if (line.swapLocked(0, 1)) return true
  return false
}

function leaveSet(line: Locality, servers: ReadonlySet<number>): void {
  for (let next = line.first; next !== 0;) {
    const member = localityMembers.row(next - 1)
    next = member.next
    if (!servers.has(member.server)) continue
    member.server = NONE
    line.members -= 1
  }
}
