/**
 * Rates: IPVS's estimator (net/netfilter/ipvs/ip_vs_est.c), every 2 seconds, in its fixed-point arithmetic.
 *
 * A quarter of the difference to the last two seconds' rate is taken in each time, so after a step to rate r the
 * reading is r · (1 - 0.75ⁿ).
 */
import type { Counters, Rates } from './model.ts'

export const ESTIMATE_INTERVAL_MS = 2000

const FIELDS = ['connections', 'inPackets', 'outPackets', 'inBytes', 'outBytes'] as const
/** Counts are scaled by 2^9 a step and read back by 2^10 a second, bytes by 2^4 and 2^5. */
const SCALE = [512, 512, 512, 16, 16]
const READ = [1024, 1024, 1024, 32, 32]

export class Estimator {
  readonly #last = new Float64Array(FIELDS.length)
  readonly #average = new Float64Array(FIELDS.length)

  /** Two seconds later. */
  update(counters: Counters): void {
    for (let i = 0; i < FIELDS.length; i++) {
      const value = counters[FIELDS[i]!]
      const rate = (value - this.#last[i]!) * SCALE[i]!
      this.#last[i] = value
      this.#average[i] = this.#average[i]! + Math.floor((rate - this.#average[i]!) / 4)
    }
  }

  /** The counters were zeroed. */
  zero(): void {
    this.#last.fill(0)
    this.#average.fill(0)
  }

  rates(): Rates {
    const read = (i: number) => Math.floor((this.#average[i]! + (SCALE[i]! - 1)) / READ[i]!)
    return {
      connections: read(0),
      inPackets: read(1),
      outPackets: read(2),
      inBytes: read(3),
      outBytes: read(4),
    }
  }
}
