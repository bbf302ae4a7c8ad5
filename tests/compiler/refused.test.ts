/**
 * What keeps to the language and still cannot be compiled: programs in refused/*.txt, in the form of
 * tests/subset.test.ts, each with the one thing that is said on the line that it is about. `xdp-…` is for XDP, all
 * others are for tc.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkProgram } from '../../src/compiler/language/check.ts'
import { compile } from '../../src/compiler/compile.ts'
import { diagnoseUnfit, Unfit } from '../../src/compiler/target/unfit.ts'
import { expectedOf, filesOf } from '../subset/program-text.ts'
import { readRepository } from '../tidy/tree.ts'

const FOLDER = 'tests/compiler/refused/'
const MAIN = 'src/dataplane/a.ts'
const repository = [...readRepository().texts]
const runtime = repository.filter(
  ([path]) => path.startsWith('src/subset/') && !path.endsWith('.test.ts'),
)

describe('what has no room in the kernel', () => {
  for (const [path, text] of repository.filter(([each]) => each.startsWith(FOLDER))) {
    it(`is said where ${path} says`, () => {
      const files = filesOf(text, runtime)
      const checked = checkProgram(files, (file) => file === MAIN)
      assert.deepEqual(checked.diagnostics, [])
      const attachment = path.startsWith(`${FOLDER}xdp-`) ? 'xdp' : 'tc'
      const said: string[] = []
      try {
        compile(checked, MAIN, 'main', { attachment, clock: 'set' })
      } catch (error) {
        if (!(error instanceof Unfit)) throw error
        const { line, message } = diagnoseUnfit(error, (file) => files.get(file)!)
        said.push(`${line}: ${message}`)
      }
      assert.deepEqual(said, expectedOf(text))
    })
  }
})
