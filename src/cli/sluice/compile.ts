/**
 * `sluice compile`: the packet path, or a file of somebody's own, as eBPF: what each pass makes of it, how large it is,
 * and what is wrong with it.
 *
 * The compiler and its parser are loaded here and nowhere else: a daemon runs what the build made.
 */
import { basename } from 'node:path'
import { Argument, Option, type Command } from 'commander'
import type { Diagnostic } from '../../compiler/language/diagnostics.ts'
import type { ProgramSource } from '../../compiler/programs.ts'
import { readSources, type Parse, type Sources } from '../compile-sources.ts'
import { LinePrinter } from '../line-printer.ts'
import { writeFileWhole } from '../output-file.ts'
import { Exit, Failure } from './exit.ts'

/** What --dump knows, in the order in which things happen; the last one is no pass over operations. */
export const DUMPS = [
  'lower',
  'settle',
  'inline',
  'optimise',
  'cut',
  'fields',
  'expand',
  'registers',
  'emit',
] as const
/** As the compiler has them (src/compiler/programs.ts). */
export const PROGRAM_NAMES = ['xdp', 'xdp_v4', 'tc', 'tc_v4', 'tun_tc', 'tun_xdp', 'companion']
const ATTACHMENTS: readonly string[] = ['xdp', 'tc']

interface CompileOptions {
  readonly program?: string
  readonly entry?: string
  readonly dump?: string
  readonly out?: string
  readonly json?: true
}

interface Job extends ProgramSource {
  readonly name: string
}

const HELP = `
Without a file: the programs that the build makes of the packet path, one or (--program) all of them. With files: each
is checked, and compiled as a program for XDP and for tc (--program chooses). It begins with the function that is named
like the file, else with the only one that takes nothing but the packet, else with --entry. A file outside of Sluice
is read as if it lay in src/dataplane/, so its imports are '../subset/integers.ts', './tables.ts', '../wire/ipv4.ts'.

Passes, in their order, for --dump: ${DUMPS.join(', ')}; or all.
  lower      operations, from the checked source; a function each
  settle     parameters that are always the same struct are gone
  inline     functions are written where they are called
  optimise   clean-up, single assignment, values, dead code
  cut        long loops are cut into functions of their own
  fields     what is written to the program's own structs and never read is gone
  expand     rows, headers and what the engine provides: addresses, checks, helpers; optimised again
  registers  the machine's ten, and slots of the stack
  emit       instructions, as bpftool prints them

What is wrong is said on stderr with file:line:column, the line, a caret, and what to write instead. Types are not
looked at: that is tsc's work, on the same file.

Exit status 0: compiled; 1: it does not keep to the language, or the kernel has no room for it; 2: wrong usage.`

export function describe(command: Command): void {
  command
    .description('Compile the packet path, or files of your own, to eBPF. Nothing is loaded.')
    .addArgument(new Argument('[file...]', 'TypeScript in which programs begin'))
    .addOption(new Option('--program <name>', 'which program').choices(PROGRAM_NAMES))
    .option('--entry <function>', 'with a file: the function the program begins with')
    .option('--dump <pass,...>', 'print the program after these passes (see below)')
    .option('--out <file>', 'write the program there, as the build keeps it: one program only')
    .option('--json', 'one JSON object a program, diagnostics in it')
    .addHelpText('after', HELP)
    .action(compileFiles)
}

/** The compiler, or the sentence that its parser is missing. */
async function loadCompiler() {
  try {
    const [programs, check, diagnostics, dump, parse, unfit] = await Promise.all([
      import('../../compiler/programs.ts'),
      import('../../compiler/language/check.ts'),
      import('../../compiler/language/diagnostics.ts'),
      import('../../compiler/dump.ts'),
      import('../../compiler/language/parse.ts'),
      import('../../compiler/target/unfit.ts'),
    ])
    return { ...programs, ...check, ...diagnostics, ...dump, ...parse, ...unfit }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new Failure(Exit.lacking, 'the package typescript, which reads sources, is not installed')
  }
}
type Compiler = Awaited<ReturnType<typeof loadCompiler>>
type CheckedProgram = ReturnType<Compiler['checkProgram']>

async function compileFiles(files: readonly string[], options: CompileOptions): Promise<void> {
  const dumps = readDumps(options.dump)
  const { program } = options
  if (files.length > 0 && program !== undefined && !ATTACHMENTS.includes(program)) {
    throw new Failure(Exit.usage, `--program ${program} has a file of its own: leave the file out`)
  }
  if (files.length === 0 && options.entry !== undefined) {
    throw new Failure(Exit.usage, '--entry goes with a file')
  }
  const compiler = await loadCompiler()
  const sources = readSources(files, compiler.parse as Parse)
  const report = new Report(compiler, sources, options.json === true)
  const wrong = findSyntaxErrors(compiler, sources)
  if (wrong.length > 0) return report.refuse(wrong)
  const checked = compiler.checkProgram(sources.texts, (path) => sources.roots.includes(path))
  if (checked.diagnostics.length > 0) return report.refuse(checked.diagnostics)
  const jobs =
    files.length === 0 ? packetPathJobs(compiler, options) : jobsOf(checked, sources, options)
  if (options.out !== undefined && jobs.length !== 1) {
    const message = `--out holds one program, and these are ${jobs.length}: choose with --program`
    throw new Failure(Exit.usage, message)
  }
  for (const job of jobs) await report.compile(job, checked, dumps, options.out)
  if (jobs.length === 0) await report.sayChecked()
}

function readDumps(list: string | undefined): ReadonlySet<string> {
  const dumps = list?.split(',').map((one) => one.trim()) ?? []
  if (dumps.includes('all')) return new Set(DUMPS)
  const unknown = dumps.find((one) => !(DUMPS as readonly string[]).includes(one))
  if (unknown === undefined) return new Set(dumps)
  const known = `${DUMPS.join(', ')} or all`
  throw new Failure(Exit.usage, `--dump: there is no pass "${unknown}": write some of ${known}`)
}

/** Only of files that were asked for: the installed ones were built. */
function findSyntaxErrors(compiler: Compiler, { texts, roots }: Sources): Diagnostic[] {
  return roots.flatMap((path) => {
    const text = texts.get(path)!
    return compiler
      .findSyntaxErrors(path, text)
      .map(({ message, ...place }) => compiler.diagnose(path, text, place, message, ''))
  })
}

function packetPathJobs({ PROGRAMS }: Compiler, { program }: CompileOptions): Job[] {
  const jobs = Object.entries(PROGRAMS).map(([name, source]) => ({ name, ...source }))
  return jobs.filter(({ name }) => program === undefined || name === program)
}

function jobsOf(checked: CheckedProgram, sources: Sources, options: CompileOptions): Job[] {
  const attachments = (['xdp', 'tc'] as const).filter(
    (one) => options.program === undefined || options.program === one,
  )
  return sources.roots.flatMap((path) => {
    const entry = entryOf(checked, sources, path, options)
    if (entry === undefined) return []
    return attachments.map((attachment) => ({ name: attachment, attachment, path, entry }))
  })
}

/** The function a file's program begins with; undefined: none does, and nobody said so. */
function entryOf(
  { program }: CheckedProgram,
  { nameOf }: Sources,
  path: string,
  { entry, dump, out }: CompileOptions,
): string | undefined {
  const file = program.files().find((one) => one.path === path)!
  const functions = file.tree.functions.filter(({ isControl }) => !isControl)
  const names = functions.map(({ name }) => name)
  const alike = basename(path, '.ts').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
  const lonely = functions.filter(({ parameters }) =>
    parameters.every(({ type }) => type?.name === 'Packet'),
  )
  const wanted = entry ?? (names.includes(alike) || lonely.length !== 1 ? alike : lonely[0]!.name)
  if (names.includes(wanted)) return wanted
  const isAsked = entry !== undefined || dump !== undefined || out !== undefined
  if (!isAsked && lonely.length === 0) return undefined
  const offered =
    names.length === 0 ? 'it has none' : `write --entry with one of ${names.join(', ')}`
  throw new Failure(Exit.usage, `${nameOf(path)} has no function ${wanted}: ${offered}`)
}

/** What is printed: for people, or as JSON. */
class Report {
  readonly #compiler: Compiler
  readonly #sources: Sources
  readonly #isJson: boolean
  readonly #printer = new LinePrinter()

  constructor(compiler: Compiler, sources: Sources, isJson: boolean) {
    this.#compiler = compiler
    this.#sources = sources
    this.#isJson = isJson
  }

  /** Everything that is wrong. */
  async refuse(diagnostics: readonly Diagnostic[], job?: Job): Promise<void> {
    process.exitCode = Exit.no
    const { texts, nameOf } = this.#sources
    const named = diagnostics.map((one) => ({ ...one, file: nameOf(one.file) }))
    if (this.#isJson) {
      const about = job === undefined ? {} : { program: job.name, file: nameOf(job.path) }
      await this.#print(JSON.stringify({ ...about, diagnostics: named }))
      return
    }
    const shown = named.map((one, i) => {
      const text = texts.get(diagnostics[i]!.file) ?? ''
      return this.#compiler.formatDiagnostic(one, text)
    })
    process.stderr.write(`${shown.join('\n\n')}\n`)
  }

  /** Files in which no program begins. */
  async sayChecked(): Promise<void> {
    const { roots, nameOf } = this.#sources
    if (this.#isJson) return this.#print(JSON.stringify({ files: roots, diagnostics: [] }))
    const names = roots.map(nameOf).join(', ')
    await this.#print(`${names}: keeps to the language; no function takes only the packet`)
  }

  async #print(line: string): Promise<void> {
    await this.#printer.print(line)
    await this.#printer.flush()
  }

  async compile(
    job: Job,
    checked: CheckedProgram,
    dumps: ReadonlySet<string>,
    out: string | undefined,
  ): Promise<void> {
    const compiler = this.#compiler
    const { texts, nameOf } = this.#sources
    const textOf = (path: string) => texts.get(path) ?? ''
    const passes: { pass: string; functions: number; operations: number; text?: string }[] = []
    try {
      const { artefact, compiled } = compiler.compileSource(job.name, job, checked, texts, {
        onPass: (pass, program) => {
          const operations = compiler.countOperations(program)
          const text = dumps.has(pass) ? { text: compiler.dumpProgram(program, textOf) } : {}
          passes.push({ pass, functions: program.functions.length, operations, ...text })
        },
      })
      const emitted = {
        functions: compiler.countInstructions(compiled),
        ...(dumps.has('emit') && { text: compiler.dumpInstructions(compiled, artefact) }),
      }
      if (out !== undefined) writeFileWhole(out, [Buffer.from(JSON.stringify(artefact))])
      const { attachment, entry } = job
      const maps = artefact.maps.map(({ name }) => name)
      const about = { program: job.name, file: nameOf(job.path), entry, attachment }
      const instructions = emitted.functions.reduce((sum, one) => sum + one.instructions, 0)
      const report = { ...about, instructions, maps, passes, emit: emitted, diagnostics: [] }
      await this.#print(this.#isJson ? JSON.stringify(report) : formatReport(report))
    } catch (error) {
      if (!(error instanceof compiler.Unfit)) throw error
      await this.refuse([compiler.diagnoseUnfit(error, textOf)], job)
    }
  }
}

interface ProgramReport {
  readonly program: string
  readonly file: string
  readonly entry: string
  readonly instructions: number
  readonly maps: readonly string[]
  readonly passes: readonly {
    readonly pass: string
    readonly functions: number
    readonly operations: number
    readonly text?: string
  }[]
  readonly emit: {
    readonly functions: readonly { readonly name: string; readonly instructions: number }[]
    readonly text?: string
  }
}

function formatReport({ program, file, entry, instructions, maps, passes, emit }: ProgramReport) {
  const lines: string[] = []
  const dump = (pass: string, text: string | undefined) => {
    if (text !== undefined) lines.push(`--- ${program}: ${pass}`, text)
  }
  for (const { pass, text } of passes) dump(pass, text)
  dump('emit', emit.text)
  lines.push(`${program}: ${entry} of ${file}`)
  for (const { pass, functions, operations } of passes) {
    lines.push(
      `  ${pass.padEnd(9)} ${count(operations, 'operation')}, ${count(functions, 'function')}`,
    )
  }
  lines.push(`  emit      ${count(instructions, 'instruction')}, ${count(maps.length, 'map')}`)
  for (const one of emit.functions) {
    lines.push(`            ${String(one.instructions).padStart(6)}  ${one.name}`)
  }
  return lines.join('\n')
}

function count(number: number, what: string): string {
  return `${String(number).padStart(6)} ${what}${number === 1 ? '' : 's'}`
}
