/**
 * What the language has, a program each (features/), in V8 against the intermediate form after every pass that no
 * target has touched yet.
 */
import { describe, it } from 'node:test'
import { Random } from '../../src/base/random.ts'
import type { IrProgram } from '../../src/compiler/ir/ir.ts'
import { compareEngines, interpreted, inV8 } from './engines.ts'
import { randomInputs } from './inputs.ts'
import { checkSmall, compileSmall, loadSmall, programsIn, smallProgramAt } from './small-program.ts'

const INPUTS = 200
const SEED = 20_251_126
const STAGES: readonly string[] = ['lower', 'settle', 'inline', 'optimise', 'cut']

describe('each feature of the language, interpreted after each pass', () => {
  for (const path of programsIn('tests/compiler/features/')) {
    it(path, () => {
      const program = smallProgramAt(path)
      const stages: [string, IrProgram][] = []
      compileSmall(program, checkSmall(program), 'xdp', {
        onPass: (pass, after) => {
          if (STAGES.includes(pass)) stages.push([pass, after])
        },
      })
      const loaded = loadSmall(program)
      const after = stages.map(([stage, one]) => interpreted(stage, one, loaded))
      const inputs = randomInputs(new Random(SEED), INPUTS)
      compareEngines([inV8(loaded), ...after], loaded.tables, inputs, path)
    })
  }
})
