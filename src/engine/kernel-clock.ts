/**
 * The packet path's time, for this process: the same ticks at the same moment as the kernel counts them.
 *
 * The kernel's are jiffies, and jiffies go on with CLOCK_MONOTONIC: one look at both, at the beginning, is enough.
 */
import { TICKS_PER_SECOND } from '../subset/clock.ts'
import type { JiffiesSample } from '../kernel/bpf-clock.ts'

export class KernelClock {
  readonly #sample: JiffiesSample
  readonly #hertz: number

  constructor(sample: JiffiesSample, hertz: number) {
    this.#sample = sample
    this.#hertz = hertz
  }

  /** At `seconds` of CLOCK_MONOTONIC. */
  ticksAt(seconds: number): number {
    const jiffies = this.#sample.jiffies + (seconds - this.#sample.seconds) * this.#hertz
    return Math.floor((jiffies * TICKS_PER_SECOND) / this.#hertz) >>> 0
  }

  /** Now. */
  ticks(): number {
    return this.ticksAt(Number(process.hrtime.bigint()) / 1e9)
  }
}
