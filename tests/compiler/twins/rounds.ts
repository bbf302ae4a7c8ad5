/**
 * Rounds of the twins: tables by lot, then frames; and when they differ, the first frame that shows it, and the fewest
 * steps before it that still lead there.
 *
 * Tables are compared every few frames only. A round that ends in a difference is run once more, from its seed, with
 * all tables compared after each frame from where they were last the same.
 */
import { Random } from '../../../src/base/random.ts'
import type { SettledFields } from '../../../src/compiler/lower/lower.ts'
import type { Attachment } from '../../../src/compiler/target/target.ts'
import { Verdict, verdictOf } from '../../../src/dataplane/verdict.ts'
import { drawBeginning } from './random-tables.ts'
import { Tally } from './tally.ts'
import { Traffic } from './traffic.ts'
import {
  COMPARE_ALL_EVERY,
  Difference,
  Twins,
  type Beginning,
  type TwinOptions,
  type Step,
} from './twins.ts'

export const FRAMES_A_ROUND = 20_000
/** How long fewer steps are looked for. */
const SHRINKING_MS = 60_000

/** A program, and for whom it is made. */
export interface Made {
  readonly name: string
  readonly attachment: Attachment
  readonly settled: SettledFields
}

/** What is said of a difference. */
export interface Finding {
  readonly seed: number
  readonly round: number
  readonly frame: number
  readonly message: string
  /** The fewest found that lead there, the last of them showing it. */
  readonly steps: readonly Step[]
}

export class Rounds {
  readonly tally = new Tally()
  readonly twins: Twins
  readonly #made: Made
  readonly #seed: number
  readonly #traffic: Traffic

  /** Close it. */
  constructor(made: Made, seed: number, options: TwinOptions = {}) {
    this.#made = made
    this.#seed = seed
    this.twins = new Twins(made.attachment, made.settled, options)
    this.#traffic = new Traffic(made.attachment, seed, this.twins.isGeneral)
  }

  close(): void {
    this.twins.close()
  }

  /** Runs one round of so many frames; what was found, if anything. */
  run(round: number, frames: number): Finding | undefined {
    let frame = 0
    try {
      this.#begin(round)
      for (; frame < frames; frame++) this.#next()
      this.twins.compareTables()
      return undefined
    } catch (error) {
      if (!(error instanceof Difference)) throw error
      return this.#examine(round, Math.min(frame, frames - 1), error)
    }
  }

  /** The same without looking any closer: throws Difference. */
  hasten(round: number, frames: number): void {
    this.#begin(round)
    for (let frame = 0; frame < frames; frame++) this.#next()
    this.twins.compareTables()
  }

  #beginningOf(round: number): { readonly beginning: Beginning; readonly random: Random } {
    const random = new Random(this.#seed + round * 2 ** 32)
    const families = this.twins.isGeneral ? ([4, 6] as const) : ([4] as const)
    return { beginning: drawBeginning(random, families), random }
  }

  #begin(round: number): Beginning {
    const { beginning, random } = this.#beginningOf(round)
    this.twins.begin(beginning)
    this.#traffic.begin(random)
    return beginning
  }

  #next(onStep?: (step: Step) => void): void {
    const step = this.#traffic.draw()
    onStep?.(step)
    const { reason, answer } = this.twins.take(step)
    if (onStep === undefined) this.tally.count(reason, answer.name)
    if (verdictOf(reason) === Verdict.send) this.#traffic.note(this.twins.frame)
  }

  /** Which frame shows it first, and after which others. */
  #examine(round: number, last: number, { message }: Difference): Finding {
    const steps: Step[] = []
    const found = { seed: this.#seed, round, frame: last, message }
    const isClose = Math.floor(last / COMPARE_ALL_EVERY) * COMPARE_ALL_EVERY
    const beginning = this.#begin(round)
    try {
      while (steps.length <= last) {
        this.#next((step) => steps.push({ ...step, bytes: Uint8Array.from(step.bytes) }))
        if (steps.length > isClose) this.twins.compareTables()
      }
    } catch (error) {
      if (!(error instanceof Difference)) throw error
      const shown = { ...found, frame: steps.length - 1, message: error.message }
      return { ...shown, ...this.#shrink(beginning, steps, shown.message) }
    }
    return { ...found, message: `${message} (once, and not when it was repeated)`, steps }
  }

  /** Leaves out what is not needed, by ever smaller pieces; the last step shows it and stays. */
  #shrink(beginning: Beginning, all: readonly Step[], first: string) {
    const end = performance.now() + SHRINKING_MS
    const last = all.at(-1)!
    let [before, message] = [all.slice(0, -1), first]
    for (let size = Math.ceil(before.length / 2); size >= 1; size = Math.floor(size / 2)) {
      for (let at = 0; at < before.length && performance.now() < end;) {
        const fewer = [...before.slice(0, at), ...before.slice(at + size)]
        const shown = this.#differenceOf(beginning, fewer, last)
        if (shown === undefined) at += size
        else [before, message] = [fewer, shown]
      }
    }
    return { steps: [...before, last], message }
  }

  /** What the last step shows, if none before it does. */
  #differenceOf(beginning: Beginning, before: readonly Step[], last: Step): string | undefined {
    try {
      this.twins.begin(beginning)
      for (const step of before) this.twins.take(step)
      this.twins.compareTables()
    } catch (error) {
      if (error instanceof Difference) return undefined
      throw error
    }
    try {
      this.twins.take(last)
      this.twins.compareTables()
    } catch (error) {
      if (error instanceof Difference) return error.message
      throw error
    }
    return undefined
  }

  get name(): string {
    return this.#made.name
  }
}
