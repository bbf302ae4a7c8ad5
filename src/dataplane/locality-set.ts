/**
 * The set of servers that lblcr keeps for a destination: a chain of `localityMembers`, the one added last first.
 *
 *   line.first ─► member ─► member ─► … ─► 0
 *                 server    NONE: left the set; the next that is added takes its row
 *
 * Many may read it while one changes it: `locked` is tried, never waited for, and who does not get it leaves the set as
 * it is. A reader that stands on a member while that is put in front once more goes through the others twice, no worse.
 */
import { isAtOrAfter, isProductGreater, u32 } from '../subset/integers.ts'
import { now } from '../subset/clock.ts'
import { isAvailable } from './connection.ts'
import { finish, mix } from './hash.ts'
import { MEMBER_PROBES_MAX, SERVERS_PER_SERVICE_MAX } from './limits.ts'
import { LINE_BUSY } from './locality.ts'
import { isUsable, overhead } from './server.ts'
import { localityMembers, NONE, servers, settings, type Locality } from './tables.ts'

const settingsAt = settings.cursor()
const freeMemberAt = localityMembers.cursor()
const freshMemberAt = localityMembers.cursor()
const leastMemberAt = localityMembers.cursor()
const mostMemberAt = localityMembers.cursor()
const leavingMemberAt = localityMembers.cursor()
const knownMemberAt = localityMembers.cursor()
const beforeMemberAt = localityMembers.cursor()
const vacantMemberAt = localityMembers.cursor()
const leastServerAt = servers.cursor()
const mostServerAt = servers.cursor()

/** The usable server with the least overhead / weight, of equals the one added last; NONE: there is none. */
export function leastInSet(line: Locality): u32 {
  let next: u32 = line.first
  let least: u32 = NONE
  let leastOverhead: u32 = 0
  let leastWeight: u32 = 1
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    const member = leastMemberAt.at(u32(next - 1))
    if (member === null) break
    next = member.next
    const row: u32 = member.server
    const server = leastServerAt.at(row)
    if (server === null || !isAvailable(server) || !isUsable(server)) continue
    const load: u32 = overhead(server)
    const weight: u32 = server.weight
    if (least !== NONE && !isProductGreater(leastOverhead, weight, load, leastWeight)) continue
    least = row
    leastOverhead = load
    leastWeight = weight
  }
  return least
}

/** A set of several that did not change for `ticks` loses its most loaded server. */
export function shrinkSet(line: Locality, ticks: u32): void {
  if (!isUnchanged(line, ticks) || !line.swapLocked(0, 1)) return
  const member = leavingMemberAt.at(mostInSet(line))
  if (member !== null && isUnchanged(line, ticks)) {
    member.server = NONE
    line.members = u32(line.members - 1)
    line.changed = now()
  }
  line.swapLocked(1, 0)
}

function isUnchanged(line: Locality, ticks: u32): boolean {
  return line.members > 1 && !isAtOrAfter(u32(line.changed + ticks), now())
}

/** The member whose server has the most overhead / weight, usable or not, but for weight 0; NONE: there is none. */
function mostInSet(line: Locality): u32 {
  let next: u32 = line.first
  let most: u32 = NONE
  let mostOverhead: u32 = 0
  let mostWeight: u32 = 1
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    const index: u32 = u32(next - 1)
    const member = mostMemberAt.at(index)
    if (member === null) break
    next = member.next
    const server = mostServerAt.at(member.server)
    if (server === null || server.weight === 0) continue
    const load: u32 = overhead(server)
    const weight: u32 = server.weight
    if (most !== NONE && !isProductGreater(load, mostWeight, mostOverhead, weight)) continue
    most = index
    mostOverhead = load
    mostWeight = weight
  }
  return most
}

/** The set of a claimed line, `index`, that nobody finds yet: `server` alone, or nobody if there is no room. */
export function beginSet(line: Locality, index: u32, server: u32): void {
  putInFront(line, claimMember(index, server), server)
}

/** Puts `server` in front of the set of line `index`, unless it is in it. Without room the set stays as it is. */
export function addToSet(line: Locality, index: u32, server: u32): void {
  if (!line.swapLocked(0, 1)) return
  if (line.owner > LINE_BUSY) addLocked(line, index, server)
  line.swapLocked(1, 0)
}

function addLocked(line: Locality, index: u32, server: u32): void {
  let next: u32 = line.first
  let before: u32 = NONE
  let vacant: u32 = NONE
  let beforeVacant: u32 = NONE
  for (let i: u32 = 0; i < SERVERS_PER_SERVICE_MAX; i++) {
    const at: u32 = u32(next - 1)
    const member = knownMemberAt.at(at)
    if (member === null) break
    if (member.server === server) return
    if (member.server === NONE) {
      vacant = at
      beforeVacant = before
    }
    before = at
    next = member.next
  }
  if (vacant === NONE) vacant = claimMember(index, server)
  else takeOut(line, vacant, beforeVacant)
  putInFront(line, vacant, server)
}

/** Takes a member out of the chain, to be put in front. */
function takeOut(line: Locality, member: u32, before: u32): void {
  const vacant = vacantMemberAt.at(member)
  if (vacant === null) return
  const previous = beforeMemberAt.at(before)
  if (previous === null) line.first = vacant.next
  else previous.next = vacant.next
}

function putInFront(line: Locality, index: u32, server: u32): void {
  const member = freshMemberAt.at(index)
  if (member === null) return
  const first: u32 = line.first
  member.server = server
  member.next = first
  // The member first, then what leads to it.
  line.swapFirst(first, u32(index + 1))
  line.members = u32(line.members + 1)
  line.changed = now()
}

/** A row for `server` in the set of line `index`, or NONE. */
function claimMember(index: u32, server: u32): u32 {
  const common = settingsAt.at(0)
  if (common === null) return NONE
  const home: u32 = u32(finish(mix(index, server)) & common.memberMask)
  for (let i: u32 = 0; i < MEMBER_PROBES_MAX; i++) {
    const member = freeMemberAt.at(home + i)
    if (member === null) return NONE
    if (member.owner !== 0 || !member.swapOwner(0, u32(index + 1))) continue
    return u32(home + i)
  }
  return NONE
}
