/**
 * What must be done again and again while the daemon lives: sweep, rates, frames that wait.
 *
 * Each in small portions, so that no packet waits long: the whole connection table is swept once a second in eighths,
 * rates are reckoned every two seconds, a fortieth of the services at a time.
 */
import { Defence } from '../director/defence.ts'
import type { Director } from '../director/director.ts'
import type { ServiceEntry } from '../director/entries.ts'
import { ESTIMATE_INTERVAL_MS } from '../director/estimator.ts'
import { Sweep } from '../director/sweep.ts'
import { sysctl } from '../director/sysctls.ts'
import * as tables from '../dataplane/tables.ts'
import type { Engine } from '../engine/engine.ts'
import { freePages } from './free-memory.ts'

const SWEEPS_A_SECOND = 8
const ESTIMATE_STEPS = 40
const ESTIMATE_STEP_MS = ESTIMATE_INTERVAL_MS / ESTIMATE_STEPS

export class Housekeeping {
  readonly #director: Director
  readonly #engine: Engine
  readonly #sweep = new Sweep()
  readonly #timers: NodeJS.Timeout[] = []
  #sweeps = 0
  /** When the estimates began, how many steps were taken since, and whose turn it is. */
  #estimateMs = 0
  #estimateSteps = 0
  #toEstimate: Iterator<ServiceEntry> = [].values()

  constructor(director: Director, engine: Engine) {
    this.#director = director
    this.#engine = engine
  }

  start(): void {
    this.#timers.push(setInterval(() => this.#sweepSome(), 1000 / SWEEPS_A_SECOND))
    this.#estimateMs = performance.now()
    this.#timers.push(setInterval(() => this.#estimateSome(), ESTIMATE_STEP_MS))
  }

  #sweepSome(): void {
    this.#engine.tick()
    this.#engine.tables.use()
    this.#sweep.run(Math.ceil(tables.connections.memory.capacity / SWEEPS_A_SECOND))
    if (++this.#sweeps % SWEEPS_A_SECOND !== 0) return
    this.#director.reclaim()
    this.#director.defence.run(Defence.isWatching ? freePages() : Infinity, Math.random())
  }

  /** As many steps as are due: timers are late, and each service has its turn every two seconds all the same. */
  #estimateSome(): void {
    this.#engine.tables.use()
    if (sysctl('run_estimation') === 0) return
    const due = Math.floor((performance.now() - this.#estimateMs) / ESTIMATE_STEP_MS)
    // After a standstill rates cannot be made up for.
    this.#estimateSteps = Math.max(this.#estimateSteps, due - ESTIMATE_STEPS)
    for (; this.#estimateSteps < due; this.#estimateSteps++) this.#estimateStep()
  }

  #estimateStep(): void {
    const step = this.#estimateSteps % ESTIMATE_STEPS
    const { services } = this.#director
    if (step === 0) this.#toEstimate = services.values()
    const isLast = step === ESTIMATE_STEPS - 1
    let left = isLast ? Infinity : Math.ceil(services.size / ESTIMATE_STEPS)
    for (; left > 0; left--) {
      const next = this.#toEstimate.next()
      if (next.done === true) return
      next.value.estimator.update(tables.services.row(next.value.row))
      for (const server of next.value.servers) {
        server.estimator.update(tables.servers.row(server.row))
      }
    }
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
  }
}
