/**
 * End to end: a real client (wrk, iperf3), real servers (nginx, iperf3), and on the director in between, one after
 * the other, Sluice and those whose place it wants to take.
 *
 *   client ── net1 ── director ── net2 ── server1 … server3
 *
 * `plain` is the upper limit: the client talks to the servers themselves and the director only routes. Every round
 * runs every contender once, so that a noisy minute hits all alike; the medians' ratios to `plain` are what to look
 * at. All of it shares this machine's cores. A contender that fails a request is shown with how many.
 *
 *   npm run bench -- end-to-end [--rounds=5] [--seconds=2] [--only=plain,nftables]
 */
import { rmSync } from 'node:fs'
import { clearLab, labFolder, labPrefix } from '../src/lab/leftovers.ts'
import { Lacking } from '../src/lab/commands.ts'
import { Lan } from '../src/lab/lan.ts'
import { contenders, type Contender, type Running } from './parts/contenders.ts'
import { measureBulk, measureRequests, type Requests } from './parts/load-tools.ts'
import { printTable } from './parts/measure.ts'
import { buildSite } from './parts/site.ts'

const option = (name: string, usual: string) =>
  process.argv.find((word) => word.startsWith(`--${name}=`))?.split('=')[1] ?? usual
const ROUNDS = Number(option('rounds', '5'))
const SECONDS = Number(option('seconds', '2'))
const ONLY = option('only', '')

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
    for (const contender of chosen) {
      const result = results.get(contender.name)
      if (result === undefined) continue
      const running = await startOrSayWhy(contender)
      if (running === undefined) {
        results.delete(contender.name)
        continue
      }
      const { targets, stop } = running
      result.opened.push(await measureRequests(site, targets, SECONDS, 'close'))
      result.kept.push(await measureRequests(site, targets, SECONDS, 'keep'))
      result.bulk.push(await measureBulk(site, targets[0]!, SECONDS))
      await stop()
      console.error(`round ${round + 1} of ${ROUNDS}: ${contender.name}`)
    }
  }
  print(results)
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

function print(results: ReadonlyMap<string, Result>): void {
  const rows = [
    ['director', 'new connections/s', 'ratio', 'kept-alive requests/s', 'ratio', 'Gbit/s', 'ratio'],
  ]
  const middles = [...results].map(([name, { opened, kept, bulk }]) => ({
    name,
    values: [
      median(opened.map(({ perSecond }) => perSecond)),
      median(kept.map(({ perSecond }) => perSecond)),
      median(bulk),
    ],
    failed: [...opened, ...kept].reduce((sum, { failed }) => sum + failed, 0),
  }))
  const [base] = middles
  for (const { name, values, failed } of middles) {
    const cells = values.flatMap((value, i) => [
      i === 2 ? value.toFixed(2) : Math.round(value).toLocaleString('en'),
      (value / base!.values[i]!).toFixed(2),
    ])
    rows.push([failed > 0 ? `${name} (${failed} failed)` : name, ...cells])
  }
  printTable(rows)
  console.log(`\nMedians of ${ROUNDS} rounds of ${SECONDS} s; ratios to the first line.`)
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]!
}
