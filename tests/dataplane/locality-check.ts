/**
 * Do the tables of lblc and lblcr agree with themselves? Every line, set and count, by walking all of them.
 */
import assert from 'node:assert/strict'
import { LINE_BUSY } from '../../src/dataplane/locality.ts'
import {
  localities,
  localityMembers,
  NONE,
  services,
  settings,
} from '../../src/dataplane/tables.ts'

/** Throws what is wrong, with `story`. Lines that bear a dead key wait for the control plane and count, too. */
export function checkLocalities(story: () => string): void {
  const members = new Set<number>()
  const ofService = new Map<number, number>()
  let lines = 0
  for (let i = 0; i < localities.memory.capacity; i++) {
    const line = localities.row(i)
    assert.equal(line.locked, 0, `line ${i} is locked: ${story()}`)
    if (line.owner <= LINE_BUSY) continue
    lines++
    const service = services.row(line.service)
    if (service.localityKey === line.key) {
      ofService.set(line.service, (ofService.get(line.service) ?? 0) + 1)
    }
    if (line.server === NONE) checkSet(i, members, story)
    else assert.equal(line.first, 0, `line ${i} has a server and a set: ${story()}`)
  }
  assert.equal(settings.row(0).localities, lines, `lines in use: ${story()}`)
  for (let row = 0; row < services.memory.capacity; row++) {
    const { localityKey, localities } = services.row(row)
    if (localityKey === 0) continue
    assert.equal(localities, ofService.get(row) ?? 0, `lines of service ${row}: ${story()}`)
  }
  for (let i = 0; i < localityMembers.memory.capacity; i++) {
    const { owner } = localityMembers.row(i)
    if (owner === 0 || owner === NONE) continue
    assert.ok(members.has(i), `member ${i} is in no set: ${story()}`)
  }
}

function checkSet(index: number, members: Set<number>, story: () => string): void {
  const line = localities.row(index)
  const servers = new Set<number>()
  let size = 0
  for (let next = line.first; next !== 0;) {
    const at = next - 1
    assert.ok(!members.has(at), `member ${at} is in two places: ${story()}`)
    members.add(at)
    const member = localityMembers.row(at)
    assert.equal(member.owner, index + 1, `member ${at}'s line: ${story()}`)
    next = member.next
    if (member.server === NONE) continue
    assert.ok(!servers.has(member.server), `a server twice in the set of line ${index}: ${story()}`)
    servers.add(member.server)
    size++
  }
  assert.equal(line.members, size, `members of line ${index}: ${story()}`)
}
