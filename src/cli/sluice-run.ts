/**
 * `sluice run`: the daemon, in the foreground, until SIGINT or SIGTERM.
 */
import { Option, type Command } from 'commander'
import { ControlError } from '../control/control-error.ts'
import { DEFAULT_SOCKET_PATH } from '../control/protocol.ts'
import type { DirectorDaemon } from '../daemon/director-daemon.ts'
import type { Log } from '../daemon/log.ts'
import { readRules } from './input-file.ts'
import type { Rule } from './ipvsadm-rules.ts'
import { Exit, Failure } from './sluice-exit.ts'

interface RunOptions {
  readonly engine: 'auto' | 'kernel' | 'v8'
  readonly interface: readonly string[]
  readonly socket: string
  readonly rules?: string
}

export function describe(command: Command): void {
  command
    .description(
      'Be a director: take frames from the interfaces, forward them to real servers, and answer ipvsadm.\n' +
        'Prints READY on stderr when it serves; ends on SIGINT or SIGTERM.',
    )
    .addOption(
      new Option('--engine <engine>', 'what runs the packet path')
        .choices(['auto', 'kernel', 'v8'])
        .default('auto'),
    )
    .option(
      '--interface <names...>',
      'interfaces to take frames from (default: all with an address)',
      [],
    )
    .option(
      '--socket <path>',
      'where to answer (default: SLUICE_SOCKET, else ' + `${DEFAULT_SOCKET_PATH})`,
      process.env['SLUICE_SOCKET'] ?? DEFAULT_SOCKET_PATH,
    )
    .option(
      '--rules <file>',
      'services and servers to begin with, as `ipvsadm -Sn --extended` writes them',
    )
    .action(run)
}

async function run(options: RunOptions): Promise<void> {
  if (options.engine === 'kernel') {
    throw new Failure(Exit.lacking, 'the kernel engine is not there yet: use --engine v8')
  }
  if (process.getuid?.() !== 0) {
    throw new Failure(Exit.lacking, 'run needs root (CAP_NET_ADMIN and CAP_NET_RAW).')
  }
  const rules = options.rules === undefined ? [] : readRules(options.rules)
  const { logToStderr } = await import('../daemon/log.ts')
  const daemon = await open(options, logToStderr)
  let isEnding = false
  const end = (status: number) => {
    if (isEnding) return
    isEnding = true
    void daemon.close().finally(() => process.exit(status))
  }
  process.on('uncaughtException', (error) => {
    logToStderr('error', error.stack ?? error.message)
    end(1)
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => end(0))
  try {
    daemon.start()
    if (options.rules !== undefined) await applyRules(daemon, options.rules, rules)
    await daemon.listen()
  } catch (error) {
    await daemon.close()
    throw error
  }
  if (options.engine === 'auto')
    logToStderr('info', 'engine v8: the kernel engine is not there yet')
  process.stderr.write(`READY on ${daemon.attached}, control socket ${options.socket}\n`)
  daemon.announceReady()
}

/** What the kernel does not grant is what this machine lacks. */
async function open(options: RunOptions, log: Log): Promise<DirectorDaemon> {
  const { DirectorDaemon } = await import('../daemon/director-daemon.ts')
  try {
    const { socket: socketPath, interface: interfaces } = options
    return await DirectorDaemon.open({ socketPath, interfaces }, log)
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'KernelError') throw error
    throw new Failure(Exit.lacking, `cannot start the v8 engine: ${error.message}`)
  }
}

/** All of the file, or the daemon does not start. In one go: the engine learns of all of it at once. */
async function applyRules(
  daemon: DirectorDaemon,
  path: string,
  rules: readonly Rule[],
): Promise<void> {
  const outcomes = await Promise.allSettled(
    // Each of these calls takes its own parameters: the pairs are right, TypeScript cannot see it.
    rules.map((rule) => (daemon.calls[rule.call] as (parameters: unknown) => unknown)(rule.with)),
  )
  const refusals = outcomes.flatMap((outcome, i) => {
    if (outcome.status === 'fulfilled') return []
    if (!(outcome.reason instanceof ControlError)) throw outcome.reason
    return [`${path}:${rules[i]!.line}: ${outcome.reason.message}`]
  })
  if (refusals.length > 0) throw new Failure(Exit.no, refusals.join('\n'))
}
