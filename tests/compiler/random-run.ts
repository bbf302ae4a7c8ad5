/**
 * One random program after the other, each with some frames, until two engines differ; what then remains of the
 * program when everything is left out that can be.
 */
import { Random } from '../../src/base/random.ts'
import type { CheckedProgram } from '../../src/compiler/language/check.ts'
import { compareEngines, inV8, type Engine } from './engines.ts'
import { randomInputs } from './inputs.ts'
import { ENTRY, formatProgram, randomProgram, type RandomProgram } from './random-program.ts'
import { shrink } from './shrink.ts'
import {
  checkSmall,
  loadSmall,
  smallProgramOf,
  type Loaded,
  type SmallProgram,
} from './small-program.ts'

const INPUTS = 24
/** For making a program smaller. */
const SHRINK_MS = 30_000

/** Engines for one program, beside V8; `close` them. Throws what is wrong with it. */
export type MakeEngines = (
  program: SmallProgram,
  checked: CheckedProgram,
  loaded: Loaded,
  seed: number,
) => { readonly engines: readonly Engine[]; close(): void }

/** Throws Error with the seed, the smallest program found and what went wrong. */
export function runRandomPrograms(count: number, seed: number, makeEngines: MakeEngines): void {
  for (let i = 0; i < count; i++) {
    const program = randomProgram(new Random(seed + i))
    const failure = failureOf(program, seed + i, makeEngines)
    if (failure === undefined) continue
    const isRefused = / error: /.test(failure.message) && failure.name === 'Error'
    if (isRefused) throw new Error(`seed ${seed + i} is no program: ${failure.message}`)
    console.log(`seed ${seed + i}: ${failure.message.split('\n')[0]!}`)
    const end = performance.now() + SHRINK_MS
    const smallest = shrink(program, (smaller) => {
      if (performance.now() > end) return false
      const other = failureOf(smaller, seed + i, makeEngines)
      return other !== undefined && kindOf(other) === kindOf(failure)
    })
    const last = failureOf(smallest, seed + i, makeEngines) ?? failure
    const how = `FUZZ_SEED=${seed + i} FUZZ_PROGRAMS=1`
    throw new Error(`${how}\n${formatProgram(smallest)}\n${last.stack ?? last.message}`)
  }
}

function failureOf(
  program: RandomProgram,
  seed: number,
  makeEngines: MakeEngines,
): Error | undefined {
  try {
    const small = smallProgramOf(formatProgram(program), ENTRY)
    const checked = checkSmall(small)
    if (!runsInV8(small, seed)) return undefined
    const loaded = loadSmall(small)
    const { engines, close } = makeEngines(small, checked, loaded, seed)
    try {
      const inputs = randomInputs(new Random(seed), INPUTS)
      compareEngines([inV8(loaded), ...engines], loaded.tables, inputs, `seed ${seed}`)
    } finally {
      close()
    }
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** A program made smaller may miss a check for null. */
function runsInV8(small: SmallProgram, seed: number): boolean {
  const engine = inV8(loadSmall(small))
  try {
    for (const input of randomInputs(new Random(seed), INPUTS)) engine.run(input)
    return true
  } catch (error) {
    if (error instanceof TypeError) return false
    throw error
  }
}

/** What a smaller program must show, too. */
function kindOf({ name, message }: Error): string {
  return `${name} ${/ is not as |error: [^\d:]*(: [^\d]*)?|^[^\d]*/.exec(message)?.[0] ?? ''}`
}
