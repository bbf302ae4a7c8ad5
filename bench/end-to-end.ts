/**
 * End to end: a real client (wrk, iperf3), real servers (nginx, iperf3), and on the director in between, one after
 * the other, Sluice and those whose place it wants to take.
 *
 *   client ── net1 ── director ── net2 ──┬── server1 … server3
 *                                        └── neighbour: asks the servers without a director
 *
 * Every round runs every contender once, every other round in the opposite order, so that a noisy minute hits all
 * alike; the medians count. A contender that fails a request is shown with how many.
 *
 * Director, client and servers share this machine's processors, all of them, with nobody bound to any; and what the
 * kernel does for a packet it does on whichever processor the sender is on. So a director that costs nothing is no
 * faster than `no director`, and a director's own cost is what a request takes of all processors' time beyond that
 * one's: the columns of µs, idle time left out. They count whatever else runs here. On a busy machine let others wait:
 *
 *   chrt -r 10 npm run bench -- end-to-end [--rounds=5] [--seconds=2] [--only=nftables,sluice-kernel]
 */
import { rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { clearLab, labFolder, labPrefix } from '../src/lab/leftovers.ts'
import { Lacking } from '../src/lab/commands.ts'
import { Lan } from '../src/lab/lan.ts'
import { contenders, DIRECT, type Contender, type Running } from './parts/contenders.ts'
import { measureBulk, measureRequests, type Requests } from './parts/load-tools.ts'
import { printTable } from './parts/measure.ts'
import { buildSite } from './parts/site.ts'

const option = (name: string, usual: string) =>
  process.argv.find((word) => word.startsWith(`--${name}=`))?.split('=')[1] ?? usual
const ROUNDS = Number(option('rounds', '5'))
const SECONDS = Number(option('seconds', '2'))
const ONLY = option('only', '')
const OURS = 'sluice-kernel'

interface Result {
  readonly opened: Requests[]
  readonly kept: Requests[]
  readonly bulk: number[]
}

const lan = new Lan(labPrefix())
try {
  const site = await buildSite(lan, labFolder())
  const chosen = contenders(site).filter(
    ({ name }) => ONLY === '' || ONLY.split(',').includes(name),
  )
  const results = new Map<string, Result>(
    chosen.map(({ name }) => [name, { opened: [], kept: [], bulk: [] }]),
  )
  for (let round = 0; round < ROUNDS; round++) {
    for (const contender of round % 2 === 0 ? chosen : [...chosen].reverse()) {
      const result = results.get(contender.name)
      if (result === undefined) continue
      const running = await startOrSayWhy(contender)
      if (running === undefined) {
        results.delete(contender.name)
        continue
      }
      result.opened.push(await measureRequests(site, running, SECONDS, 'close'))
      result.kept.push(await measureRequests(site, running, SECONDS, 'keep'))
      result.bulk.push(await measureBulk(running, SECONDS))
      await running.stop()
      console.error(`round ${round + 1} of ${ROUNDS}: ${contender.name}`)
    }
  }
  print(results)
  printRatios(results)
  console.log(
    `\nMedians of ${ROUNDS} rounds of ${SECONDS} s on ${availableParallelism()} processors.`,
  )
} finally {
  lan.takeDown()
  rmSync(labFolder(), { recursive: true, force: true })
  clearLab()
}

/** Undefined where this machine lacks what it takes, which is said. */
async function startOrSayWhy({ name, start }: Contender): Promise<Running | undefined> {
  try {
    return await start()
  } catch (error) {
    if (!(error instanceof Lacking)) throw error
    console.error(`${name} is left out: ${error.message}`)
    return undefined
  }
}

/** New connections/s, requests/s over kept ones, Gbit/s. */
function speeds({ opened, kept, bulk }: Result): number[] {
  const perSecond = (all: readonly Requests[]) => median(all.map((one) => one.perSecond))
  return [perSecond(opened), perSecond(kept), median(bulk)]
}

function print(results: ReadonlyMap<string, Result>): void {
  const rows = [
    ['director', 'new connections/s', 'own µs', 'kept-alive requests/s', 'own µs', 'Gbit/s'],
  ]
  const costs = ({ opened, kept }: Result) =>
    [opened, kept].map((all) => median(all.map((one) => one.cpuS)) * 1e6)
  const direct = results.get(DIRECT)
  for (const [name, result] of results) {
    const failed = [...result.opened, ...result.kept].reduce((sum, one) => sum + one.failed, 0)
    const [opened, kept, bulk] = speeds(result)
    const own = costs(result).map((cost, i) =>
      direct === undefined || result === direct ? '' : (cost - costs(direct)[i]!).toFixed(1),
    )
    const cells = [thousands(opened!), own[0]!, thousands(kept!), own[1]!, bulk!.toFixed(2)]
    rows.push([failed > 0 ? `${name} (${failed} failed)` : name, ...cells])
  }
  printTable(rows)
}

/** How many times as fast as each of the others Sluice is. */
function printRatios(results: ReadonlyMap<string, Result>): void {
  const ours = results.get(OURS)
  if (ours === undefined || results.size < 2) return
  const rows = [[`${OURS} against`, 'new', 'kept-alive', 'bulk']]
  for (const [name, result] of results) {
    if (result === ours) continue
    const theirs = speeds(result)
    rows.push([name, ...speeds(ours).map((value, i) => (value / theirs[i]!).toFixed(2))])
  }
  console.log()
  printTable(rows)
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]!
}
