/**
 * Random programs in V8 against the intermediate form after each pass that no target has touched yet. FUZZ_PROGRAMS and
 * FUZZ_SEED say how many, and which.
 */
import { it } from 'node:test'
import type { IrProgram } from '../../src/compiler/ir/ir.ts'
import { interpreted } from './engines.ts'
import { runRandomPrograms } from './random-run.ts'
import { compileSmall } from './small-program.ts'

const PROGRAMS = Number(process.env['FUZZ_PROGRAMS'] ?? 24)
const SEED = Number(process.env['FUZZ_SEED'] ?? 1)
const STAGES: readonly string[] = ['lower', 'settle', 'inline', 'optimise', 'cut']

it(`${PROGRAMS} random programs from seed ${SEED} on are after each pass as in V8`, () => {
  runRandomPrograms(PROGRAMS, SEED, (program, checked, loaded) => {
    const stages: [string, IrProgram][] = []
    compileSmall(program, checked, 'xdp', {
      onPass: (pass, after) => {
        if (STAGES.includes(pass)) stages.push([pass, after])
      },
    })
    return { engines: stages.map(([name, one]) => interpreted(name, one, loaded)), close: () => {} }
  })
})
