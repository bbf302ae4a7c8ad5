/**
 * Small programs for tests of the compiler: one text, run as plain JavaScript and compiled.
 *
 * In V8 the text runs as it stands, its types erased, over the real src/subset. Whatever tables it declares are seen,
 * so that engines can be given memory for them.
 */
import ts from 'typescript'
import { posix } from 'node:path'
import type { Artefact } from '../../src/bpf/artefact.ts'
import { toArtefact } from '../../src/compiler/artefact.ts'
import { checkProgram, type CheckedProgram } from '../../src/compiler/language/check.ts'
import { compile, type Compiled, type CompileOptions } from '../../src/compiler/compile.ts'
import { formatDiagnostic } from '../../src/compiler/language/diagnostics.ts'
import type { Attachment } from '../../src/compiler/target/target.ts'
import * as action from '../../src/subset/action.ts'
import * as clock from '../../src/subset/clock.ts'
import * as integers from '../../src/subset/integers.ts'
import * as packet from '../../src/subset/packet.ts'
import * as struct from '../../src/subset/struct.ts'
import * as table from '../../src/subset/table.ts'
import { readRepository } from '../tidy/tree.ts'

const RUNTIME: Readonly<Record<string, object>> = { action, clock, integers, packet, struct, table }
const repository = readRepository().texts
const runtimeTexts = [...repository].filter(
  ([path]) => path.startsWith('src/subset/') && !path.endsWith('.test.ts'),
)

export interface SmallProgram {
  /** Of the file it begins in. */
  readonly path: string
  readonly entry: string
  /** Everything that is compiled, by path. */
  readonly texts: ReadonlyMap<string, string>
}

/** A file of the repository with all it imports; it begins with the function named like the file. */
export function smallProgramAt(path: string): SmallProgram {
  const texts = new Map(runtimeTexts)
  const waiting = [path]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (texts.has(next)) continue
    const text = repository.get(next)
    if (text === undefined) throw new Error(`there is no ${next}`)
    texts.set(next, text)
    for (const [, from] of text.matchAll(/from '(\.[^']+)'/g)) {
      waiting.push(posix.join(posix.dirname(next), from!))
    }
  }
  const name = posix.basename(path, '.ts')
  const entry = name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
  return { path, entry, texts }
}

/** A text that nobody wrote down; it imports from '../src/subset/'. */
export function smallProgramOf(text: string, entry: string): SmallProgram {
  const path = 'tests/program.ts'
  return { path, entry, texts: new Map([...runtimeTexts, [path, text]]) }
}

/** Paths of files in `folder` that are programs. */
export function programsIn(folder: string): string[] {
  return [...repository.keys()].filter((path) => path.startsWith(folder) && path.endsWith('.ts'))
}

/** Throws Error with every diagnostic. */
export function checkSmall({ texts, path }: SmallProgram): CheckedProgram {
  const checked = checkProgram(texts, (one) => one === path)
  if (checked.diagnostics.length === 0) return checked
  const shown = checked.diagnostics.map((one) => formatDiagnostic(one, texts.get(one.file)!))
  throw new Error(shown.join('\n\n'))
}

export function compileSmall(
  program: SmallProgram,
  checked: CheckedProgram,
  attachment: Attachment,
  options: Partial<CompileOptions> = {},
): { readonly compiled: Compiled; readonly artefact: Artefact } {
  const { path, entry, texts } = program
  const compiled = compile(checked, path, entry, { attachment, clock: 'set', ...options })
  const artefact = toArtefact('small', attachment, compiled, (file) => texts.get(file)!)
  return { compiled, artefact }
}

export interface Loaded {
  readonly run: (packet: packet.Packet) => number
  readonly tables: readonly table.AnyTable[]
  /** What its own structs hold: nothing that lasts from one frame to the next. */
  readonly own: readonly DataView[]
}

/** The program as JavaScript, with everything in it made anew. */
export function loadSmall({ texts, path, entry }: SmallProgram): Loaded {
  const tables: table.AnyTable[] = []
  const own: DataView[] = []
  const modules = new Map<string, Record<string, unknown>>()
  const noting = {
    ...table,
    table: (...given: Parameters<typeof table.table>) => {
      const made = table.table(...given)
      tables.push(made)
      return made
    },
  }
  const notingStructs = {
    ...struct,
    row: (...given: Parameters<typeof struct.row>) => {
      const made = struct.row(...given)
      const local = () => {
        const view = made.local()
        own.push((view as unknown as { readonly bytes: DataView }).bytes)
        return view
      }
      return { ...made, local }
    },
  }
  const load = (file: string): Record<string, unknown> => {
    const known = modules.get(file)
    if (known !== undefined) return known
    const exports: Record<string, unknown> = {}
    modules.set(file, exports)
    const { outputText } = ts.transpileModule(texts.get(file)!, {
      compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.CommonJS },
    })
    const requireFrom = (from: string): object => {
      const target = posix.join(posix.dirname(file), from)
      const name = /^src\/subset\/([\w-]+)\.ts$/.exec(target)?.[1]
      if (name === undefined) return load(target)
      if (name === 'struct') return notingStructs
      return name === 'table' ? noting : RUNTIME[name]!
    }
    new Function('require', 'exports', outputText)(requireFrom, exports)
    return exports
  }
  const run = load(path)[entry] as Loaded['run'] | undefined
  if (run === undefined) throw new Error(`${path} exports ${entry}`)
  return { run, tables, own }
}
