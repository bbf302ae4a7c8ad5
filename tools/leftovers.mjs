// What tests may leave behind on the machine: network namespaces, interfaces, processes.
//
// A process belongs to this run if it inherited the run's mark in its environment. Namespaces and interfaces
// carry no mark: they are compared before and after, and one whose name contains the pid of a living process
// that is not of this run belongs to somebody else who works here at the same time.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const MARK = `SLUICE_TEST_RUN=${process.pid}-${Date.now()}`

/** Marks this process's environment, so that every process started from here on is known again. */
export function markProcesses() {
  const [name, value] = MARK.split('=')
  process.env[name] = value
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
  for (const { pid } of markedProcesses()) process.kill(pid, 'SIGKILL')
  return found
}

function compare(before) {
  const after = lookAround()
  const fresh = (kind) => after[kind].filter((name) => !before[kind].includes(name) && isOurs(name))
  return [
    ...fresh('namespaces').map((name) => `network namespace ${name}`),
    ...fresh('interfaces').map((name) => `interface ${name}`),
    ...markedProcesses().map(({ pid, command }) => `process ${pid}: ${command}`),
  ]
}

function isOurs(name) {
  const pids = (name.match(/\d+/g) ?? []).filter((digits) => existsSync(`/proc/${digits}`))
  return pids.every((pid) => Number(pid) <= 1 || hasMark(pid))
}

function markedProcesses() {
  return list('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid && hasMark(name))
    .map((pid) => ({
      pid: Number(pid),
      command: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' '),
    }))
}

function hasMark(pid) {
  return read(`/proc/${pid}/environ`).split('\0').includes(MARK)
}

function list(folder) {
  return existsSync(folder) ? readdirSync(folder) : []
}

/** A file's text, or nothing: processes come and go while we look. */
function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
