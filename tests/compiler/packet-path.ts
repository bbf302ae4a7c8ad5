/**
 * The packet path, compiled here and now, in this kernel: tables in its maps, frames by test runs. What an engine would
 * do with it, without interfaces.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Artefact } from '../../src/bpf/artefact.ts'
import { toArtefact } from '../../src/compiler/artefact.ts'
import { checkProgram, type CheckedProgram } from '../../src/compiler/language/check.ts'
import { compile, type CompileOptions } from '../../src/compiler/compile.ts'
import type { Attachment } from '../../src/compiler/target/target.ts'
import { WORD_BYTES, WORD_MARK } from '../../src/compiler/target/xdp.ts'
import { TABLES } from '../../src/dataplane/tables.ts'
import { Reason, Verdict, verdictOf } from '../../src/dataplane/verdict.ts'
import type { AnyTable, TableSet } from '../../src/subset/table.ts'
import { readRepository } from '../tidy/tree.ts'
import { KernelProgram, type KernelInput, type ProgramOutcome } from './kernel-program.ts'

const XDP_PASS = 2
const MAIN = 'src/dataplane/act.ts'

let sources: ReadonlyMap<string, string> | undefined
let checked: CheckedProgram | undefined

/** Every source file the packet path may reach. */
export function packetPathSources(): ReadonlyMap<string, string> {
  sources ??= new Map(
    [...readRepository().texts].filter(
      ([path]) => /^src\/.*\.ts$/.test(path) && !path.endsWith('.test.ts'),
    ),
  )
  return sources
}

export function checkedPacketPath(): CheckedProgram {
  checked ??= checkProgram(packetPathSources(), (path) => path.startsWith('src/dataplane/'))
  return checked
}

/**
 * The artefact; with 'set', `now` is what the test says. From the folder COMPILED_PATHS if it is there, where it is
 * also put: for machines on which compiling takes minutes (tools/prove-kernel.mjs).
 */
export function compilePacketPath(
  attachment: Attachment,
  options: Partial<CompileOptions> = {},
): Artefact {
  const folder = process.env['COMPILED_PATHS']
  if (folder === undefined) return compileHere(attachment, options)
  const name = `${attachment} ${JSON.stringify(options)}`.replaceAll(/\W+/g, '-')
  const file = join(folder, `${name}.json`)
  if (!existsSync(file)) writeFileSync(file, JSON.stringify(compileHere(attachment, options)))
  return JSON.parse(readFileSync(file, 'utf8')) as Artefact
}

function compileHere(attachment: Attachment, options: Partial<CompileOptions>): Artefact {
  const compiled = compile(checkedPacketPath(), MAIN, 'act', {
    attachment,
    clock: 'set',
    ...options,
  })
  const textOf = (path: string) => packetPathSources().get(path) ?? readFileSync(path, 'utf8')
  return toArtefact(`sluice_${attachment}`, attachment, compiled, textOf)
}

/** What came of a frame. */
export interface KernelOutcome extends ProgramOutcome {
  /** XDP: what it left word of, for a frame that is held, or that its interface does not take from XDP. */
  readonly word: readonly number[]
}

/** A loaded packet path with its tables; close it. */
export class KernelPacketPath {
  readonly tables: TableSet
  readonly log: string
  readonly #program: KernelProgram

  /** `capacities`: rows, where not the tables' own. `declared`: of another program, its tables. */
  constructor(
    artefact: Artefact,
    capacities: Readonly<Record<string, number>>,
    declared: readonly AnyTable[] = TABLES,
  ) {
    this.#program = new KernelProgram(artefact, declared, capacities)
    this.tables = this.#program.tables
    this.log = this.#program.log
  }

  /** For whoever runs it elsewhere. */
  get descriptor(): number {
    return this.#program.descriptor
  }

  /** For runs elsewhere: what time it is, and where chance goes on from. */
  setSurroundings(input: KernelInput): void {
    this.#program.setSurroundings(input)
  }

  /** Overwrites with this byte what frames before have left in the program's own memory. */
  leaveBehind(byte: number): void {
    this.#program.leaveBehind(byte)
  }

  /** `ingress` is an interface of this network namespace. */
  run(frame: Uint8Array, ingress: number, input: KernelInput): KernelOutcome {
    const outcome = this.#program.run(frame, ingress, input)
    const { frame: after, reason } = outcome
    const isGoing = [Verdict.send, Verdict.hold].some((one) => one === verdictOf(reason))
    const view = new DataView(after.buffer, after.byteOffset)
    // An early fragment is left to the host if nobody keeps it for us.
    const isLeft = reason === Reason.fragmentEarly && view.getUint32(0, true) !== WORD_MARK
    const hasWord = isGoing && outcome.verdict === XDP_PASS && !isLeft
    if (this.#program.attachment !== 'xdp' || !hasWord) return { ...outcome, word: [] }
    const word = Array.from({ length: WORD_BYTES / 4 }, (_, i) => view.getUint32(4 * i, true))
    return { ...outcome, frame: after.subarray(WORD_BYTES), word }
  }

  close(): void {
    this.#program.close()
  }
}
