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
const NO_RATES: Rates = { connections: 0, inPackets: 0, outPackets: 0, inBytes: 0, outBytes: 0 }

/** Of one service or server. One that never had a packet, as may be most of a large table, costs next to nothing. */
export class Estimator {
  /** Counters when last looked at, then averages; undefined: nothing was counted yet. */
  #state: Float64Array | undefined

  /** The counters stand here already: what was counted before is no rate of now. */
  begin(counters: Counters): void {
    if (isNothing(counters)) return
    this.#state = new Float64Array(2 * FIELDS.length)
    for (let i = 0; i < FIELDS.length; i++) this.#state[i] = counters[FIELDS[i]!]
  }

  /** Two seconds later. */
  update(counters: Counters): void {
    if (this.#state === undefined) {
      if (isNothing(counters)) return
      this.#state = new Float64Array(2 * FIELDS.length)
    }
    const state = this.#state
    for (let i = 0; i < FIELDS.length; i++) {
      const value = counters[FIELDS[i]!]
      const average = state[FIELDS.length + i]!
      const rate = (value - state[i]!) * SCALE[i]!
      state[i] = value
      state[FIELDS.length + i] = average + Math.floor((rate - average) / 4)
    }
  }

  /** The counters were zeroed. */
  zero(): void {
    this.#state = undefined
  }

  /** The counters when last looked at. */
  get last(): Counters {
    const [connections = 0, inPackets = 0, outPackets = 0, inBytes = 0, outBytes = 0] =
      this.#state ?? []
    return { connections, inPackets, outPackets, inBytes, outBytes }
  }

  rates(): Rates {
    const state = this.#state
    if (state === undefined) return NO_RATES
    const read = (i: number) => Math.floor((state[FIELDS.length + i]! + (SCALE[i]! - 1)) / READ[i]!)
    return {
      connections: read(0),
      inPackets: read(1),
      outPackets: read(2),
      inBytes: read(3),
      outBytes: read(4),
    }
  }
}

function isNothing({ connections, inPackets, outPackets }: Counters): boolean {
  return connections === 0 && inPackets === 0 && outPackets === 0
}
