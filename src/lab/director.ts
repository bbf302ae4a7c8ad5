/**
 * The director of the lab: `sluice run` on its host, told what to do by `ipvsadm` as an operator would.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { callCommand, startCommand } from './commands.ts'
import type { Host } from './host.ts'
import { SLOWNESS } from './slowness.ts'

export type EngineChoice = 'auto' | 'kernel' | 'v8'

export type AttachChoice = 'auto' | 'xdp' | 'tc'

export interface DirectorOptions {
  readonly attach?: AttachChoice
  /** Further arguments; as a rule, that it leaves nothing in the kernel when it ends. */
  readonly more?: readonly string[]
  /** Of another release: its folder. */
  readonly release?: string | undefined
}

const STOP_MS = 5000 * SLOWNESS

interface Status {
  readonly engine: string
  readonly interfaces: readonly { readonly how: string }[]
}

/** Of the kernel engine: what the director's host is called. */
export function instanceOf({ namespace }: Host): string {
  return namespace
}

export class Director {
  readonly #host: Host
  readonly #child: ChildProcess
  readonly #socket: string

  private constructor(host: Host, child: ChildProcess, socket: string) {
    this.#host = host
    this.#child = child
    this.#socket = socket
  }

  /** Resolves when it serves. Throws Lacking, and Error with what it said. */
  static async start(
    host: Host,
    interfaces: readonly string[],
    engine: EngineChoice,
    folder: string,
    options: DirectorOptions = {},
  ): Promise<Director> {
    const { attach = 'auto', more = ['--detach-on-exit'], release } = options
    const socket = `${folder}/sluice.sock`
    const args = ['run', '--engine', engine, '--attach', attach, '--socket', socket]
    args.push('--name', instanceOf(host), ...more, '--interface', ...interfaces)
    const child = await startCommand(host, 'sluice', args, `${folder}/director.log`, release)
    return new Director(host, child, socket)
  }

  /** What the command prints. Throws what it complains about. */
  ipvsadm(args: string, input = ''): Promise<string> {
    return this.#call('ipvsadm', args, input)
  }

  /** Which engine runs, and where it sits on each interface. */
  async engine(): Promise<{ engine: string; attached: readonly string[] }> {
    const answer = JSON.parse(await this.#call('sluice', 'status --json')) as Status
    return { engine: answer.engine, attached: answer.interfaces.map(({ how }) => how) }
  }

  /** Without a chance to put anything in order; resolves when it is gone. */
  async kill(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }

  /** Asks it to end. True if it did so by itself and with exit status 0. */
  async stop(): Promise<boolean> {
    const ended = once(this.#child, 'exit')
    if (!this.#child.kill('SIGTERM')) return false
    await Promise.race([ended, sleep(STOP_MS, undefined, { ref: false })])
    return this.#child.exitCode === 0
  }

  #call(command: string, args: string, input = ''): Promise<string> {
    const environment = { SLUICE_SOCKET: this.#socket }
    return callCommand(this.#host, command, args.split(' '), environment, input)
  }
}
