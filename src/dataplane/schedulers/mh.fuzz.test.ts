/**
 * How many clients of the others change their server when one leaves an mh service: random servers, ports and weights.
 * FUZZ_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../base/random.ts'
import { buildMh, MH_SLOTS, type MhServer } from './mh.ts'

const SEED = Number(process.env.FUZZ_SEED ?? 20_250_107)
const ROUNDS = 150
/** Of the slots that others have: never more than so many move, and seldom as many. */
const WORST = 0.15
const ON_AVERAGE = 0.04

function randomServers(random: Random): MhServer[] {
  const weightsBelow = random.pick([1, 3, 10, 100])
  return Array.from({ length: 2 + random.below(19) }, (_, i) => ({
    fold: 0xc0a80000 + 32 * random.below(2048) + i,
    port: random.pick([80, 80, 8080]),
    lastWeight: 1 + random.below(weightsBelow),
  }))
}

/** Throws if too many slots of others change their server when one leaves. */
function checkMoved(build: (list: readonly MhServer[]) => Uint32Array | number[]): void {
  const random = new Random(SEED)
  let sum = 0
  for (let round = 0; round < ROUNDS; round++) {
    const list = randomServers(random)
    const gone = random.below(list.length)
    const left = list.filter((_, i) => i !== gone)
    const before = build(list)
    const after = build(left)
    let others = 0
    let moved = 0
    for (let slot = 0; slot < MH_SLOTS; slot++) {
      const had = list[before[slot]! - 1]!
      if (had === list[gone]) continue
      others++
      if (left[after[slot]! - 1] !== had) moved++
    }
    const what = `${moved} of ${others} slots, of ${list.map((each) => each.lastWeight)}`
    assert.ok(moved <= WORST * others, what)
    sum += moved / others
  }
  assert.ok(sum / ROUNDS <= ON_AVERAGE, `${sum / ROUNDS} on average`)
}

test(`when a server leaves, few others' clients move (seed ${SEED})`, () => checkMoved(buildMh))

/** Built wrongly on purpose: the check above must refuse each. */
const WRONG: Readonly<Record<string, (list: readonly MhServer[]) => number[]>> = {
  'slot by slot in turn': (list) =>
    Array.from({ length: MH_SLOTS }, (_, slot) => 1 + (slot % list.length)),
  'in one stretch each': (list) =>
    Array.from({ length: MH_SLOTS }, (_, slot) => 1 + Math.floor((slot * list.length) / MH_SLOTS)),
  'by where they stand in the list instead of by their address': (list) => [
    ...buildMh(list.map((server, i) => ({ ...server, fold: 0xc0a80000 + i, port: 80 }))),
  ],
}

for (const [what, build] of Object.entries(WRONG)) {
  test(`it would be noticed if slots were given out ${what}`, () => {
    assert.throws(() => checkMoved(build), { name: 'AssertionError', message: /slots|average/ })
  })
}
