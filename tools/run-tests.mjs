// Finds test files and runs them with Node's own runner, one process a file; prints one line a file, and
// failures in full.
//
// Convention: `x.test.ts` needs no privileges and runs beside others; `x.root.test.ts` needs root (network
// namespaces, packet sockets, BPF) and has the machine to itself.
import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { run } from 'node:test'
import { inspect } from 'node:util'
import { ROOT } from './prepare.mjs'

/** How each kind of test file runs. */
export const KINDS = {
  unit: { concurrency: 2, timeoutMs: 120_000, has: (path) => !path.endsWith('.root.test.ts') },
  root: { concurrency: 1, timeoutMs: 300_000, has: (path) => path.endsWith('.root.test.ts') },
}

/** Paths of all test sources below src/, tests/ and tools/, in a steady order. */
export function findTests() {
  const below = (folder) =>
    readdirSync(join(ROOT, folder), { recursive: true }).map((name) => join(folder, name))
  return ['src', 'tests', 'tools'].flatMap(below).filter(isTest).sort()
}
const isTest = (path) => path.endsWith('.test.ts')

/**
 * Runs `sources` as one kind and reports as it goes. `mayNotSkip` makes a skipped test a failed one.
 * Resolves to { passed, failed, skipped }: tests, not suites.
 */
export async function runTests(sources, kind, mayNotSkip) {
  const { concurrency, timeoutMs } = KINDS[kind]
  const results = sources.map((source) => new FileResult(source))
  // With source maps Node names the source where a test stands, and the compiled file as a whole.
  const files = new Map(
    results.flatMap((each) => [
      [each.compiled, each],
      [each.path, each],
    ]),
  )
  const stream = run({
    files: results.map((each) => each.compiled),
    concurrency,
    timeout: timeoutMs,
  })
  let printed = 0
  for await (const { type, data } of stream) {
    const result = files.get(data.file)
    if (result === undefined) continue
    if (type === 'test:stdout' || type === 'test:stderr') result.output += data.message
    if (type === 'test:complete' && result.isWhole(data))
      result.durationMs = data.details.duration_ms
    if (type !== 'test:pass' && type !== 'test:fail') continue
    // Node reports files in their order, so whatever stands before this one is complete.
    while (results[printed] !== result) results[printed++].end()
    if (result.isWhole(data)) result.addWhole(type, data)
    else result.add(type, data, mayNotSkip)
  }
  for (const result of results.slice(printed)) result.end()
  const sum = (key) => results.reduce((total, result) => total + result[key], 0)
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') }
}

/** What became of one test file. */
class FileResult {
  passed = 0
  failed = 0
  skipped = 0
  durationMs = 0
  output = ''
  failures = []
  skips = []

  constructor(source) {
    this.source = source
    this.path = join(ROOT, source)
    this.compiled = join(ROOT, 'dist', source.replace(/\.ts$/, '.js'))
  }

  /** Node reports a file as a whole as a test that is named like the file. */
  isWhole(data) {
    return data.nesting === 0 && data.name === this.compiled
  }

  add(type, data, mayNotSkip) {
    if (data.details?.type === 'suite') return
    if (data.skip !== undefined || data.todo !== undefined) {
      const why = data.skip || data.todo
      const reason = typeof why === 'string' ? why : 'no reason given'
      if (!mayNotSkip) {
        this.skipped++
        this.skips.push(`${data.name}: ${reason}`)
        return
      }
      this.failed++
      this.failures.push(
        `${data.name}\nskipped (${reason}), and with CI set nothing may be skipped`,
      )
    } else if (type === 'test:pass') {
      this.passed++
    } else if (data.details.error.failureType !== 'subtestsFailed') {
      this.failed++
      const where = `${relative(ROOT, data.file)}:${data.line}`
      this.failures.push(`${data.name}  (${where})\n${describeError(data.details.error)}`)
    }
  }

  /** The file's own end: a crash or a time-out. A file without tests counts as a passed test for Node. */
  addWhole(type, data) {
    const error = data.details.error
    if (type === 'test:pass' || error.failureType === 'subtestsFailed') return
    this.failed++
    const ended = error.signal ? ` by ${error.signal}` : ` with exit status ${error.exitCode}`
    const how = error.failureType === 'testTimeoutFailure' ? '' : `: ended${ended}`
    this.failures.push(`the file as a whole${how}\n${describeError(error)}`)
  }

  /** After the file's last test. */
  end() {
    if (this.passed + this.failed + this.skipped === 0) {
      this.failed++
      this.failures.push('the file holds no test')
    }
    this.print()
  }

  print() {
    const state = this.failed > 0 ? 'FAIL' : 'ok  '
    const skipped = this.skipped > 0 ? `, ${this.skipped} skipped` : ''
    const seconds = (this.durationMs / 1000).toFixed(1)
    console.log(`${state} ${this.source}  ${this.passed} passed${skipped}  ${seconds} s`)
    for (const skip of this.skips) console.log(indent(`skipped: ${skip}`, 7))
    if (this.failed === 0) return
    for (const failure of this.failures) console.log(indent(`✗ ${failure}`, 5) + '\n')
    if (this.output.trim() !== '') console.log(indent(`output:\n${lastLines(this.output, 60)}`, 5))
  }
}

/** The error a test threw: Node wraps it, and its own frames say nothing. */
function describeError(wrapped) {
  const error = wrapped.failureType === 'testCodeFailure' ? (wrapped.cause ?? wrapped) : wrapped
  const text = typeof error === 'string' ? error : (error.stack ?? inspect(error))
  return text
    .split('\n')
    .filter((line) => !/^\s+at (.*\(?node:|new Promise|Array.map)/.test(line))
    .join('\n')
}

function lastLines(text, count) {
  const lines = text.trimEnd().split('\n')
  const cut = lines.length - count
  return cut > 0 ? [`… ${cut} lines before`, ...lines.slice(cut)].join('\n') : lines.join('\n')
}

function indent(text, width) {
  return text.replace(/^(?=.)/gm, ' '.repeat(width))
}
