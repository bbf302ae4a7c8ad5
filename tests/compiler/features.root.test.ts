/**
 * What the language has, a program each (features/), in V8 and in this kernel: the same results, frames and tables,
 * whether it is compiled for XDP or for tc.
 */
import { before, describe, it } from 'node:test'
import { Random } from '../../src/base/random.ts'
import { enterOwnNetwork, notRoot } from '../kernel/own-network.ts'
import { compareEngines, InKernel, inV8 } from './engines.ts'
import { randomInputs } from './inputs.ts'
import { stayOnOneProcessor } from './one-processor.ts'
import { checkSmall, compileSmall, loadSmall, programsIn, smallProgramAt } from './small-program.ts'

const INPUTS = 400
const SEED = 20_251_127

describe('each feature of the language, in V8 and in the kernel', { skip: notRoot }, () => {
  before(() => {
    enterOwnNetwork()
    stayOnOneProcessor()
  })

  for (const path of programsIn('tests/compiler/features/')) {
    for (const attachment of ['xdp', 'tc'] as const) {
      it(`${path}, by ${attachment}`, () => {
        const program = smallProgramAt(path)
        const { artefact } = compileSmall(program, checkSmall(program), attachment)
        const loaded = loadSmall(program)
        const inKernel = new InKernel(artefact, loaded)
        try {
          const inputs = randomInputs(new Random(SEED), INPUTS)
          compareEngines([inV8(loaded), inKernel], loaded.tables, inputs, path)
        } finally {
          inKernel.close()
        }
      })
    }
  }
})
