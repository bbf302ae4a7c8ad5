// Changes the compiler in one small place after the other, and looks whether its own tests notice:
// `node tools/mutants.mjs`.
//
//   --sample N     so many, chosen by --seed S; without it all there are
//   --file WORD    only of files of src/compiler/ whose name contains WORD
//   --jobs N       so many at the same time
//   --minutes N    begins no other after so long
//   --list         only say what would be changed
//
// All mutants are in one copy of the compiler at once (mutate.mjs), and a process goes through the checks of
// tests/compiler/mutants/ with one after the other. A first time without any says which mutants each check meets: the
// others cannot be noticed by it. What decides at once, when a module is read, gets a process of its own.
//
// A mutant is killed by a check that fails or takes too long. Survivors are printed, and the exit status says whether
// there are any. Works on a copy in a temporary folder, of dist/ as it is built; as root the kernel takes part.
import { fork } from 'node:child_process'
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { mutate, SWITCH } from './mutate.mjs'
import { ROOT } from './prepare.mjs'

const FOLDER = 'src/compiler'
/** What is said to people, and what only hands on; mutants there are no bugs of programs. */
const LEFT_OUT = [
  'dump.ts',
  'ir-print.ts',
  'programs.ts',
  'artefact.ts',
  'source-text.ts',
  'tree.ts',
  'ir.ts',
]
/** Of the processor's time that a check takes without a mutant, and what it may take in any case. */
const SLOWER = 10
const ALLOWED_MS = 5000
const LOOK_EVERY_MS = 500
/** Of /proc/PID/stat. */
const TICK_MS = 10

const { values: options } = parseArgs({
  options: {
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    file: { type: 'string', default: '' },
    jobs: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '0' },
    list: { type: 'boolean', default: false },
  },
})

/** A steady choice. */
function choose(mutants) {
  if (options.sample === undefined) return mutants
  let state = Number(options.seed)
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  const left = [...mutants]
  const chosen = []
  while (chosen.length < Number(options.sample) && left.length > 0) {
    chosen.push(...left.splice(Math.floor(next() * left.length), 1))
  }
  return chosen
}

/** All there are, each with its number; and the compiler with them in it, by file. */
function allMutants() {
  const mutants = []
  const modules = new Map()
  for (const name of readdirSync(join(ROOT, FOLDER), { recursive: true }).sort()) {
    if (!name.endsWith('.ts') || name.endsWith('.test.ts') || LEFT_OUT.includes(basename(name)))
      continue
    const text = readFileSync(join(ROOT, FOLDER, name), 'utf8')
    const made = mutate(name, text, mutants.length)
    modules.set(name, made.code)
    for (const one of made.mutants) mutants.push({ number: mutants.length, name, ...one })
  }
  return { mutants, modules }
}

/** A repository of its own, as built, with the mutants in its compiler. */
function makeCopy(modules) {
  const root = mkdtempSync(join(tmpdir(), 'sluice-mutants-'))
  for (const folder of ['src', 'tests', 'dist'])
    cpSync(join(ROOT, folder), join(root, folder), { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(root, 'package.json'))
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  for (const [name, code] of modules)
    writeFileSync(join(root, 'dist', FOLDER, name.replace(/\.ts$/, '.js')), code)
  writeFileSync(join(root, 'dist', FOLDER, 'mutant-switch.js'), SWITCH)
  return root
}

/** For the process that goes through everything without one: it says what is wrong. */
const NONE = -1

/** A process that goes through checks; `mutant`: there from its beginning. */
class Worker {
  #child
  #heard = () => undefined

  constructor(root, mutant) {
    this.#child = fork(join(root, 'dist/tests/compiler/mutants/worker.js'), [root], {
      cwd: root,
      execArgv: ['--max-old-space-size=2000'],
      env: { ...process.env, ...(mutant >= 0 && { MUTANT: String(mutant) }) },
      stdio: ['ignore', 'ignore', mutant === NONE ? 'inherit' : 'ignore', 'ipc'],
    })
    this.#child.on('message', (message) => this.#heard(message))
    this.#child.on('exit', () => this.#heard({ hasEnded: true }))
  }

  /** Once it is ready; false: it ended before. */
  ready() {
    return new Promise((resolve) => {
      this.#heard = ({ isReady, hasEnded }) => (isReady || hasEnded) && resolve(isReady === true)
    })
  }

  /** The first run, without a mutant. */
  begin() {
    return new Promise((resolve, reject) => {
      this.#heard = (message) =>
        message.met ? resolve(message) : message.hasEnded && reject(new Error('the checks fail'))
      this.#child.send({})
    })
  }

  /** What killed the mutant; undefined: nothing. `limits`: by check, milliseconds of the processor. */
  examine(mutant, checks, limits) {
    return new Promise((resolve) => {
      let [current, since] = [checks?.[0] ?? 0, this.#cpuMs()]
      const looking = setInterval(() => {
        if (this.#cpuMs() - since > limits[current])
          end({ killer: `check ${current} takes too long` })
      }, LOOK_EVERY_MS)
      const end = ({ killer, isClean = false }) => {
        clearInterval(looking)
        if (!isClean) this.stop()
        resolve({ killer: killer ?? undefined, isClean })
      }
      this.#heard = (message) => {
        if (message.check !== undefined) [current, since] = [message.check, this.#cpuMs()]
        if (message.hasEnded) end({ killer: 'the process ends' })
        if (message.killer !== undefined) end(message)
      }
      this.#child.send({ mutant, checks })
    })
  }

  #cpuMs() {
    try {
      const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[11]) + Number(fields[12])) * TICK_MS
    } catch {
      return 0
    }
  }

  stop() {
    this.#heard = () => undefined
    this.#child.kill('SIGKILL')
  }
}

async function run(root, chosen) {
  const first = new Worker(root, NONE)
  if (!(await first.ready())) throw new Error('the checks do not begin')
  const { atOnce, met } = await first.begin()
  const early = new Set(atOnce)
  const limits = met.map(({ cpuMs }) => cpuMs * SLOWER + ALLOWED_MS)
  const total = met.reduce((sum, { cpuMs }) => sum + cpuMs, 0)
  console.log(`${met.length} checks take ${(total / 1000).toFixed(1)} s without a mutant`)
  const waiting = [...chosen]
  const outcome = { survivors: [], killers: new Map(), tried: 0 }
  const end = Number(options.minutes) > 0 ? Date.now() + Number(options.minutes) * 60_000 : Infinity
  const one = async (worker) => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (Date.now() > end) break
      const meeting = met.flatMap(({ mutants }, i) => (mutants.includes(next.number) ? [i] : []))
      const isEarly = early.has(next.number)
      let killer
      if (isEarly) {
        const own = new Worker(root, next.number)
        killer = (await own.ready())
          ? (await own.examine(next.number, undefined, limits)).killer
          : 'the process ends'
        own.stop()
      } else if (meeting.length > 0) {
        worker ??= await freshWorker(root)
        const examined = await worker.examine(next.number, meeting, limits)
        killer = examined.killer
        if (!examined.isClean) worker = undefined
      }
      note(outcome, next, killer, isEarly || meeting.length > 0)
    }
    worker?.stop()
  }
  await Promise.all(
    Array.from({ length: Number(options.jobs) }, (_, i) => one(i === 0 ? first : undefined)),
  )
  return outcome
}

async function freshWorker(root) {
  const worker = new Worker(root)
  await worker.ready()
  return worker
}

function note(outcome, { name, line, what }, killer, isMet) {
  const place = `${FOLDER}/${name}:${line}: ${what}`
  outcome.tried++
  if (killer === undefined) {
    console.log(`SURVIVES ${place}${isMet ? '' : ' (no check comes there)'}`)
    outcome.survivors.push(`${place}${isMet ? '' : ' (no check comes there)'}`)
    return
  }
  console.log(`killed   ${place} (${killer})`)
  const kind = killer.split(' ')[0]
  outcome.killers.set(kind, (outcome.killers.get(kind) ?? 0) + 1)
}

const startedMs = Date.now()
const { mutants, modules } = allMutants()
const chosen = choose(mutants.filter(({ name }) => name.includes(options.file)))
console.log(`${chosen.length} of ${mutants.length} mutants`)
if (options.list)
  for (const { name, line, what } of chosen) console.log(`${FOLDER}/${name}:${line}: ${what}`)
else {
  const root = makeCopy(modules)
  try {
    const { survivors, killers, tried } = await run(root, chosen)
    for (const [killer, count] of killers) console.log(`${String(count).padStart(5)}  ${killer}`)
    for (const place of survivors.sort()) console.log(`survivor: ${place}`)
    const minutes = (Date.now() - startedMs) / 60_000
    console.log(`${tried} tried in ${minutes.toFixed(1)} min, ${survivors.length} survive`)
    process.exitCode = survivors.length === 0 ? 0 : 1
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
