/**
 * What the compiler's own tests do, as checks that one process can go through again and again, with another mutant of
 * the compiler each time (tools/mutants.mjs): what is said of refused programs, each feature and random programs after
 * each pass and in the kernel, the packet path against V8.
 *
 * A program that comes out as it did without a mutant does what it did, and is not run again: `Baseline` knows.
 */
import assert from 'node:assert/strict'
import { Random } from '../../../src/base/random.ts'
import type { Artefact } from '../../../src/bpf/artefact.ts'
import { checkProgram, type CheckedProgram } from '../../../src/compiler/language/check.ts'
import { compile } from '../../../src/compiler/compile.ts'
import { formatDiagnostic } from '../../../src/compiler/language/diagnostics.ts'
import { dumpInstructions } from '../../../src/compiler/dump.ts'
import type { IrProgram } from '../../../src/compiler/ir/ir.ts'
import { checkPacketPath, compileProgram } from '../../../src/compiler/programs.ts'
import type { Attachment } from '../../../src/compiler/target/target.ts'
import { diagnoseUnfit, Unfit } from '../../../src/compiler/target/unfit.ts'
import { filesOf } from '../../subset/program-text.ts'
import { readRepository } from '../../tidy/tree.ts'
import { compareEngines, InKernel, interpreted, inV8 } from '../engines.ts'
import { randomInputs } from '../inputs.ts'
import { packetPathSources } from '../packet-path.ts'
import { ENTRY, formatProgram, randomProgram } from '../random-program.ts'
import {
  checkSmall,
  compileSmall,
  loadSmall,
  programsIn,
  smallProgramAt,
  smallProgramOf,
  type Loaded,
  type SmallProgram,
} from '../small-program.ts'
import { PROGRAMS } from '../twins/programs.ts'
import { Rounds } from '../twins/rounds.ts'

/** What came out without a mutant, by what it is. */
export interface Baseline {
  /** There is no mutant yet. */
  readonly isFirst: boolean
  /** Is it as it was? Never, the first time. */
  isSame(what: string, text: string): boolean
}

export interface Check {
  readonly name: string
  /** Throws where the mutant is noticed. */
  run(baseline: Baseline): void
}

const SEED = 20_251_126
const INPUTS = 200
const RANDOM_INPUTS = 24
const RANDOM_PROGRAMS = 24
const FRAMES = 3000
const STEPS_MAX = 400_000
const STAGES: readonly string[] = ['lower', 'settle', 'inline', 'optimise', 'cut']
const ATTACHMENTS = ['xdp', 'tc'] as const
const { texts } = readRepository()
const runtime = [...texts].filter(
  ([path]) => path.startsWith('src/subset/') && !path.endsWith('.test.ts'),
)

/** Cheap ones first. `isRoot`: the kernel takes part. */
export function allChecks(isRoot: boolean): Check[] {
  const refused = [...texts].filter(([path]) =>
    /^tests\/(subset|compiler\/refused)\/[^/]+\.txt$/.test(path),
  )
  const features = programsIn('tests/compiler/features/').map((path): Small => {
    const program = smallProgramAt(path)
    return { name: path.replace(/.*\/|\.ts$/g, ''), program, inputs: INPUTS }
  })
  const random = Array.from({ length: RANDOM_PROGRAMS }, (_, i): Small => {
    const program = smallProgramOf(formatProgram(randomProgram(new Random(SEED + i))), ENTRY)
    return { name: `random ${i}`, program, inputs: RANDOM_INPUTS }
  })
  const small = [...features, ...random]
  return [
    ...refused.map(([path, text]) => refusal(path, text)),
    ...small.map(interpretation),
    ...(isRoot ? small.flatMap((one) => ATTACHMENTS.map((by) => inKernel(one, by))) : []),
    ...packetPath(isRoot),
  ]
}

/** What is said is all that matters, and it is as it was: tests/compiler/goldens/refusals.txt. */
function refusal(path: string, text: string): Check {
  const files = filesOf(text.replace(/ \/\/ error: .*$/gm, ''), runtime)
  const isUnfit = path.startsWith('tests/compiler/refused/')
  const attachment = path.includes('/xdp-') ? 'xdp' : 'tc'
  return {
    name: `refused ${path.replace(/.*\//, '')}`,
    run(baseline) {
      const checked = checkProgram(files, (file) => file.startsWith('src/dataplane/'))
      const said = [...checked.diagnostics]
      try {
        if (isUnfit) compile(checked, 'src/dataplane/a.ts', 'main', { attachment, clock: 'set' })
      } catch (error) {
        if (!(error instanceof Unfit)) throw error
        said.push(diagnoseUnfit(error, (file) => files.get(file)!))
      }
      const shown = said.map((one) => formatDiagnostic(one, files.get(one.file)!)).join('\n')
      mustBeSame(baseline, path, shown)
    },
  }
}

function mustBeSame(baseline: Baseline, what: string, text: string): void {
  if (!baseline.isSame(what, text) && !baseline.isFirst) assert.fail(`${what} is another`)
}

interface Small {
  readonly name: string
  readonly program: SmallProgram
  readonly inputs: number
}

function interpretation({ name, program, inputs }: Small): Check {
  return {
    name: `interpreted ${name}`,
    run(baseline) {
      const stages: [string, IrProgram][] = []
      const { compiled, artefact } = compileSmall(program, checkSmall(program), 'xdp', {
        onPass(pass, after) {
          if (STAGES.includes(pass)) stages.push([pass, after])
        },
      })
      const others = stages.filter(
        ([stage, one]) => !baseline.isSame(`${name} ${stage}`, textOf(one)),
      )
      const golden = `tests/compiler/goldens/${name}.emit.txt`
      if (texts.has(golden)) {
        assert.equal(dumpInstructions(compiled, artefact), texts.get(golden), golden)
      }
      if (others.length === 0) return
      // Anew: it has structs of its own.
      const loaded = loadSmall(program)
      const engines = others.map(([stage, one]) => interpreted(stage, one, loaded))
      const given = randomInputs(new Random(SEED), inputs)
      compareEngines([inV8(loaded), ...engines], loaded.tables, given, name)
    },
  }
}

/** All there is to it, but for where it comes from. */
function textOf(program: IrProgram): string {
  return JSON.stringify(program, (key, value: unknown) => (key === 'origin' ? undefined : value))
}

function inKernel({ name, program, inputs }: Small, attachment: Attachment): Check {
  return {
    name: `${attachment} ${name}`,
    run(baseline) {
      const { artefact } = compileSmall(program, checkSmall(program), attachment)
      if (isAsItWas(baseline, name, artefact)) return
      const loaded = loadSmall(program)
      const engine = loadedInKernel(artefact, loaded)
      if (engine === undefined) return
      try {
        const given = randomInputs(new Random(SEED), inputs)
        compareEngines([inV8(loaded), engine], loaded.tables, given, name)
      } finally {
        engine.close()
      }
    },
  }
}

/** undefined: it has more steps than the verifier takes, which is no fault of the compiler's. */
function loadedInKernel(artefact: Artefact, loaded: Loaded): InKernel | undefined {
  try {
    return new InKernel(artefact, loaded)
  } catch (error) {
    if (/too large|1000001/.test((error as Error).message)) return undefined
    throw error
  }
}

/** But for what is only said to people: lines and names. */
function isAsItWas(baseline: Baseline, name: string, artefact: Artefact): boolean {
  const { attachment, instructions, maps, leastRows, patches } = artefact
  const text = JSON.stringify([instructions, maps, leastRows, patches])
  return baseline.isSame(`${name} ${attachment}`, text)
}

/** The packet path, checked without a mutant, and with the one there is. */
let right: CheckedProgram | undefined
let latest: CheckedProgram | undefined

/** Another mutant: what the one before has said of the packet path is forgotten. */
export function forget(): void {
  latest = undefined
}

function packetPath(isRoot: boolean): Check[] {
  const sources = packetPathSources()
  const language: Check = {
    name: 'the packet path’s language',
    run({ isFirst }) {
      latest = checkPacketPath(sources)
      if (isFirst) right = latest
    },
  }
  const made = PROGRAMS.map(({ name, attachment, settled }): Check => ({
    name: `packet path ${name}`,
    run(baseline) {
      const options = { clock: 'set', settled } as const
      latest ??= right ?? checkPacketPath(sources)
      const artefact = compileProgram(attachment, latest, sources, options)
      if (isAsItWas(baseline, name, artefact) || !isRoot) return
      const rounds = new Rounds({ name, attachment, settled }, SEED, { artefact })
      try {
        const steps = Number(/processed (\d+) insns/.exec(rounds.twins.log)?.[1])
        assert.ok(steps < STEPS_MAX, `the verifier takes ${steps} steps`)
        for (const round of [0, 1, 2]) rounds.hasten(round, FRAMES / 3)
      } finally {
        rounds.close()
      }
    },
  }))
  return [language, ...made]
}
