// The packet path in the kernel against itself in V8, for as long as you like: `node tools/fuzz.mjs`, as root.
//
//   --frames N      so many over all programs; 0: until it is interrupted (1 000 000)
//   --minutes N     no longer than that
//   --seed N        which ones (the clock's: printed, for another time)
//   --program NAME  only xdp, tc, xdp-ipv4 or tc-ipv4
//   --round N       begin with this round of the seed: what a difference is found again by
//   --jobs N        so many processes at once (2)
//
// Tables by lot, frames by lot, edits by lot; verdict, bytes, what is given back to the kernel and all tables must be
// the same (tests/compiler/twins/). A line every ten seconds says how far it is. A difference is printed with the
// fewest steps found that lead there, all of them are kept in a file, and everything ends with status 1; so it
// does if, with enough frames, something that can be reached was not. The table at the end says what was reached.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import * as prepare from './prepare.mjs'

const SHOWN_EVERY_MS = 10_000
/** Of all frames; the program for IPv4 alone is a part of the general one. */
const SHARES = { xdp: 0.35, tc: 0.35, 'xdp-ipv4': 0.15, 'tc-ipv4': 0.15 }
const STEPS_SHOWN = 20

const { values: options } = parseArgs({
  options: {
    frames: { type: 'string', default: '1000000' },
    minutes: { type: 'string', default: '0' },
    seed: { type: 'string', default: String(Math.floor(Date.now() / 1000)) },
    program: { type: 'string' },
    round: { type: 'string', default: '0' },
    jobs: { type: 'string', default: '2' },
  },
})
const asked = Number(options.frames)
const startedMs = Date.now()
/** What each worker said last, and those that run. */
const states = new Map()
const running = new Set()
let hasFailed = false

async function main() {
  if (!prepare.isRoot()) throw new prepare.MachineLacks('BPF needs root: run it as root.')
  prepare.ensureNpmPackages()
  prepare.ensureDebianPackages()
  if (!prepare.build()) return 1
  const { PROGRAMS, ENOUGH } = await import(
    join(prepare.ROOT, 'dist/tests/compiler/twins/programs.js')
  )
  const names = PROGRAMS.map(({ name }) => name)
  const chosen = options.program === undefined ? names : [options.program]
  if (chosen.some((name) => !names.includes(name))) {
    console.error(`fuzz: there is no program ${options.program}, only ${names.join(', ')}`)
    return 2
  }
  console.log(
    `seed ${options.seed}: ${asked === 0 ? 'no end of' : asked} frames, ${chosen.join(', ')}`,
  )
  const ticking = setInterval(showProgress, SHOWN_EVERY_MS)
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop)
  const minutes = Number(options.minutes)
  const ending = minutes > 0 ? setTimeout(stop, minutes * 60_000) : undefined
  await runAll(chosen)
  clearInterval(ticking)
  clearTimeout(ending)
  summarise(chosen, ENOUGH)
  return hasFailed ? 1 : 0
}

/** So many at once as asked for; all of them, if there is no end. */
async function runAll(chosen) {
  const total = chosen.reduce((sum, name) => sum + SHARES[name], 0)
  const waiting = [...chosen]
  const one = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      if (isStopping) return
      await runWorker(name, Math.ceil((asked * SHARES[name]) / total))
    }
  }
  const jobs = asked === 0 ? chosen.length : Math.max(1, Number(options.jobs))
  await Promise.all(Array.from({ length: jobs }, one))
}

function runWorker(name, frames) {
  const script = join(prepare.ROOT, 'dist/tests/compiler/twins/worker.js')
  const args = ['--enable-source-maps', script, name, options.seed, options.round, String(frames)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  running.add(child)
  createInterface({ input: child.stdout }).on('line', (line) => hear(JSON.parse(line)))
  return new Promise((resolve) => {
    child.on('close', (status) => {
      running.delete(child)
      if (status !== 0 && !isStopping) {
        console.log(`✗ ${name}: its process ended with status ${status}`)
        hasFailed = true
      }
      resolve()
    })
  })
}

function hear(message) {
  if (message.finding === undefined) return void states.set(message.program, message)
  hasFailed = true
  report(message.program, message.finding)
  stop()
}

let isStopping = false
function stop() {
  isStopping = true
  for (const child of running) child.kill('SIGTERM')
}

function report(program, { seed, round, frame, message, steps }) {
  console.log(`\n✗ ${program}, seed ${seed}, round ${round}, frame ${frame}: ${message}`)
  console.log(
    `  found again by: node tools/fuzz.mjs --program ${program} --seed ${seed} --round ${round}`,
  )
  console.log(`  ${steps.length} steps are enough:`)
  for (const { bytes, ...step } of steps.slice(-STEPS_SHOWN))
    console.log(`  ${JSON.stringify(step)}\n    ${bytes}`)
  const file = join(tmpdir(), `sluice-fuzz-${program}-${seed}-${round}-${frame}.json`)
  writeFileSync(file, JSON.stringify({ program, seed, round, frame, message, steps }, null, 1))
  console.log(`  all of them: ${file}`)
}

function framesSoFar() {
  return [...states.values()].reduce((sum, { frames }) => sum + frames, 0)
}

function showProgress() {
  const [frames, seconds] = [framesSoFar(), (Date.now() - startedMs) / 1000]
  const rate = Math.round(frames / seconds)
  const of = asked === 0 ? '' : ` of ${asked}`
  console.log(`${frames}${of} frames in ${seconds.toFixed(0)} s, ${rate} a second, 0 differences`)
}

function summarise(chosen, enough) {
  const columns = chosen.filter((name) => states.has(name))
  const row = (label, values) =>
    console.log(label.padEnd(22) + values.map((v) => String(v).padStart(10)).join(''))
  console.log()
  row('', columns)
  const names = columns.length === 0 ? [] : Object.keys(states.get(columns[0]).counts)
  for (const name of names)
    row(
      name,
      columns.map((each) => states.get(each).counts[name]),
    )
  row(
    'frames',
    columns.map((each) => states.get(each).frames),
  )
  for (const each of columns) {
    const { frames, unreached } = states.get(each)
    if (frames < enough || unreached.length === 0) continue
    console.log(`✗ ${each}: not reached: ${unreached.join(', ')}`)
    hasFailed = true
  }
  const seconds = (Date.now() - startedMs) / 1000
  const rate = Math.round(framesSoFar() / seconds)
  const differences = hasFailed ? 'see above' : '0 differences'
  console.log(
    `\n${framesSoFar()} frames in ${seconds.toFixed(0)} s, ${rate} a second: ${differences}`,
  )
}

await prepare.runOrSayWhatLacks('fuzz', main)
