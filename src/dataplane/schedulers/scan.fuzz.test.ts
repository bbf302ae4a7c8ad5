/**
 * The schedulers that look through the list and remember nothing, against their descriptions: exact fractions, any
 * weights and counts. FUZZ_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'
import { Random } from '../../base/random.ts'

const SEED = Number(process.env.FUZZ_SEED ?? 20_250_105)
const ROUNDS = 3000
const SERVERS = 9
const VIP = '10.0.0.100'

interface Candidate {
  readonly n: number
  readonly weight: bigint
  readonly active: bigint
  readonly inactive: bigint
}

/** The first of those that no other undercuts. */
function least(list: readonly Candidate[], isLess: (a: Candidate, b: Candidate) => boolean) {
  return list.find((one) => !list.some((other) => isLess(other, one)))
}

const overhead = ({ active, inactive }: Candidate) => 256n * active + inactive
const isSooner = (a: Candidate, b: Candidate) =>
  (a.active + 1n) * b.weight < (b.active + 1n) * a.weight
const isHeavier = (a: Candidate, b: Candidate) => a.weight > b.weight

/** From the usable servers, the one added last first. */
const CHOICES: Readonly<Record<string, (list: readonly Candidate[]) => Candidate | undefined>> = {
  lc: (list) => least(list, (a, b) => overhead(a) < overhead(b)),
  wlc: (list) => least(list, (a, b) => overhead(a) * b.weight < overhead(b) * a.weight),
  sed: (list) => least(list, isSooner),
  nq: (list) => list.find(({ active }) => active === 0n) ?? least(list, isSooner),
  fo: (list) => least(list, isHeavier),
  ovf: (list) =>
    least(
      list.filter(({ active, weight }) => active <= weight),
      isHeavier,
    ),
}

const WEIGHTS_BELOW = [2, 3, 5, 100, 65536, 0x80000000]
const COUNTS_BELOW = [1, 3, 10, 1000, 1 << 20]

for (const [scheduler, choiceOf] of Object.entries(CHOICES)) {
  test(`${scheduler} chooses as described (seed ${SEED})`, () => {
    const random = new Random(SEED)
    const service = new OneService(scheduler, Array(SERVERS).fill(1))
    let found = 0
    for (let round = 0; round < ROUNDS; round++) {
      const weightsBelow = random.pick(WEIGHTS_BELOW)
      const countsBelow = random.pick(COUNTS_BELOW)
      const usable: Candidate[] = []
      for (let n = SERVERS; n > 0; n--) {
        const row = service.serverRow(n)
        row.weight = random.below(weightsBelow)
        row.active = random.below(countsBelow)
        row.inactive = random.below(countsBelow)
        const isOverloaded = random.oneIn(4)
        row.overloaded = isOverloaded ? 1 : 0
        const { weight, active, inactive } = row
        if (weight === 0 || isOverloaded) continue
        usable.push({
          n,
          weight: BigInt(weight),
          active: BigInt(active),
          inactive: BigInt(inactive),
        })
      }
      const wanted = choiceOf(usable)
      if (wanted !== undefined) found++
      const what = () => `${usable.map((each) => Object.values(each).join(' ')).join(', ')}`
      assert.equal(service.choose(VIP), wanted?.n ?? null, `n weight active inactive: ${what()}`)
    }
    assert.ok(found > ROUNDS / 4, `${found} choices`)
  })
}
