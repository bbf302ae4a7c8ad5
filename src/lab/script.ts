/**
 * Starts the programs of this room, `udp-echo`, `load` and `guardian`, as they are here: compiled, or as TypeScript
 * where this process runs with a loader for it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Host, StartOptions } from './host.ts'

/** On a host of the lab. */
export function startScript(
  host: Host,
  name: string,
  args: readonly string[],
  options: StartOptions,
): ChildProcess {
  return host.start(process.execPath, [...scriptArguments(name), ...args], options)
}

/** From now on the lab of this process goes with it. The result lets the guardian end, and waits for that. */
export function startGuardian(): () => Promise<void> {
  const args = [...scriptArguments('guardian'), String(process.pid)]
  const guardian = spawn(process.execPath, args, {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const ended = once(guardian, 'close')
  return async () => {
    guardian.stdin.end()
    await ended
  }
}

/** Arguments of Node that run the program; of this process's own only those that load a loader. */
function scriptArguments(name: string): string[] {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const loaders = process.execArgv.flatMap((argument, index, all) =>
    ['--import', '--require'].includes(argument) ? [argument, all[index + 1] ?? ''] : [],
  )
  return [...loaders, fileURLToPath(new URL(name + extension, import.meta.url))]
}
