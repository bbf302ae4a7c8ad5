/**
 * Random programs in V8 and in this kernel, by XDP and tc in turn: the same results, frames and tables. FUZZ_PROGRAMS
 * and FUZZ_SEED say how many, and which.
 */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { enterOwnNetwork, notRoot } from '../kernel/own-network.ts'
import { InKernel } from './engines.ts'
import { stayOnOneProcessor } from './one-processor.ts'
import { runRandomPrograms } from './random-run.ts'
import { compileSmall } from './small-program.ts'

const PROGRAMS = Number(process.env['FUZZ_PROGRAMS'] ?? 24)
const SEED = Number(process.env['FUZZ_SEED'] ?? 1)
/**
 * An index that was scaled before its closest bound; a counter forgotten where it was known; an address that had to be
 * kept, and was only to be made again; a constant wider than the byte it is stored in.
 */
const ONCE_WRONG = [5026, 20_251_143, 100_036, 400_041]

describe('random programs', { skip: notRoot }, () => {
  before(() => {
    enterOwnNetwork()
    stayOnOneProcessor()
  })

  it(`do in the kernel what they do in V8: ${PROGRAMS} from seed ${SEED} on`, () => {
    const started = performance.now()
    const tooLong = run(PROGRAMS, SEED)
    assert.ok(tooLong <= PROGRAMS / 20, `${tooLong} programs are too long to be verified`)
    const seconds = (performance.now() - started) / 1000
    console.log(`${(PROGRAMS / seconds).toFixed(1)} programs a second, ${tooLong} too long`)
  })

  it('do so where they once did not', () => {
    for (const seed of ONCE_WRONG) assert.equal(run(1, seed), 0, `seed ${seed}`)
  })
})

/** How many have more steps than the verifier takes: no fault of the compiler's. */
function run(programs: number, first: number): number {
  let tooLong = 0
  runRandomPrograms(programs, first, (program, checked, loaded, seed) => {
    const { artefact } = compileSmall(program, checked, seed % 2 === 0 ? 'xdp' : 'tc')
    try {
      const inKernel = new InKernel(artefact, loaded)
      return { engines: [inKernel], close: () => inKernel.close() }
    } catch (error) {
      if (!(error instanceof Error) || !/too large|1000001/.test(error.message)) throw error
      tooLong++
      return { engines: [], close: () => {} }
    }
  })
  return tooLong
}
