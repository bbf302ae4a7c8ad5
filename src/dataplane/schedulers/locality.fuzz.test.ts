/**
 * lblc and lblcr against the kernel's procedure with maps and lists, in random stories of edits, loads, pauses and
 * destinations; and their tables against themselves. FUZZ_SEED and FUZZ_STORIES repeat and prolong a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkLocalities } from '../../../tests/dataplane/locality-check.ts'
import { OneService } from '../../../tests/dataplane/one-service.ts'
import { Random } from '../../base/random.ts'
import { TRASH_PERIOD_S } from '../../director/server-trash.ts'
import { setTimeoutS } from '../../director/timeouts.ts'
import { TimeoutRow } from '../timeout.ts'

const SEED = Number(process.env.FUZZ_SEED ?? 20_250_106)
const STORIES = Number(process.env.FUZZ_STORIES ?? 20)
const STEPS = 250
const SERVERS = 9
const DESTINATIONS = Array.from({ length: 12 }, (_, i) => `10.50.${i % 3}.${i}`)
const EXPIRATION_S = 50

/** A real server as its service sees it; a removed one is known as long as connections name it, and a while longer. */
interface Real {
  readonly n: number
  weight: number
  active: number
  isAvailable: boolean
  /** Of a removed one: when it was first seen without connections. */
  idleSinceS?: number
}

/** a's load is below b's. */
function isLess(a: Real, b: Real): boolean {
  return a.active * b.weight < b.active * a.weight
}

/** The first that nobody undercuts. */
function least(list: readonly Real[]): Real | undefined {
  const usable = list.filter(({ weight, isAvailable }) => weight > 0 && isAvailable)
  return usable.find((one) => !usable.some((other) => isLess(other, one)))
}

/** ip_vs_lblc.c and ip_vs_lblcr.c, as they are described. */
abstract class Locality {
  /** In the service, the one added last first. */
  readonly list: Real[] = []

  protected isTooBusy(real: Real): boolean {
    return real.active > real.weight && this.list.some((other) => other.active * 2 < other.weight)
  }

  abstract choose(destination: string, nowS: number): Real | undefined
  abstract forget(real: Real): void
}

class Lblc extends Locality {
  readonly #last = new Map<string, Real>()

  choose(destination: string): Real | undefined {
    const last = this.#last.get(destination)
    if (last !== undefined && last.isAvailable && last.weight > 0 && !this.isTooBusy(last))
      return last
    const chosen = least(this.list)
    if (chosen !== undefined) this.#last.set(destination, chosen)
    return chosen
  }

  forget(real: Real): void {
    for (const [destination, last] of this.#last) {
      if (last === real) this.#last.delete(destination)
    }
  }
}

class Lblcr extends Locality {
  readonly #sets = new Map<string, { list: Real[]; changedS: number }>()

  choose(destination: string, nowS: number): Real | undefined {
    const set = this.#sets.get(destination)
    if (set === undefined) {
      const chosen = least(this.list)
      if (chosen !== undefined) this.#sets.set(destination, { list: [chosen], changedS: nowS })
      return chosen
    }
    const known = least(set.list)
    if (set.list.length > 1 && nowS > set.changedS + EXPIRATION_S) {
      const weighed = set.list.filter(({ weight }) => weight > 0)
      const most = weighed.find((one) => !weighed.some((other) => isLess(one, other)))
      if (most !== undefined) {
        set.list.splice(set.list.indexOf(most), 1)
        set.changedS = nowS
      }
    }
    if (known !== undefined && !this.isTooBusy(known)) return known
    const chosen = least(this.list)
    if (chosen !== undefined && !set.list.includes(chosen)) {
      set.list.unshift(chosen)
      set.changedS = nowS
    }
    return chosen
  }

  forget(real: Real): void {
    for (const set of this.#sets.values()) {
      if (set.list.includes(real)) set.list.splice(set.list.indexOf(real), 1)
    }
  }
}

class Story {
  readonly #random: Random
  readonly #model: Locality
  readonly #service: OneService
  /** Every server that anything is known of. */
  readonly #reals = new Map<number, Real>()
  readonly #done: string[] = []
  #nowS = 0
  choices = 0

  constructor(scheduler: 'lblc' | 'lblcr', seed: number) {
    this.#random = new Random(seed)
    this.#model = scheduler === 'lblc' ? new Lblc() : new Lblcr()
    this.#service = new OneService(scheduler, [])
    setTimeoutS(TimeoutRow.lblcr, EXPIRATION_S)
  }

  run(): void {
    for (let step = 0; step < STEPS; step++) {
      const what = this.#random.below(20)
      if (what === 0) this.#add()
      else if (what === 1) this.#remove()
      else if (what === 2) this.#edit()
      else if (what < 5) this.#load()
      else if (what === 5) this.#sleep()
      else this.#choose()
      if (step % 10 === 0) checkLocalities(() => this.#done.join('\n'))
    }
  }

  #note(text: string): void {
    this.#done.push(text)
  }

  #add(): void {
    const n = 1 + this.#random.below(SERVERS)
    const weight = this.#random.below(5)
    if (this.#model.list.some((real) => real.n === n)) return
    this.#note(`add ${n} ${weight}`)
    this.#service.add(n, { weight })
    const real = this.#reals.get(n) ?? { n, weight, active: 0, isAvailable: true }
    this.#reals.set(n, real)
    real.weight = weight
    real.isAvailable = true
    delete real.idleSinceS
    this.#model.list.unshift(real)
  }

  #remove(): void {
    if (this.#model.list.length === 0) return
    const real = this.#random.pick(this.#model.list)
    this.#note(`remove ${real.n}`)
    this.#service.remove(real.n)
    this.#model.list.splice(this.#model.list.indexOf(real), 1)
    real.isAvailable = false
  }

  #edit(): void {
    if (this.#model.list.length === 0) return
    const real = this.#random.pick(this.#model.list)
    real.weight = this.#random.below(5)
    this.#note(`edit ${real.n} ${real.weight}`)
    this.#service.edit(real.n, { weight: real.weight })
  }

  #load(): void {
    for (const real of this.#model.list) {
      real.active = this.#random.below(6)
      this.#note(`load ${real.n} ${real.active}`)
      this.#service.serverRow(real.n).active = real.active
    }
  }

  #sleep(): void {
    const seconds = this.#random.pick([1, 10, EXPIRATION_S, EXPIRATION_S + 1])
    this.#note(`sleep ${seconds}`)
    this.#nowS += seconds
    this.#service.lab.sleep(seconds)
    for (const real of this.#reals.values()) {
      if (real.isAvailable || real.active > 0) continue
      real.idleSinceS ??= this.#nowS
      if (this.#nowS - real.idleSinceS < TRASH_PERIOD_S) continue
      this.#reals.delete(real.n)
      this.#model.forget(real)
    }
  }

  #choose(): void {
    const destination = this.#random.pick(DESTINATIONS)
    const wanted = this.#model.choose(destination, this.#nowS)?.n ?? null
    this.#note(`${destination} ${wanted}`)
    assert.equal(this.#service.choose(destination), wanted, this.#done.join('\n'))
    if (wanted !== null) this.choices++
  }
}

for (const scheduler of ['lblc', 'lblcr'] as const) {
  test(`${scheduler} chooses as the kernel's procedure does (seed ${SEED})`, () => {
    let choices = 0
    for (let i = 0; i < STORIES; i++) {
      const story = new Story(scheduler, SEED * 1000 + i)
      story.run()
      choices += story.choices
    }
    assert.ok(choices > (STORIES * STEPS) / 4, `${choices} choices`)
  })
}
