// `npm test`: installs what is missing, builds, checks lint and layout, then runs every test there is.
//
//   node tools/test.mjs [--unit] [WORD…]
//
//   --unit   only what needs no root
//   WORD     only test files whose path contains one of the words; lint and layout are left out
//
// Without root the unprivileged tests run and one sentence says what was left out; with CI set nothing is ever
// left out: that is exit status 77. The last line is `N passed, N failed`, with `, N skipped` if there were any.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { findLeftovers, lookAround, markProcesses } from './leftovers.mjs'
import * as prepare from './prepare.mjs'
import { findTests, KINDS, runTests } from './run-tests.mjs'

const isUnitOnly = process.argv.includes('--unit')
const words = process.argv.slice(2).filter((arg) => !arg.startsWith('--'))
const isCi = (process.env.CI ?? '') !== '' && process.env.CI !== 'false'
const totals = { passed: 0, failed: 0, skipped: 0 }

async function main() {
  const startedMs = Date.now()
  const withRoot = prepare.isRoot() && !isUnitOnly
  if (isCi && !isUnitOnly && !withRoot) {
    throw new prepare.MachineLacks(
      'CI is set, so nothing may be skipped: the tests must run as root.',
    )
  }
  prepare.ensureNpmPackages()
  if (withRoot) prepare.ensureDebianPackages()
  if (!prepare.build()) {
    fail('build: the compiler found errors (above); no test was run')
    return closing(startedMs)
  }
  if (words.length === 0) await checkSources()
  await runAllTests(withRoot)
  return closing(startedMs)
}

async function checkSources() {
  const bin = (name, path) => [name, join(prepare.ROOT, 'node_modules', path)]
  const checks = [
    [...bin('lint', 'eslint/bin/eslint.js'), '.'],
    [...bin('format', 'prettier/bin/prettier.cjs'), '--check', '--log-level', 'warn', '.'],
  ]
  await Promise.all(
    checks.map(async ([name, ...args]) => {
      const { status, output } = await run(args)
      console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${name}`)
      if (status !== 0) fail(`${name}:\n${output}`)
    }),
  )
}

/** Runs a script with this Node; its output is kept, to be shown in one piece. */
function run(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: prepare.ROOT })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data))
    child.on('close', (status) => resolve({ status, output }))
  })
}

async function runAllTests(withRoot) {
  process.chdir(prepare.ROOT)
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --enable-source-maps`.trim()
  markProcesses()
  const isChosen = (path) => words.length === 0 || words.some((word) => path.includes(word))
  const tests = findTests().filter(isChosen)
  if (tests.length === 0) fail('there is no such test file')
  const before = lookAround()
  for (const kind of withRoot ? ['unit', 'root'] : ['unit']) {
    const files = tests.filter(KINDS[kind].has)
    if (files.length > 0) add(await runTests(files, kind, isCi))
  }
  const leftovers = withRoot ? await findLeftovers(before) : []
  for (const leftover of leftovers) fail(`left behind: ${leftover}`)
  const left = tests.filter(KINDS.root.has).length
  if (!withRoot && left > 0) {
    const why = isUnitOnly ? 'because of --unit' : 'because they need root'
    console.log(`Skipped ${left} test files (*.root.test.ts) ${why}.`)
  }
}

function add(more) {
  for (const key of Object.keys(totals)) totals[key] += more[key]
}

/** A failure that is not a test's: it counts as one. */
function fail(message) {
  console.log(`✗ ${message}`)
  totals.failed++
}

function closing(startedMs) {
  const { passed, failed, skipped } = totals
  console.log(`\ntook ${((Date.now() - startedMs) / 1000).toFixed(0)} s`)
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  return failed === 0 ? 0 : 1
}

await prepare.runOrSayWhatLacks('test', main)
