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

  /** The greatest key in any line. What an earlier daemon left resting goes on resting here. */
  adopt(): number {
    let greatest = 0
    for (let i = 0; i < localities.memory.capacity; i++) {
      const { owner, key } = localities.row(i)
      if (owner === LINE_BUSY) this.#retired.lines.push(i)
      else if (owner !== 0) greatest = Math.max(greatest, key)
    }
    for (let i = 0; i < localityMembers.memory.capacity; i++) {
      if (localityMembers.row(i).owner === NONE) this.#retired.members.push(i)
    }
    return greatest
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
