/**
 * What must be done again and again while the daemon lives: sweep, rates, frames that wait.
 *
 * Each in small portions, so that no packet waits long: the whole connection table is swept once a second in eighths,
 * rates are reckoned every two seconds.
 */
import type { Director } from '../director/director.ts'
import { readCounters } from '../director/entries.ts'
import { ESTIMATE_INTERVAL_MS } from '../director/estimator.ts'
import { Sweep } from '../director/sweep.ts'
import * as tables from '../dataplane/tables.ts'
import type { Engine } from '../engine/engine.ts'

const SWEEPS_A_SECOND = 8

export class Housekeeping {
  readonly #director: Director
  readonly #engine: Engine
  readonly #sweep = new Sweep()
  readonly #timers: NodeJS.Timeout[] = []
  #sweeps = 0

  constructor(director: Director, engine: Engine) {
    this.#director = director
    this.#engine = engine
  }

  start(): void {
    this.#timers.push(setInterval(() => this.#sweepSome(), 1000 / SWEEPS_A_SECOND))
    this.#timers.push(setInterval(() => this.#estimate(), ESTIMATE_INTERVAL_MS))
  }

  #sweepSome(): void {
    this.#engine.tick()
    this.#engine.tables.use()
    this.#sweep.run(Math.ceil(tables.connections.memory.capacity / SWEEPS_A_SECOND))
    if (++this.#sweeps % SWEEPS_A_SECOND === 0) this.#director.reclaim()
  }

  #estimate(): void {
    this.#engine.tables.use()
    for (const service of this.#director.services.values()) {
      service.estimator.update(readCounters(tables.services.row(service.row)))
      for (const server of service.servers) {
        server.estimator.update(readCounters(tables.servers.row(server.row)))
      }
    }
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer)
  }
}
