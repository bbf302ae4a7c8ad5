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
import { isKernelError } from '../kernel/errno.ts'
import { deleteNamespace, listNamespaces } from '../kernel/netns.ts'

const FOLDER = '/run/sluice-lab'
const KEPT = 'kept'
const NAME = /^sluice-(\d+)-/
const SWEEPS_MAX = 10

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
  rmSync(`${FOLDER}/${pid}`, { recursive: true, force: true })
  try {
    rmdirSync(FOLDER)
  } catch {
    // Others have labs, or nobody ever had one.
  }
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

/** By SIGKILL. Sweeps again, for what was forked meanwhile. */
function endProcesses(namespaces: readonly string[]): void {
  const ended = new Set<number>()
  for (let sweep = 0; sweep < SWEEPS_MAX; sweep++) {
    const fresh = processesIn(namespaces).filter((pid) => !ended.has(pid))
    if (fresh.length === 0) return
    for (const pid of fresh) {
      ended.add(pid)
      endProcess(pid)
    }
  }
}

/** Pids of all processes that are in one of the namespaces; never this one's. */
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

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}
