/**
 * The tools that make load: wrk for requests, iperf3 for bytes.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { Host } from '../../src/lab/host.ts'
import { BULK, HTTP, output, type Site } from './site.ts'

const THREADS = 3
const CONNECTIONS = 48
/** As iperf3 has it: streams beside each other. */
const STREAMS = 2

export interface Requests {
  readonly perSecond: number
  /** Time of all processors that each took, seconds. */
  readonly cpuS: number
  /** Socket errors, time-outs and answers other than 200. */
  readonly failed: number
}

/** Whom the client asks; `client`: who asks. */
export interface Aim {
  readonly client: Host
  readonly targets: readonly string[]
}

/** `close`: a connection for each request; `keep`: all over the same ones. Threads go round the targets. */
export async function measureRequests(
  { folder }: Site,
  { client, targets }: Aim,
  seconds: number,
  how: 'close' | 'keep',
): Promise<Requests> {
  const script = `${folder}/targets.lua`
  writeFileSync(script, luaFor(targets))
  const close = how === 'close' ? ['-H', 'Connection: close'] : []
  const size = [`-t${THREADS}`, `-c${CONNECTIONS}`, `-d${seconds}`, '-s', script]
  const before = { atMs: performance.now(), idleS: idleSeconds() }
  const text = await output(client, 'wrk', [...size, ...close, `http://${targets[0]}:${HTTP}/`])
  const passedS = (performance.now() - before.atMs) / 1000
  const busyS = passedS * availableParallelism() - (idleSeconds() - before.idleS)
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? 0)
  const cpuS = busyS / (perSecond * seconds)
  const errors = [...text.matchAll(/(?:connect|read|write|timeout) (\d+)/g)].map(([, n]) =>
    Number(n),
  )
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0)
  return { perSecond, cpuS, failed: errors.reduce((sum, n) => sum + n, refused) }
}

/** That all processors together have had nothing to do, since the machine was started (proc_stat(5)). */
function idleSeconds(): number {
  const [, , , , idle, iowait] = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/\s+/)
  return (Number(idle) + Number(iowait)) / 100
}

function luaFor(targets: readonly string[]): string {
  return `
local n = 0
local targets = { ${targets.map((target) => `"${target}"`).join(', ')} }
function setup(thread)
  n = n + 1
  for _, address in ipairs(wrk.lookup(targets[(n - 1) % #targets + 1], "${HTTP}")) do thread.addr = address end
end
`
}

/** How many processors the two ends of bulk have. */
export type Place = 'one' | 'two'

/**
 * Gbit/s received. Control and data connections must reach the same server.
 *
 * Who sends and who receives are bound to processors. Else the scheduler puts them on one or on two as it happens, for
 * as long as a connection lasts; and bytes that have to come out of another processor's cache may come three times as
 * slowly, whoever forwards. In a virtual machine how slowly changes by the minute: where its processors are is the
 * host's affair.
 */
export async function measureBulk(
  { client, targets }: Aim,
  seconds: number,
  place: Place,
): Promise<number> {
  const size = ['-p', String(BULK), '-P', String(STREAMS), '-t', String(seconds)]
  const args = ['-c', targets[0]!, ...size, '-A', place === 'one' ? '0,0' : '0,1', '-J']
  const result = JSON.parse(await output(client, 'iperf3', args)) as {
    readonly end: { readonly sum_received: { readonly bits_per_second: number } }
  }
  return result.end.sum_received.bits_per_second / 1e9
}
