/**
 * How often each reason was reached, and each answer given to the kernel: what was not reached was not compared.
 */
import { REASONS_MAX, Reason } from '../../../src/dataplane/verdict.ts'
import type { Answer } from './answer.ts'

const ANSWERS = ['pass', 'drop', 'redirect', 'sendBack', 'word'] as const satisfies Answer['name'][]

/** By name: plain numbers, to be sent from one process to the other. */
export type Counts = Readonly<Record<string, number>>

export class Tally {
  frames = 0
  readonly #reasons = new Float64Array(REASONS_MAX)
  readonly #answers = new Map<Answer['name'], number>(ANSWERS.map((name) => [name, 0]))

  count(reason: number, answer: Answer['name']): void {
    this.frames++
    this.#reasons[reason]!++
    this.#answers.set(answer, this.#answers.get(answer)! + 1)
  }

  counts(): Counts {
    const reasons = Object.entries(Reason).map(([name, reason]) => [name, this.#reasons[reason]!])
    const answers = [...this.#answers].map(([name, count]) => [`= ${name}`, count])
    return Object.fromEntries([...reasons, ...answers]) as Counts
  }
}
