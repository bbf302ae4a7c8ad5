/**
 * A daemon is killed between any two of its writes, and the next one goes on with the tables.
 *
 * Random edits with packets in between. Of each edit all writes are recorded, and done again up to one of them on a
 * copy of the tables: what a new director makes of that must be what was asked for before the edit or after it, nothing
 * else. Some of those directors live on beside the first, get the same edits and packets, and must answer and list the
 * same.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listAll, listWishes, randomEdit, type Edit } from '../../tests/director/random-edits.ts'
import { RecordedWrites } from '../../tests/director/recorded-writes.ts'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import { Random } from '../base/random.ts'
import * as tables from '../dataplane/tables.ts'
import { setSeed } from '../subset/clock.ts'
import { tcpFrame, udpFrame } from '../wire/flow.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { adoptTables } from './adopt.ts'
import type { Outcome } from './model.ts'

const SEED = Number(process.env.FUZZ_SEED ?? 20_250_102)
const EDITS = Number(process.env.FUZZ_EDITS ?? 250)
/** Of one edit. */
const KILLS_MAX = 6
/** Edits a second director lives beside the first. */
const TWIN_LIFE = 40

/** Small, so that they fill up: then edits are refused half-way. */
const CAPACITIES = {
  services: 8,
  serviceIndex: 8,
  servers: 24,
  serverOrigins: 24,
  locals: 4,
  pool: 1 << 15,
}

const random = new Random(SEED)

interface Twin {
  readonly lab: Laboratory
  /** It has seen just what the first one saw: then all is the same, counters and choices too. */
  isExact: boolean
  edits: number
}

function sendSomething(labs: readonly Laboratory[]): void {
  const isV6 = random.oneIn(4)
  const [client, vip] = isV6
    ? ['[2001:db8:a::10]', '[2001:db8:a::100]']
    : ['10.0.0.10', '10.0.0.100']
  const from = `${client}:${5000 + random.below(12)}`
  const to = `${vip}:${random.pick([80, 80, 81, 82])}`
  const flags = random.pick([TcpFlag.syn, TcpFlag.syn, TcpFlag.ack, TcpFlag.fin | TcpFlag.ack])
  const frame = random.oneIn(3) ? udpFrame(from, to) : tcpFrame(from, to, { flags })
  const chance = random.next32()
  for (const lab of labs) {
    setSeed(chance)
    lab.send('client', frame)
  }
}

/** A director that begins with what the first `count` recorded writes made of `before`. */
function adoptAfter(
  recorded: RecordedWrites,
  before: Laboratory['tables'],
  count: number,
  ticks: number,
): Laboratory {
  const copy = before.copy()
  recorded.repeat(copy, count)
  return new Laboratory({ adopted: { tables: copy, ticks } })
}

test(`kill and adopt, ${EDITS} edits from seed ${SEED}`, () => {
  const fresh = new Laboratory({ capacities: CAPACITIES })
  const recorded = new RecordedWrites(fresh.tables)
  const first = new Laboratory({ adopted: { tables: recorded.tables, ticks: fresh.ticks } })
  let twins: Twin[] = []
  let kills = 0
  for (let step = 0; step < EDITS; step++) {
    const edit = randomEdit(random)
    const context = `seed ${SEED}, edit ${step}: ${edit.text}`
    const wishes = listWishes(first)
    const before = first.tables.copy()
    recorded.forget()
    const outcome = make(edit, first)
    const wanted = listWishes(first)
    for (let kill = 0; kill < Math.min(KILLS_MAX, recorded.count + 1); kill++) {
      const count = kill === 0 ? recorded.count : random.below(recorded.count + 1)
      const heir = adoptAfter(recorded, before, count, first.ticks)
      kills++
      const found = listWishes(heir)
      const message = `${context}, killed after ${count} of ${recorded.count} writes`
      if (found !== wanted) assert.equal(found, wishes, message)
      if (twins.length > 2 || !random.oneIn(8)) continue
      if (found !== wanted) assert.deepEqual(make(edit, heir), outcome, message)
      twins.push({ lab: heir, isExact: count === recorded.count, edits: 0 })
    }
    for (const twin of twins) {
      if (twin.edits++ === 0) continue
      const other = make(edit, twin.lab)
      if (isFull(outcome) !== isFull(other)) {
        // What the first one's predecessor gave back still rests there, and is free here.
        twin.edits = TWIN_LIFE
        continue
      }
      assert.deepEqual(other, outcome, `${context}, of a twin`)
      const list = twin.isExact ? listAll : listWishes
      assert.equal(list(twin.lab), list(first), `${context}, listed by a twin`)
    }
    twins = twins.filter(({ edits }) => edits < TWIN_LIFE)
    const labs = [first, ...twins.map(({ lab }) => lab)]
    for (let i = random.below(6); i > 0; i--) sendSomething(labs)
    if (random.oneIn(20)) {
      const seconds = random.pick([1, 5, 130, 1000])
      // How long a removed server has been idle is in no table: a twin keeps it longer.
      for (const twin of twins) twin.isExact &&= seconds < 100
      for (const lab of labs) {
        lab.use()
        lab.sleep(seconds)
      }
    }
  }
  assert.ok(kills > EDITS, `${kills} kills`)
})

function isFull(outcome: Outcome): boolean {
  return outcome?.errno === 'ENOSPC'
}

/** Refusals as they are; both directors must have the same reasons. */
function make(edit: Edit, lab: Laboratory): Outcome {
  lab.use()
  return edit.make(lab)
}

test('after everything was deleted nothing is in use, whoever adopts it', () => {
  const lab = new Laboratory({ capacities: CAPACITIES })
  for (let i = 0; i < 300; i++) {
    make(randomEdit(random), lab)
    sendSomething([lab])
  }
  lab.use()
  lab.director.flush()
  for (let i = 0; i < 4; i++) lab.sleep(1000)
  const model = adoptTables()
  assert.equal(model.services.size, 0)
  assert.equal(model.serviceRows.used, 0)
  assert.equal(model.serverRows.used, 0)
  assert.equal(tables.settings.row(0).connections, 0)
  assert.equal(model.pool.take((CAPACITIES.pool / 16) * 15), 16)
})
