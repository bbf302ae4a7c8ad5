/**
 * The journal of changes: what a run is about to change, written down before it does, so that the next run can
 * take it over after `kill -9`.
 *
 *   /run/sluice/realserver-4026531840.jsonl      one per network namespace, named by its inode; locked by the run
 *   {"kind":"setting","name":"net.ipv4.conf.eth0.arp_ignore","before":"0","after":"1"}
 *   {"kind":"address","ip":"10.0.0.100"}
 *
 * Lines are only appended, each with one write, so a kill cannot spoil an earlier one. A line does not say that the
 * change was made, nor that it still holds: its reader asks `isInForce`. The file goes with the run that ends
 * well; the lock goes with any.
 */
import { mkdirSync, readFileSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseIp } from '../base/ip.ts'
import { FileLock } from '../kernel/file-lock.ts'
import type { Change } from './change.ts'

const FOLDER = '/run/sluice'
const SETTING = /^net\.ipv4\.conf\.[^.]+\.\w+$/

export class Journal {
  readonly path: string
  readonly #lock: FileLock

  private constructor(path: string, lock: FileLock) {
    this.path = path
    this.#lock = lock
  }

  /** Undefined if another run has it. Throws errors of node:fs. */
  static open(path: string = journalPath()): Journal | undefined {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
    const lock = FileLock.take(path)
    return lock === undefined ? undefined : new Journal(path, lock)
  }

  /** What was written so far, by earlier runs too; a line that cannot be read is left out. */
  read(): Change[] {
    const lines = readFileSync(this.path, 'utf8').split('\n')
    return lines.flatMap((line) => parseChange(line) ?? [])
  }

  add(change: Change): void {
    writeSync(this.#lock.fd, `${JSON.stringify(change)}\n`)
  }

  /** All is undone: nothing to take over. */
  remove(): void {
    this.#lock.remove()
  }

  /** For the next run to read. */
  close(): void {
    this.#lock.release()
  }
}

/** Of this thread's network namespace. */
function journalPath(): string {
  return `${FOLDER}/realserver-${statSync('/proc/thread-self/ns/net').ino}.jsonl`
}

/** Undefined for anything but a change of the kind that we make. */
function parseChange(line: string): Change | undefined {
  const { kind, name, before, after, ip } = parseObject(line)
  if (kind === 'address' && typeof ip === 'string' && parseIp(ip) === ip) return { kind, ip }
  if (kind !== 'setting' || typeof name !== 'string' || !SETTING.test(name)) return undefined
  return typeof before === 'string' && typeof after === 'string'
    ? { kind, name, before, after }
    : undefined
}

function parseObject(line: string): Readonly<Record<string, unknown>> {
  try {
    return (JSON.parse(line) ?? {}) as Record<string, unknown>
  } catch {
    return {}
  }
}
