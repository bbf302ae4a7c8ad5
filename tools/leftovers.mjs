// What tests may leave behind on the machine: network namespaces, interfaces, processes.
//
// A process belongs to this run if it inherited the run's mark in its environment or, since some programs
// overwrite that (nginx), if it was started on or holds open something in the run's folder for temporary files.
// Namespaces and interfaces carry no mark: they are compared before and after, and one whose name contains the
// pid of a living process that is not of this run belongs to somebody else who works here at the same time.
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const MARK_NAME = 'SLUICE_TEST_RUN'
const MARK = `${process.pid}-${Date.now()}`
let folder = ''

/** From here on every process is known again, and temporary files have a folder that is removed at the end. */
export function markProcesses() {
  process.env[MARK_NAME] = MARK
  folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  process.env.TMPDIR = folder
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
}

/** Names of network namespaces and interfaces as they are now. */
export function lookAround() {
  return { namespaces: list('/run/netns'), interfaces: list('/sys/class/net') }
}

/**
 * Sentences that say what is there now and was not `before`; waits a little for what is just ending.
 * Processes of this run that are still alive are ended, after they have been named.
 */
export async function findLeftovers(before) {
  let found = []
  for (let attempt = 0; attempt < 10; attempt++) {
    found = compare(before)
    if (found.length === 0) return []
    await sleep(300)
  }
  for (const { pid } of ourProcesses()) end(pid)
  return found
}

function end(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it ended by itself
  }
}

function compare(before) {
  const after = lookAround()
  const fresh = (kind) => after[kind].filter((name) => !before[kind].includes(name) && isOurs(name))
  return [
    ...fresh('namespaces').map((name) => `network namespace ${name}`),
    ...fresh('interfaces').map((name) => `interface ${name}`),
    ...ourProcesses().map(({ pid, command }) => `process ${pid}: ${command}`),
  ]
}

function isOurs(name) {
  const pids = (name.match(/\d+/g) ?? []).filter((digits) => existsSync(`/proc/${digits}`))
  return pids.every((pid) => Number(pid) <= 1 || isOfThisRun(pid))
}

function ourProcesses() {
  return list('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid && isOfThisRun(name))
    .map((pid) => ({
      pid: Number(pid),
      command: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' '),
    }))
}

function isOfThisRun(pid) {
  if (read(`/proc/${pid}/environ`).split('\0').includes(`${MARK_NAME}=${MARK}`)) return true
  if (read(`/proc/${pid}/cmdline`).includes(folder)) return true
  return openFiles(pid).some((path) => path.startsWith(folder))
}

function openFiles(pid) {
  try {
    const links = readdirSync(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`)
    return [`/proc/${pid}/cwd`, ...links].map((link) => readlinkSync(link))
  } catch {
    return [] // it ended meanwhile, or is none of our business
  }
}

function list(path) {
  return existsSync(path) ? readdirSync(path) : []
}

/** A file's text, or nothing: processes come and go while we look. */
function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
