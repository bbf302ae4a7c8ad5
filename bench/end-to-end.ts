/**
 * End to end: a real client (wrk, iperf3), real servers (nginx, iperf3), and on the director in between, one after
 * the other, Sluice and those whose place it wants to take.
 *
 *   client ── net1 ── director ── net2 ──┬── server1 … server3
 *                                        └── neighbour: asks the servers without a director
 *
 * Every round runs every contender once, every other round in the opposite order, so that a noisy minute hits all
 * alike. The medians count, and of the ratios those of each round. A contender that fails a request is shown with how
 * many.
 *
 * Director, client and servers share this machine's processors, all of them, and only the two ends of bulk are bound
 * to any; what the kernel does for a packet it does on whichever the sender is on. So a director that costs nothing is
 * no faster than `no director`, and a director's own cost is what a request takes of all processors' time beyond that
 * one's: the columns of µs, idle time left out. (There each of wrk's threads has a server to itself, as with plain
 * routing; no balancing is as good.) They count whatever else runs here. On a busy machine let others wait:
 *
 *   chrt -r 10 npm run bench -- end-to-end [--rounds=5] [--seconds=2] [--only=nftables,sluice-kernel]
 */
import { rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { clearLab, labFolder, labPrefix } from '../src/lab/leftovers.ts'
import { Lacking } from '../src/lab/commands.ts'
import { Lan } from '../src/lab/lan.ts'
import { contenders, DIRECT, type Contender, type Running } from './parts/contenders.ts'
import { measureBulk, measureRequests, type Place, type Requests } from './parts/load-tools.ts'
import { printTable } from './parts/measure.ts'
import { buildSite } from './parts/site.ts'

const option = (name: string, usual: string) =>
  process.argv.find((word) => word.startsWith(`--${name}=`))?.split('=')[1] ?? usual
const ROUNDS = Number(option('rounds', '5'))
const SECONDS = Number(option('seconds', '2'))
const ONLY = option('only', '')
const CORES = availableParallelism()
const OURS = 'sluice-kernel'

interface Result {
  readonly opened: Requests[]
  readonly kept: Requests[]
  readonly bulk: Record<Place, number[]>
}

const lan = new Lan(labPrefix())
try {
  const site = await buildSite(lan, labFolder())
  const chosen = contenders(site).filter(
    ({ name }) => ONLY === '' || ONLY.split(',').includes(name),
  )
  const results = new Map<string, Result>(
    chosen.map(({ name }) => [name, { opened: [], kept: [], bulk: { one: [], two: [] } }]),
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
      result.bulk.one.push(await measureBulk(running, SECONDS, 'one'))
      if (CORES > 1) result.bulk.two.push(await measureBulk(running, SECONDS, 'two'))
      await running.stop()
      console.error(`round ${round + 1} of ${ROUNDS}: ${contender.name}`)
    }
  }
  print(results)
  printRatios(results)
  console.log(`\nMedians of ${ROUNDS} rounds of ${SECONDS} s on ${CORES} processors.`)
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

/** Each round's new connections/s, requests/s over kept ones, Gbit/s on one processor and on two. */
function roundsOf({ opened, kept, bulk }: Result): (readonly number[])[] {
  const perSecond = (all: readonly Requests[]) => all.map((one) => one.perSecond)
  return [perSecond(opened), perSecond(kept), bulk.one, bulk.two]
}

function print(results: ReadonlyMap<string, Result>): void {
  const rows = [['director', 'new/s', 'own µs', 'kept-alive/s', 'own µs', 'Gbit/s', 'on two']]
  const direct = results.get(DIRECT)
  for (const [name, result] of results) {
    const failed = [...result.opened, ...result.kept].reduce((sum, one) => sum + one.failed, 0)
    const [opened, kept, one, two] = roundsOf(result).map(median) as [
      number,
      number,
      number,
      number,
    ]
    const own = costs(result).map((cost, i) =>
      direct === undefined || result === direct ? '' : (cost - costs(direct)[i]!).toFixed(1),
    )
    const cells = [thousands(opened), own[0]!, thousands(kept), own[1]!, tenths(one), tenths(two)]
    rows.push([failed > 0 ? `${name} (${failed} failed)` : name, ...cells])
  }
  printTable(rows)
}

/** µs of all processors that a new connection takes, and a request over a kept one. */
function costs({ opened, kept }: Result): number[] {
  return [opened, kept].map((all) => median(all.map(({ cpuS }) => cpuS)) * 1e6)
}

/** How many times as fast as each of the others Sluice is, in the same round. */
function printRatios(results: ReadonlyMap<string, Result>): void {
  const ours = results.get(OURS)
  if (ours === undefined || results.size < 2) return
  const rows = [[`${OURS} against`, 'new', 'kept-alive', 'bulk', 'on two']]
  for (const [name, result] of results) {
    if (result === ours) continue
    const theirs = roundsOf(result)
    const ratios = roundsOf(ours).map((all, i) =>
      median(all.map((value, round) => value / theirs[i]![round]!)),
    )
    rows.push([name, ...ratios.map((ratio) => (Number.isNaN(ratio) ? '' : ratio.toFixed(2)))])
  }
  console.log()
  printTable(rows)
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function tenths(value: number): string {
  return Number.isNaN(value) ? '' : value.toFixed(1)
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? NaN
}
