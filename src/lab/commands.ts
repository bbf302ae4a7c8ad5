/**
 * Sluice's own commands, started on hosts of the lab through the launchers in bin/, as an operator starts them.
 */
import { execFile, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Host } from './host.ts'
import { SLOWNESS } from './slowness.ts'

const READY_MS = 20_000 * SLOWNESS
const POLL_MS = 10
/** Exit status of each of our commands: this machine lacks something. */
const LACKING = 77

/** What this machine lacks, as the command that noticed says it. */
export class Lacking extends Error {}

/**
 * Starts a command that stays; resolves when it says READY. Throws what it said instead. `release`: the folder of
 * another release whose command is meant.
 */
export async function startCommand(
  host: Host,
  command: string,
  args: readonly string[],
  log: string,
  release?: string,
): Promise<ChildProcess> {
  const path = release === undefined ? launcher(command) : join(release, 'bin', command)
  const child = host.start(process.execPath, [path, ...args], { log })
  const end = performance.now() + READY_MS
  while (!/^READY/m.test(readFileSync(log, 'utf8'))) {
    const said = () => readFileSync(log, 'utf8').trim()
    if (child.exitCode === LACKING) throw new Lacking(said())
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > end) {
      throw new Error(`${command} ${args[0]} did not start: ${said()}`)
    }
    await sleep(POLL_MS)
  }
  return child
}

/** Runs a command to its end; resolves to what it prints. Throws what it complains about. */
export function callCommand(
  host: Host,
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  input = '',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { env: { ...process.env, ...environment } }
    const whole = [launcher(command), ...args]
    const child = host.run(() =>
      execFile(process.execPath, whole, options, (error, stdout, stderr) => {
        if (error === null) resolve(stdout)
        else if (error.code === LACKING) reject(new Lacking(stderr.trim()))
        else reject(new Error(`${command} ${args.join(' ')}: ${stderr.trim() || error.message}`))
      }),
    )
    child.stdin!.end(input)
  })
}

/** One of bin/, which is above this file, compiled or not. */
export function launcher(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'bin', name))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error(`there is no bin/${name} above ${import.meta.url}`)
    folder = parent
  }
  return join(folder, 'bin', name)
}
