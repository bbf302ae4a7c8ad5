/**
 * Small programs as they look after lowering and as instructions, for people to read and for changes to be seen:
 * goldens/NAME.lower.txt, NAME.emit.txt, of features/NAME.ts. Written anew by
 *
 *     UPDATE_GOLDENS=1 node tools/test.mjs compiler/goldens
 */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, it } from 'node:test'
import { dumpInstructions, dumpProgram } from '../../src/compiler/dump.ts'
import { readRepository } from '../tidy/tree.ts'
import { checkSmall, compileSmall, smallProgramAt } from './small-program.ts'

/** Short ones, of different kinds. */
const NAMES = ['headers', 'atomics', 'returns', 'aliasing', 'missing-views', 'sums']
const { texts } = readRepository()

describe('compiled programs (UPDATE_GOLDENS=1 writes them anew)', () => {
  for (const name of NAMES) {
    it(name, () => {
      const program = smallProgramAt(`tests/compiler/features/${name}.ts`)
      const textOf = (path: string) => program.texts.get(path)!
      const got: Record<string, string> = {}
      const { compiled, artefact } = compileSmall(program, checkSmall(program), 'xdp', {
        onPass: (pass, after) => {
          if (pass === 'lower') got['lower'] = dumpProgram(after, textOf)
        },
      })
      got['emit'] = dumpInstructions(compiled, artefact)
      for (const [pass, text] of Object.entries(got)) {
        const path = `tests/compiler/goldens/${name}.${pass}.txt`
        if (process.env['UPDATE_GOLDENS'] === '1') {
          mkdirSync(dirname(path), { recursive: true })
          writeFileSync(path, text)
        } else assert.equal(text, texts.get(path), `${path} is another: is it better?`)
      }
    })
  }
})
