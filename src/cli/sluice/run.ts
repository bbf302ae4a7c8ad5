/**
 * `sluice run`: the daemon, in the foreground, until SIGINT or SIGTERM.
 */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { ControlError } from '../../control/control-error.ts'
import { DEFAULT_SOCKET_PATH } from '../../control/protocol.ts'
import type { DirectorDaemon } from '../../daemon/director-daemon.ts'
import type { Log } from '../../daemon/log.ts'
import { readRules } from '../input-file.ts'
import type { Rule } from '../ipvsadm/rules.ts'
import { Exit, Failure } from './exit.ts'

/** Connections at once: memory is taken for all of them. */
const CONNECTIONS_LIMIT = 1 << 21

interface RunOptions {
  readonly engine: 'auto' | 'kernel' | 'v8'
  readonly attach: 'auto' | 'xdp' | 'tc'
  readonly name: string
  readonly interface: readonly string[]
  readonly connections?: number
  readonly socket: string
  readonly rules?: string
  readonly detachOnExit: boolean
}

export function describe(command: Command): void {
  command
    .description(
      'Be a director: take frames from the interfaces, forward them to real servers, and answer ipvsadm.\n' +
        'Prints READY on stderr when it serves; ends on SIGINT or SIGTERM. What the kernel engine forwards it\n' +
        'forwards on then, and the next `sluice run` goes on with it; `sluice detach` ends it for good.',
    )
    .addOption(
      new Option('--engine <engine>', 'what runs the packet path: the kernel, or this process')
        .choices(['auto', 'kernel', 'v8'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--attach <place>',
        'where the kernel runs it (auto: XDP on network cards, else tc)',
      )
        .choices(['auto', 'xdp', 'tc'])
        .default('auto'),
    )
    .option(
      '--name <name>',
      'of the instance in the kernel, if there are several (default: SLUICE_NAME, else default)',
      process.env['SLUICE_NAME'] ?? 'default',
    )
    .option(
      '--interface <names...>',
      'interfaces to take frames from (default: all with an address)',
      [],
    )
    .addOption(
      new Option(
        '--connections <number>',
        'how many may be open at once (default: 1048576)',
      ).argParser(readConnections),
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
    .option('--detach-on-exit', 'give everything back to the host at the end', false)
    .action(run)
}

function readConnections(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > CONNECTIONS_LIMIT) {
    throw new InvalidArgumentError(`it is a whole number from 1 to ${CONNECTIONS_LIMIT}.`)
  }
  return number
}

async function run(options: RunOptions): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Failure(Exit.lacking, 'run needs root (CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF).')
  }
  const rules = options.rules === undefined ? [] : readRules(options.rules)
  const { logToStderr } = await import('../../daemon/log.ts')
  const daemon = await open(options, logToStderr)
  let isEnding = false
  const end = (status: number, ending: 'leave' | 'detach') => {
    if (isEnding) return
    isEnding = true
    void daemon.close(ending).finally(() => process.exit(status))
  }
  process.on('uncaughtException', (error) => {
    logToStderr('error', error.stack ?? error.message)
    end(1, 'leave')
  })
  const atEnd = options.detachOnExit ? 'detach' : 'leave'
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => end(0, atEnd))
  try {
    daemon.start()
    if (options.rules !== undefined) await applyRules(daemon, options.rules, rules, logToStderr)
    await daemon.listen()
  } catch (error) {
    await daemon.close(daemon.isAdopted ? 'leave' : 'detach')
    throw error
  }
  process.stderr.write(`READY on ${daemon.attached}, control socket ${options.socket}\n`)
  daemon.announceReady()
}

async function open(options: RunOptions, log: Log): Promise<DirectorDaemon> {
  const { DirectorDaemon } = await import('../../daemon/director-daemon.ts')
  try {
    const { socket: socketPath, interface: interfaces, name: instance, engine, attach } = options
    const engineOptions = { engine, attach, instance, connectionsMax: options.connections }
    return await DirectorDaemon.open({ ...engineOptions, socketPath, interfaces }, log)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    // What the kernel does not grant is what this machine lacks.
    if (error.name === 'KernelError' || isLacking(error)) {
      throw new Failure(Exit.lacking, `cannot start the engine: ${error.message}`)
    }
    if (error.name === 'EngineProblem') throw new Failure(Exit.no, error.message)
    throw error
  }
}

function isLacking(error: Error): boolean {
  return error.name === 'EngineProblem' && 'isLacking' in error && error.isLacking === true
}

/** All of the file, or the daemon does not start. In one go: the engine learns of all of it at once. */
async function applyRules(
  daemon: DirectorDaemon,
  path: string,
  rules: readonly Rule[],
  log: Log,
): Promise<void> {
  if (daemon.isAdopted) {
    log('info', `${path} is for the beginning alone, and this is none: \`ipvsadm -R\` restores it`)
    return
  }
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
