/**
 * Removes laboratories: their processes, namespaces and files.
 *
 * A lab belongs to a process and says so in the names of its namespaces, `sluice-PID-…`, and of its folder,
 * /run/sluice-lab/PID. Which processes belong to it needs no list: those that are in its namespaces. So a lab can be
 * removed by anybody, also when the process that made it is gone.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { mountedBpfFilesystem } from '../kernel/bpf/filesystem.ts'
import { isKernelError } from '../kernel/errno.ts'
import { deleteNamespace, listNamespaces } from '../kernel/netns.ts'

const FOLDER = '/run/sluice-lab'
const KEPT = 'kept'
const NAME = /^sluice-(\d+)-/
/** How long processes may take to end when asked. */
const PATIENCE_MS = 2000
const POLL_MS = 5
/** A word that nobody changes, to wait for. */
const NOTHING = new Int32Array(new SharedArrayBuffer(4))

/** What the names of all namespaces of this process's labs begin with. */
export function labPrefix(pid: number = process.pid): string {
  return `sluice-${pid}`
}

/** For the lab's sockets, logs and configurations; made if it is not there. */
export function labFolder(pid: number = process.pid): string {
  const folder = `${FOLDER}/${pid}`
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

/** From now on only `./demo --clean` removes this process's lab. */
export function keepLab(): void {
  writeFileSync(`${labFolder()}/${KEPT}`, '')
}

export function isKept(pid: number): boolean {
  return existsSync(`${FOLDER}/${pid}/${KEPT}`)
}

/** Pids that have a lab, or had one. */
export function labPids(): number[] {
  const folders = existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => /^\d+$/.test(name)) : []
  const owners = listNamespaces().flatMap((name) => NAME.exec(name)?.[1] ?? [])
  return [...new Set([...folders, ...owners].map(Number))].sort((a, b) => a - b)
}

/** Removes the labs of processes that are gone, and on request those that were to be kept. Which? */
export function clearLeftovers(kept: 'spare kept' | 'also kept'): number[] {
  const gone = labPids().filter((pid) =>
    isKept(pid) ? kept === 'also kept' : !existsSync(`/proc/${pid}`),
  )
  for (const pid of gone) clearLab(pid)
  return gone
}

/** Everything that this process's labs are, or that one's. */
export function clearLab(pid: number = process.pid): void {
  clearNamespaces(`${labPrefix(pid)}-`)
  clearInstances(`${labPrefix(pid)}-`)
  rmSync(`${FOLDER}/${pid}`, { recursive: true, force: true })
  try {
    rmdirSync(FOLDER)
  } catch {
    // Others have labs, or nobody ever had one.
  }
}

/** What directors that were killed left in the kernel: their names, since all else went with the namespaces. */
export function clearInstances(prefix: string): void {
  for (const name of listInstances().filter((each) => each.startsWith(prefix))) {
    const folder = instanceFolder(name)
    for (const pin of readdirSync(folder)) rmSync(join(folder, pin))
    rmdirSync(folder)
  }
}

/** Of the kernel engine, whosesoever. */
export function listInstances(): string[] {
  const folder = instanceFolder('')
  return existsSync(folder) ? readdirSync(folder) : []
}

function instanceFolder(name: string): string {
  return join(mountedBpfFilesystem() ?? '/nowhere', 'sluice', name)
}

/** Removes the namespaces whose names begin so, after ending every process in them. */
export function clearNamespaces(prefix: string): void {
  const names = listNamespaces().filter((name) => name.startsWith(prefix))
  endProcesses(names)
  for (const name of names) {
    try {
      deleteNamespace(name)
    } catch (error) {
      if (!isKernelError(error, 'ENOENT')) throw error // somebody else was as quick
    }
  }
}

/**
 * Asks all to end, for what they would leave elsewhere on the machine they put in order themselves; ends those that do
 * not. Looks again after each signal, for what was forked meanwhile.
 */
function endProcesses(namespaces: readonly string[]): void {
  const asked = new Set<number>()
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const alive = processesIn(namespaces)
    const overdueMs = performance.now() - end
    if (alive.length === 0 || overdueMs > PATIENCE_MS) return
    const isLate = overdueMs > 0
    for (const pid of alive.filter((pid) => isLate || !asked.has(pid))) {
      signal(pid, isLate ? 'SIGKILL' : 'SIGTERM')
      asked.add(pid)
    }
    Atomics.wait(NOTHING, 0, 0, POLL_MS) // Synchronous, since this is for a process about to end, too.
  }
}

/** Pids of all processes that live in one of the namespaces; never this one's. */
export function processesIn(namespaces: readonly string[]): number[] {
  const wanted = new Set(namespaces.flatMap((name) => identityOf(`/run/netns/${name}`) ?? []))
  if (wanted.size === 0) return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => wanted.has(identityOf(`/proc/${pid}/ns/net`) ?? ''))
    .map(Number)
}

/** Of a namespace, by any of its handles; undefined where it, or the process, is gone. */
function identityOf(handle: string): string | undefined {
  try {
    const { dev, ino } = statSync(handle)
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended by itself.
  }
}
