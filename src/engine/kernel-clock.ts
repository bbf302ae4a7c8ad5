/**
 * The packet path's time, for this process: the same ticks at the same moment as the kernel counts them.
 *
 * The kernel's are jiffies, which go on with CLOCK_MONOTONIC but for what a standstill of the machine cost them: both
 * are looked at together, every few seconds, and between two looks the monotonic clock tells. How many jiffies a second
 * has must be known for certain, not measured: a daemon that took them for others than the one before it would find
 * every connection over.
 */
import { TICKS_PER_SECOND } from '../subset/clock.ts'
import type { JiffiesSample } from '../kernel/bpf/clock.ts'

const LOOK_EVERY_S = 10

export class KernelClock {
  readonly #look: () => JiffiesSample
  readonly #hertz: number
  #sample: JiffiesSample

  /** `look` is asked again and again; `hertz`: jiffies a second. */
  constructor(look: () => JiffiesSample, hertz: number) {
    this.#look = look
    this.#hertz = hertz
    this.#sample = look()
  }

  /** At `seconds` of CLOCK_MONOTONIC, which is about now. */
  ticksAt(seconds: number): number {
    if (seconds - this.#sample.seconds >= LOOK_EVERY_S) this.#sample = this.#look()
    const jiffies = this.#sample.jiffies + (seconds - this.#sample.seconds) * this.#hertz
    return Math.floor((jiffies * TICKS_PER_SECOND) / this.#hertz) >>> 0
  }

  /** Now. */
  ticks(): number {
    return this.ticksAt(Number(process.hrtime.bigint()) / 1e9)
  }
}
