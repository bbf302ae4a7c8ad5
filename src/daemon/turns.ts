/**
 * Long work on the tables, done in slices between which packets have their turn; and one piece of it at a time.
 *
 * Whoever changes the tables awaits `free` first: so a change comes before or after long work, never into it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { SLICE_MS } from '../control/limits.ts'
import type { Steps } from '../director/replace-table.ts'

/** Longer than any packet is under way: after it nothing is walked that was in use before. */
export const REST_MS = 5

export class Turns {
  #busy: Promise<void> | undefined

  get isBusy(): boolean {
    return this.#busy !== undefined
  }

  /**
   * Resolves when the long work that is under way is done. Somebody else who waited may have begun some more by then:
   * `while (turns.isBusy) await turns.free()`. Who waits longest is first.
   */
  async free(): Promise<void> {
    await this.#busy
  }

  /** Nothing else is under way until `work` is done. What is called in the turn of this call comes after it, too. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    while (this.isBusy) await this.free()
    let end = () => {}
    this.#busy = new Promise((resolve) => (end = resolve))
    try {
      return await work()
    } finally {
      this.#busy = undefined
      end()
    }
  }

  /** Takes all `steps`, as many in one turn as a slice has time for; `pass` gives the turn away after each slice. */
  run<T>(steps: Steps<T>, pass: () => Promise<void>): Promise<T> {
    return this.hold(async () => {
      for (;;) {
        const step = takeSlice(steps)
        await pass()
        if (step.done === true) return step.value
        if (step.value === 'rest') await sleep(REST_MS)
      }
    })
  }
}

function takeSlice<T>(steps: Steps<T>): IteratorResult<'rest' | undefined, T> {
  const untilMs = performance.now() + SLICE_MS
  for (;;) {
    const step = steps.next()
    if (step.done === true || step.value === 'rest' || performance.now() >= untilMs) return step
  }
}
