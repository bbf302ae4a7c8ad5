/**
 * The demonstration's traffic as the demonstration sees it: runs the client's program and counts what it reports.
 *
 * Phases make statements about time exact without clocks: the program is told of a phase after something was done, and
 * what it then opens carries the phase's name.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { failuresIn } from './evidence.ts'
import type { Host } from './host.ts'
import { ECHO_PORT, HTTP_PORT } from './modes.ts'
import type { RequestKind, RequestResult } from './request-result.ts'
import { startScript } from './script.ts'
import { SLOWNESS } from './slowness.ts'

/** A phase lasts until that many requests of each kind began and ended in it; on a slow machine fewer. */
const SCALE = SLOWNESS > 1 ? 1 / 6 : 1
const REQUESTS_PER_PHASE: Readonly<Record<RequestKind, number>> = {
  new: 180 * SCALE,
  kept: 180 * SCALE,
  udp: 90 * SCALE,
}
const PHASE_MAX_MS = 30_000 * SLOWNESS

/** Who asks: how many of each kind at a time, and how long each of them pauses between two requests. */
export interface Load extends Readonly<Record<RequestKind, number>> {
  readonly pauseMs: number
}

export class Traffic {
  readonly results: RequestResult[] = []
  readonly #child: ChildProcess
  readonly #log: string
  readonly #ended: Promise<unknown>
  #onResult: (result: RequestResult) => void = () => {}

  private constructor(child: ChildProcess, log: string) {
    this.#child = child
    this.#log = log
    this.#ended = once(child, 'close')
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const result = JSON.parse(line) as RequestResult
      this.results.push(result)
      this.#onResult(result)
    })
  }

  /** Against the VIP's two services, from this host; quiet until the first phase. */
  static start(client: Host, vip: string, log: string, load?: Load): Traffic {
    const args = [vip, HTTP_PORT, ECHO_PORT].map(String)
    if (load !== undefined) {
      args.push(...[load.new, load.kept, load.udp, load.pauseMs].map(String))
    }
    return new Traffic(startScript(client, 'load', args, { log, isTalkedTo: true }), log)
  }

  /** Begins a phase. */
  enter(phase: string): void {
    this.#child.stdin!.write(`${phase}\n`)
  }

  /** Begins a phase; resolves when enough happened in it. Throws if the client ends, or gets nowhere. */
  async run(phase: string): Promise<void> {
    const missing = { ...REQUESTS_PER_PHASE }
    this.enter(phase)
    const enough = new Promise<void>((resolve) => {
      this.#onResult = ({ kind }) => {
        missing[kind]--
        if (Object.values(missing).every((count) => count <= 0)) resolve()
      }
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), PHASE_MAX_MS)
    })
    const outcome = await Promise.race([enough, late, this.#ended.then(() => 'ended')])
    clearTimeout(timer)
    this.#onResult = () => {}
    if (outcome === undefined) return
    const what = outcome === 'late' ? 'got too few answers' : 'ended'
    const errors = new Set(failuresIn(this.results).map(({ kind, error }) => `${kind}: ${error}`))
    const why = [...errors, readFileSync(this.#log, 'utf8').trim()].join('; ')
    throw new Error(`the client ${what} in phase ${phase}. ${why}`)
  }

  /** Lets requests under way finish. */
  async stop(): Promise<void> {
    this.#child.stdin!.end('stop\n')
    await this.#ended
  }
}
