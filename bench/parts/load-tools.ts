/**
 * The tools that make load: wrk for requests, iperf3 for bytes.
 */
import { writeFileSync } from 'node:fs'
import { BULK, HTTP, output, type Site } from './site.ts'

const THREADS = 3
const CONNECTIONS = 48
/** As iperf3 has it: streams beside each other. */
const STREAMS = 2

export interface Requests {
  readonly perSecond: number
  /** Socket errors, time-outs and answers other than 200. */
  readonly failed: number
}

/** `close`: a connection for each request; `keep`: all over the same ones. Threads go round the targets. */
export async function measureRequests(
  site: Site,
  targets: readonly string[],
  seconds: number,
  how: 'close' | 'keep',
): Promise<Requests> {
  const script = `${site.folder}/targets.lua`
  writeFileSync(script, luaFor(targets))
  const close = how === 'close' ? ['-H', 'Connection: close'] : []
  const size = [`-t${THREADS}`, `-c${CONNECTIONS}`, `-d${seconds}`, '-s', script]
  const text = await output(site.client, 'wrk', [
    ...size,
    ...close,
    `http://${targets[0]}:${HTTP}/`,
  ])
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? 0)
  const errors = [...text.matchAll(/(?:connect|read|write|timeout) (\d+)/g)].map(([, n]) =>
    Number(n),
  )
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0)
  return { perSecond, failed: errors.reduce((sum, n) => sum + n, refused) }
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

/** Gbit/s received. Control and data connections must reach the same server. */
export async function measureBulk(site: Site, target: string, seconds: number): Promise<number> {
  const args = [
    '-c',
    target,
    '-p',
    String(BULK),
    '-P',
    String(STREAMS),
    '-t',
    String(seconds),
    '-J',
  ]
  const result = JSON.parse(await output(site.client, 'iperf3', args)) as {
    readonly end: { readonly sum_received: { readonly bits_per_second: number } }
  }
  return result.end.sum_received.bits_per_second / 1e9
}
