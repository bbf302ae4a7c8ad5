import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { loaderArguments, moduleUrl } from '../../../tests/own-program.ts'
import { ARTEFACT_FORMAT, type Artefact } from '../../bpf/artefact.ts'
import { PASSES } from '../../compiler/compile.ts'
import { PROGRAMS } from '../../compiler/programs.ts'
import { DUMPS, describe as describeCompile, PROGRAM_NAMES } from './compile.ts'
import { Failure } from './exit.ts'

const PROGRAM = fileURLToPath(moduleUrl('../sluice', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sluice-compile-'))
after(() => rmSync(folder, { recursive: true }))

function write(name: string, lines: readonly string[]): string {
  writeFileSync(join(folder, name), `${lines.join('\n')}\n`)
  return join(folder, name)
}

/** The command as a shell runs it, compiled or not. */
function run(...args: string[]) {
  const words = [...loaderArguments, PROGRAM, 'compile', ...args]
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

const GOOD = write('count-short.ts', [
  "import { u32 } from '../subset/integers.ts'",
  "import type { Packet } from '../subset/packet.ts'",
  "import { SHORT } from './limits-of-mine.ts'",
  'export function grow(by: u32): u32 {',
  '  return u32(by + 1)',
  '}',
  'export function countShort(packet: Packet): u32 {',
  '  return packet.length < SHORT ? grow(packet.length) : 0',
  '}',
])
write('limits-of-mine.ts', ['export const SHORT = 1 << 6'])
const BAD = write('bad.ts', [
  "import { u32 } from '../subset/integers.ts'",
  'export function bad(a: u32): u32 {',
  '  const half: u32 = a / 2',
  '  return half + 1',
  '}',
])

describe('sluice compile', () => {
  it('names every pass and program there is', () => {
    assert.deepEqual(DUMPS, [...PASSES, 'emit'])
    assert.deepEqual(PROGRAM_NAMES, Object.keys(PROGRAMS))
  })

  it('prints a file of one’s own after each pass asked for, and how large it is', () => {
    const { status, stdout, stderr } = run(GOOD, '--program', 'xdp', '--dump', 'lower,emit')
    assert.equal(status, 0, stderr)
    for (const expected of [
      '--- xdp: lower\ncountShort():\n; return packet.length < SHORT ? grow(packet.length) : 0 @ ',
      '\n    if r1 < 64 goto then.1\n',
      '\n; return u32(by + 1) @ count-short.ts:5\n',
      '\n--- xdp: emit\ncountShort:\n; return packet.length',
      '\n   0: (',
      `\nxdp: countShort of ${GOOD}\n`,
    ]) {
      assert.ok(stdout.includes(expected), `${expected}\nis in\n${stdout}`)
    }
    const counts = stdout.slice(stdout.lastIndexOf('xdp: ')).trimEnd().split('\n').slice(1)
    const words = counts.map((line) => line.trim().split(/\s+/))
    assert.deepEqual(
      words.slice(0, DUMPS.length).map(([pass]) => pass),
      [...DUMPS],
    )
    const [, instructions] = words[DUMPS.length - 1]!
    assert.deepEqual(words.at(-1), [instructions, 'countShort'])
  })

  it('says what is wrong, where, and what to write', () => {
    const { status, stdout, stderr } = run(BAD, '--dump', 'all')
    assert.deepEqual([status, stdout], [1, ''])
    assert.equal(
      stderr,
      [
        `${BAD}:3:21: error: a division that makes fractions`,
        '  3 |   const half: u32 = a / 2',
        '    |                     ^~~~~',
        '    = write div(a, b) instead',
        '',
        `${BAD}:4:10: error: may be 1 … 4294967296, and u32 is expected`,
        '  4 |   return half + 1',
        '    |          ^~~~~~~~',
        '    = write u32(…) instead',
        '',
      ].join('\n'),
    )
  })

  it('says so about what the target cannot do, and about what is no TypeScript', () => {
    const xdp = write('later.ts', [
      "import { resume } from '../subset/action.ts'",
      'export function later(): u32 {',
      '  return resume()',
      '}',
    ])
    const refused = run(xdp, '--program', 'xdp')
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /later\.ts:3:3: error: no XDP program can resume\(\)\n/)
    const half = write('half.ts', ['export function half(): u32 {', '  return (1'])
    const json = run(half, '--json')
    assert.equal(json.status, 1)
    const { diagnostics } = JSON.parse(json.stdout) as { diagnostics: object[] }
    const [first] = diagnostics
    assert.deepEqual(
      { ...first, message: '' },
      { file: half, line: 3, column: 1, width: 1, message: '', instead: '' },
    )
  })

  it('writes one program as the build keeps it, and reports as JSON', () => {
    const out = join(folder, 'companion.json')
    const { status, stdout, stderr } = run('--program', 'companion', '--out', out, '--json')
    assert.equal(status, 0, stderr)
    const artefact = JSON.parse(readFileSync(out, 'utf8')) as Artefact
    assert.equal(artefact.format, ARTEFACT_FORMAT)
    const report = JSON.parse(stdout) as Record<string, unknown>
    assert.deepEqual(
      [report['program'], report['entry'], report['attachment'], report['diagnostics']],
      ['companion', 'companion', 'tc', []],
    )
    const slots = Buffer.from(artefact.instructions, 'base64').length / 8
    assert.equal(report['instructions'], slots)
  })

  it('only checks a file in which no program begins', () => {
    const file = write('parts.ts', ['export function part(a: u32): u32 {', '  return a', '}'])
    const { status, stdout } = run(file)
    assert.deepEqual(
      [status, stdout],
      [0, `${file}: keeps to the language; no function takes only the packet\n`],
    )
  })
})

const WRONG: readonly [string, readonly string[], string][] = [
  [
    'a pass that does not exist',
    ['--dump', 'lower,optimize'],
    '--dump: there is no pass "optimize": write some of ' +
      'lower, settle, inline, optimise, cut, fields, expand, registers, emit or all',
  ],
  [
    'a file that does not exist',
    [join(folder, 'none.ts')],
    `cannot read ${join(folder, 'none.ts')}: there is no such file or folder`,
  ],
  [
    'several programs in one file',
    [GOOD, '--out', join(folder, 'out')],
    '--out holds one program, and these are 2: choose with --program',
  ],
  [
    'a function that does not exist',
    [GOOD, '--entry', 'main'],
    `${GOOD} has no function main: write --entry with one of grow, countShort`,
  ],
  [
    'an import that does not exist',
    [write('lost.ts', ["import { x } from './x.ts'"])],
    `${join(folder, 'lost.ts')} imports PLACE/src/dataplane/x.ts, and there is no such file`,
  ],
  ['an entry without a file', ['--entry', 'act'], '--entry goes with a file'],
  [
    'the companion with a file',
    [GOOD, '--program', 'companion'],
    '--program companion has a file of its own: leave the file out',
  ],
]

describe('sluice compile refuses', () => {
  for (const [what, args, message] of WRONG) {
    it(what, async () => {
      const command = new Command()
      describeCompile(command)
      await assert.rejects(command.parseAsync(args, { from: 'user' }), (error: unknown) => {
        assert.ok(error instanceof Failure, String(error))
        const said = error.message.replace(/imports .*(?=\/src\/dataplane)/, 'imports PLACE')
        assert.deepEqual([error.status, said], [2, message])
        return true
      })
    })
  }
})
