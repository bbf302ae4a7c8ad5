/**
 * The director of the lab: `sluice run` on its host, told what to do by `ipvsadm` as an operator would.
 */
import { execFile, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Host } from './host.ts'

export type EngineChoice = 'auto' | 'kernel' | 'v8'

const READY_MS = 20_000
const STOP_MS = 5000
const POLL_MS = 10
/** Of every command: this machine lacks something. */
const LACKING = 77

/** What this machine lacks, as the program that noticed says it. */
export class Lacking extends Error {}

export class Director {
  readonly #host: Host
  readonly #child: ChildProcess
  readonly #socket: string

  private constructor(host: Host, child: ChildProcess, socket: string) {
    this.#host = host
    this.#child = child
    this.#socket = socket
  }

  /** Resolves when it serves. Throws with what it said if it does not. */
  static async start(
    host: Host,
    interfaces: readonly string[],
    engine: EngineChoice,
    folder: string,
  ): Promise<Director> {
    const log = `${folder}/director.log`
    const socket = `${folder}/sluice.sock`
    const args = ['run', '--engine', engine, '--socket', socket, '--interface', ...interfaces]
    const child = host.start(process.execPath, [binary('sluice'), ...args], { log })
    const end = performance.now() + READY_MS
    while (!/^READY/m.test(readFileSync(log, 'utf8'))) {
      const said = () => readFileSync(log, 'utf8').trim()
      if (child.exitCode === LACKING) throw new Lacking(said())
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > end) {
        throw new Error(`the director did not start: ${said()}`)
      }
      await sleep(POLL_MS)
    }
    return new Director(host, child, socket)
  }

  /** What the command prints. Throws with what it complains about. */
  async ipvsadm(args: string, input = ''): Promise<string> {
    return this.#call('ipvsadm', args, input)
  }

  /** Which engine runs. */
  async engine(): Promise<string> {
    const status = JSON.parse(await this.#call('sluice', 'status --json')) as { engine: string }
    return status.engine
  }

  /** Asks it to end. True if it did so by itself and with exit status 0. */
  async stop(): Promise<boolean> {
    const ended = once(this.#child, 'exit')
    if (!this.#child.kill('SIGTERM')) return false
    const late = sleep(STOP_MS, undefined, { ref: false })
    await Promise.race([ended, late])
    return this.#child.exitCode === 0
  }

  #call(program: string, args: string, input = ''): Promise<string> {
    return callAsHost(this.#host, program, args.split(' '), { SLUICE_SOCKET: this.#socket }, input)
  }
}

/** Runs one of our commands to its end, as that host; resolves to what it prints. */
export function callAsHost(
  host: Host,
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  input = '',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { env: { ...process.env, ...environment } }
    const whole = [binary(program), ...args]
    const child = host.run(() =>
      execFile(process.execPath, whole, options, (error, stdout, stderr) => {
        if (error === null) resolve(stdout)
        else if (error.code === LACKING) reject(new Lacking(stderr.trim()))
        else reject(new Error(`${program} ${args.join(' ')}: ${stderr.trim() || error.message}`))
      }),
    )
    child.stdin!.end(input)
  })
}

/** Path of one of the launchers in bin/, which is above this file, compiled or not. */
function binary(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'bin', name))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error(`there is no bin/${name} above ${import.meta.url}`)
    folder = parent
  }
  return join(folder, 'bin', name)
}
