/**
 * The data-plane language: the real packet path keeps to it, and tests/subset/*.txt says what is refused.
 *
 * Each .txt holds a small program of one or more files, `=== path` before each. `// error: …` at the end of a
 * line is what must be said about that line (` | ` between two), and nothing else may be said.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkSubset } from '../src/compiler/language/check.ts'
import { formatDiagnostic } from '../src/compiler/language/diagnostics.ts'
import { REFUSALS } from '../src/compiler/language/refusals.ts'
import { expectedOf, filesOf } from './subset/program-text.ts'
import { readRepository } from './tidy/tree.ts'

const isPacketPath = (path: string) => path.startsWith('src/dataplane/')
const repository = readRepository().texts
const sources = new Map(
  [...repository].filter(([path]) => /^src\/.*\.ts$/.test(path) && !path.endsWith('.test.ts')),
)
const runtime = [...sources].filter(([path]) => path.startsWith('src/subset/'))
const programs = [...repository].filter(([path]) => /^tests\/subset\/.*\.txt$/.test(path))

describe('the packet path', () => {
  it('keeps to the data-plane language', () => {
    const wrong = checkSubset(sources, isPacketPath)
    const shown = wrong.map((one) => formatDiagnostic(one, sources.get(one.file)!))
    if (wrong.length > 0) assert.fail(`${wrong.length} errors\n\n${shown.join('\n\n')}`)
  })
})

describe('the data-plane language', () => {
  for (const [path, text] of programs) {
    it(`is as ${path} says`, () => {
      const said = checkSubset(filesOf(text, runtime), isPacketPath)
      assert.deepEqual(
        said.map(({ line, message }) => `${line}: ${message}`).sort(),
        expectedOf(text).sort(),
      )
    })
  }

  it('has a program that is refused for each piece of syntax', () => {
    const expected = programs.map(([, text]) => expectedOf(text).join('\n')).join('\n')
    const unseen = Object.values(REFUSALS).filter(
      ({ message }) => !expected.includes(`: ${message}`),
    )
    assert.deepEqual(unseen, [])
  })
})

describe('a diagnostic', () => {
  it('shows the place, the line, a caret and what to write', () => {
    const path = 'src/dataplane/a.ts'
    const text = [
      "import type { u32 } from '../subset/integers.ts'",
      'export function twice(a: u32): u32 {',
      '  return a / 2',
      '}',
      '',
    ].join('\n')
    const [first, second] = checkSubset(new Map([...runtime, [path, text]]), isPacketPath)
    assert.equal(second, undefined)
    assert.equal(
      formatDiagnostic(first!, text),
      [
        'src/dataplane/a.ts:3:10: error: a division that makes fractions',
        '  3 |   return a / 2',
        '    |          ^~~~~',
        '    = write div(a, b) instead',
      ].join('\n'),
    )
  })

  it('about several lines underlines the first', () => {
    const path = 'src/dataplane/a.ts'
    const text = 'export function a(): void {\n  while (true) {\n  }\n}\n'
    const [first] = checkSubset(new Map([...runtime, [path, text]]), isPacketPath)
    assert.deepEqual(
      { line: first!.line, column: first!.column, width: first!.width },
      { line: 2, column: 3, width: 14 },
    )
  })
})
