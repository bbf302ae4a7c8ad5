/**
 * Starts the programs of this room, `udp-echo`, `load` and others, as they are here: compiled, or as TypeScript where
 * this process runs with a loader for it.
 */
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Host, StartOptions } from './host.ts'

/** Arguments of Node that run the program. */
export function scriptArguments(name: string): string[] {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  return [...process.execArgv, fileURLToPath(new URL(name + extension, import.meta.url))]
}

export function startScript(
  host: Host,
  name: string,
  args: readonly string[],
  options: StartOptions,
): ChildProcess {
  return host.start(process.execPath, [...scriptArguments(name), ...args], options)
}
