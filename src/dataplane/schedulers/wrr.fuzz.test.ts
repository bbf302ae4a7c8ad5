/**
 * wrr against its description: shares over a period, and the kernel's walk step by step. FUZZ_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'
import { Random } from '../../base/random.ts'
import { adjustCurrentWeight, buildWrr } from './wrr.ts'

const SEED = Number(process.env.FUZZ_SEED ?? 20_250_102)
const ROUNDS = 100

/** Weights of servers 1, 2, …; not all are 0. */
function randomWeights(random: Random): number[] {
  const factor = 1 + random.below(3)
  const weights = Array.from({ length: 1 + random.below(7) }, () => random.below(7) * factor)
  return weights.some((weight) => weight > 0) ? weights : [1]
}

/** A scheduler: of servers 1, 2, … with these weights, who gets the next `count` flows? */
type Scheduler = (weights: readonly number[]) => { readonly choose: (count: number) => string }

/** Throws unless over a period, wherever it begins, each server is chosen weight / gcd times. */
function checkShares(makeScheduler: Scheduler): void {
  const random = new Random(SEED)
  for (let i = 0; i < ROUNDS; i++) {
    const weights = randomWeights(random)
    const { gcd } = buildWrr(weights)
    const shares = weights.map((weight) => weight / gcd)
    const period = shares.reduce((sum, share) => sum + share, 0)
    const scheduler = makeScheduler(weights)
    scheduler.choose(random.below(period))
    const choices = [...scheduler.choose(period)]
    const counts = weights.map((_, n) => choices.filter((each) => each === `${n + 1}`).length)
    assert.deepEqual(counts, shares, `weights ${weights}`)
  }
}

function schedulerOf(service: OneService) {
  return { choose: (count: number) => service.openNext(count) }
}

test(`over a period each server is chosen weight / gcd times (seed ${SEED})`, () => {
  checkShares((weights) => schedulerOf(new OneService('wrr', weights)))
})

/** Built wrongly on purpose: the check above must refuse each. */
const WRONG: Readonly<Record<string, Scheduler>> = {
  'that takes turns whatever the weights': (weights) => schedulerOf(new OneService('rr', weights)),
  'of weights one too high': (weights) =>
    schedulerOf(
      new OneService(
        'wrr',
        weights.map((weight) => weight + 1),
      ),
    ),
  'that forgets the greatest weight': (weights) => {
    const greatest = Math.max(...weights)
    return schedulerOf(
      new OneService(
        'wrr',
        weights.map((weight) => (weight === greatest && weight > 1 ? weight - 1 : weight)),
      ),
    )
  },
  'that begins anew in the middle of a period': (weights) => {
    const service = new OneService('wrr', weights)
    const choose = (count: number) => {
      const half = service.openNext(count >>> 1)
      service.edit(1, { weight: weights[0]! })
      return half + service.openNext(count - half.length)
    }
    return { choose }
  },
}

for (const [what, makeScheduler] of Object.entries(WRONG)) {
  test(`shares would be noticed to be wrong: of a scheduler ${what}`, () => {
    assert.throws(() => checkShares(makeScheduler), { name: 'AssertionError', message: /^weights/ })
  })
}

/** ip_vs_wrr.c's walk as it is described: one server after the other, one level after the other. */
class Walk {
  readonly #list: { n: number; weight: number }[] = []
  #at = -1
  #level = 0

  add(n: number, weight: number): void {
    this.#list.unshift({ n, weight })
    this.#change()
  }

  edit(n: number, weight: number): void {
    this.#list.find((each) => each.n === n)!.weight = weight
    this.#change()
  }

  remove(n: number): void {
    this.#list.splice(
      this.#list.findIndex((each) => each.n === n),
      1,
    )
    this.#change()
  }

  get members(): number[] {
    return this.#list.map(({ n }) => n)
  }

  #mark() {
    return buildWrr(this.#list.map(({ weight }) => weight))
  }

  #change(): void {
    this.#at = -1
    this.#level = adjustCurrentWeight(this.#level, this.#mark())
  }

  /** Undefined: there is nobody to find, and where the walk then ends is not described. */
  next(isOverloaded: (n: number) => boolean): string | undefined {
    const { gcd, firstWeight } = this.#mark()
    if (!this.#list.some(({ n, weight }) => weight > 0 && !isOverloaded(n))) return undefined
    for (;;) {
      this.#at++
      if (this.#at === this.#list.length) {
        this.#at = -1
        this.#level -= gcd
        if (this.#level <= 0) this.#level = firstWeight
        continue
      }
      const { n, weight } = this.#list[this.#at]!
      if (weight >= this.#level && !isOverloaded(n)) return `${n}`
    }
  }
}

test(`with edits in between, every choice is the kernel's (seed ${SEED})`, () => {
  const random = new Random(SEED)
  for (let i = 0; i < ROUNDS; i++) {
    const walk = new Walk()
    const service = new OneService('wrr', [])
    const factor = 1 + random.below(3)
    const done: string[] = []
    for (let step = 0; step < 20; step++) {
      const { members } = walk
      const free = [1, 2, 3, 4, 5, 6, 7, 8, 9].filter((n) => !members.includes(n))
      const what = members.length === 0 ? 'add' : random.pick(['add', 'edit', 'edit', 'remove'])
      const weight = random.below(7) * factor
      const upperThreshold = random.pick([0, 0, 4])
      const n = what === 'add' ? random.pick(free) : random.pick(members)
      if (what === 'add') service.add(n, { weight, upperThreshold })
      else if (what === 'edit') service.edit(n, { weight, upperThreshold })
      else service.remove(n)
      if (what === 'remove') walk.remove(n)
      else walk[what as 'add' | 'edit'](n, weight)
      done.push(`${what} ${n} ${weight} ${upperThreshold}`)
      for (let count = random.below(8); count > 0; count--) {
        const wanted = walk.next((each) => service.isOverloaded(each))
        if (wanted === undefined) break
        assert.equal(service.openNext(1), wanted, done.join(', '))
        done.push(wanted)
      }
    }
  }
})
