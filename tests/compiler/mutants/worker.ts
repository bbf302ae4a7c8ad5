/**
 * Goes through the checks with one mutant after the other, for tools/mutants.mjs, which writes src/compiler anew with
 * all mutants in it and a switch beside them:
 *
 *     worker.js FOLDER            the mutant that MUTANT names is there from the beginning; without it, none
 *
 * From its parent come `{ mutant, checks }`: to go through those of these numbers until one fails. Without a mutant it
 * goes through all, keeps in FOLDER/baseline.json what came out, and says which mutants each check meets.
 *
 * To its parent: `{ check }` before each, and at the end `{ killer }`; null: no check noticed.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stayOnOneProcessor } from '../one-processor.ts'
import { enterTwinNetwork } from '../twins/programs.ts'
import { allChecks, forget, type Baseline } from './checks.ts'

/** What tools/mutants.mjs puts beside the compiler. */
interface Switch {
  /** By mutant: was it asked for? */
  readonly seen: Uint8Array
  choose(mutant: number): void
}

const [folder] = process.argv.slice(2)
const file = join(folder!, 'baseline.json')
const path = '../../../src/compiler/mutant-switch.js'
const { seen, choose } = (await import(path)) as Switch
const atOnce = numbersSeen()
const isRoot = process.getuid?.() === 0
if (isRoot) {
  enterTwinNetwork()
  stayOnOneProcessor()
}

const known = new Map<string, string>(
  existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as [string, string][]) : [],
)
const baseline: Baseline & { isFirst: boolean } = {
  isFirst: false,
  isSame(what, text) {
    const hash = createHash('sha1').update(text).digest('base64')
    if (baseline.isFirst) known.set(what, hash)
    return !baseline.isFirst && known.get(what) === hash
  },
}

const checks = allChecks(isRoot)

process.on('message', (message: { mutant?: number; checks?: number[] }) => {
  if (message.mutant === undefined) return begin()
  const { mutant, checks: numbers = checks.map((_, i) => i) } = message
  choose(mutant)
  forget()
  let killer: string | null = null
  for (const number of numbers) {
    const { name, run } = checks[number]!
    process.send!({ check: number })
    try {
      run(baseline)
    } catch (error) {
      killer = `${name}: ${String((error as Error).message)
        .split('\n')[0]!
        .slice(0, 100)}`
      break
    }
  }
  choose(Number(process.env['MUTANT'] ?? -1))
  process.send!({ killer, isClean: process.env['MUTANT'] !== undefined || isClean() })
})
process.send!({ isReady: true })

/** Is everything as before, without the mutant? */
function isClean(): boolean {
  const simple = checks.find(({ name }) => name === 'interpreted calls')!
  try {
    baseline.isFirst = false
    simple.run(baseline)
    return true
  } catch {
    return false
  }
}

/** Everything once without a mutant: what comes out, how long it takes, which mutants it meets. */
function begin(): void {
  baseline.isFirst = true
  const met = checks.map(({ name, run }) => {
    seen.fill(0)
    const before = process.cpuUsage()
    run(baseline)
    const { user, system } = process.cpuUsage(before)
    return { name, cpuMs: (user + system) / 1000, mutants: numbersSeen() }
  })
  baseline.isFirst = false
  writeFileSync(file, JSON.stringify([...known]))
  process.send!({ atOnce, met })
}

function numbersSeen(): number[] {
  return [...seen.entries()].filter(([, count]) => count > 0).map(([number]) => number)
}
