/**
 * The first pass of the compiler: does a file keep to the data-plane language?
 *
 * Every function of the files that the packet path begins in is checked, but those marked `@control`, and every
 * function of other files that these reach. Of src/subset/, the language's own functions, only the signatures
 * count. The rules are those under which JavaScript in V8 and eBPF in the kernel compute the same: see
 * range.ts for the arithmetic, refusals.ts for the syntax, and the README of this folder for all of it.
 *
 * Ranges follow from declarations, not from the branches taken: `x - 1` after `if (x === 0) return` still
 * counts as possibly negative and wants `u32(x - 1)`, which costs nothing. Null checks are tsc's work.
 */
import { BodyCheck } from './check-body.ts'
import { diagnose, type Diagnostic } from './diagnostics.ts'
import { Program, RUNTIME_FOLDER, type ProgramFile, type Type } from './program.ts'
import type { Call, Expression, FunctionDeclaration } from './tree.ts'

/** One function calls another, here. */
export interface CallSite {
  readonly call: Call
  readonly file: ProgramFile
  readonly callee: FunctionDeclaration
}

/** A function of the packet path, and what was found out about it. */
export interface CheckedFunction {
  readonly file: ProgramFile
  readonly declared: FunctionDeclaration
  readonly calls: readonly CallSite[]
  readonly types: ReadonlyMap<Expression, Type>
}

export interface CheckedProgram {
  readonly program: Program
  /** Sorted by file and line; a program with any is not compiled. */
  readonly diagnostics: readonly Diagnostic[]
  readonly functions: ReadonlyMap<FunctionDeclaration, CheckedFunction>
}

/**
 * All that is wrong in the packet path that begins in the files `isRoot` says yes to. `texts`: every file these
 * may import, by path from the repository's root. Sorted by file and line.
 */
export function checkSubset(
  texts: ReadonlyMap<string, string>,
  isRoot: (path: string) => boolean,
): readonly Diagnostic[] {
  return checkProgram(texts, isRoot).diagnostics
}

/** The same, with all that was found out on the way. */
export function checkProgram(
  texts: ReadonlyMap<string, string>,
  isRoot: (path: string) => boolean,
): CheckedProgram {
  const program = new Program(texts)
  const roots = program.files().filter(({ path, tree }) => isRoot(path) && !tree.isControl)
  const diagnostics = roots.flatMap(topLevel)
  const reached = new Map<FunctionDeclaration, CheckedFunction>()
  const waiting = roots.flatMap((file) =>
    file.tree.functions
      .filter((declared) => !declared.isControl)
      .map((declared) => ({ file, declared })),
  )
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { file, declared } = next
    if (reached.has(declared) || file.path.startsWith(RUNTIME_FOLDER)) continue
    const body = new BodyCheck(program, file, declared)
    body.run()
    diagnostics.push(...body.diagnostics)
    reached.set(declared, { file, declared, calls: body.calls, types: body.types })
    waiting.push(...body.calls.map((site) => ({ file: site.file, declared: site.callee })))
  }
  diagnostics.push(...recursions(reached))
  diagnostics.sort((a, b) => compareText(a.file, b.file) || a.line - b.line || a.column - b.column)
  return { program, diagnostics, functions: reached }
}

/** A packet-path file has no variables of its own: what lasts is in tables, which every engine shares. */
function topLevel(file: ProgramFile): Diagnostic[] {
  return file.tree.variables.map((variable) =>
    diagnose(
      file.path,
      file.text,
      variable,
      `${variable.name} is a variable that outlives the packet`,
      'const, or a row of a table',
    ),
  )
}

/** Each call that closes a ring: the kernel's stack has 512 bytes and knows no recursion. */
function recursions(reached: ReadonlyMap<FunctionDeclaration, CheckedFunction>): Diagnostic[] {
  const found: Diagnostic[] = []
  const finished = new Set<FunctionDeclaration>()
  const visit = (declared: FunctionDeclaration, trail: readonly FunctionDeclaration[]) => {
    const one = reached.get(declared)
    if (one === undefined || finished.has(declared)) return
    for (const { call, callee } of one.calls) {
      const start = [...trail, declared].indexOf(callee)
      if (start < 0) {
        visit(callee, [...trail, declared])
        continue
      }
      const ring = [...trail, declared].slice(start).concat(callee)
      const names = ring.map(({ name }) => name).join(' → ')
      const { path, text } = one.file
      found.push(diagnose(path, text, call, `recursion: ${names}`, 'a loop with a constant bound'))
    }
    finished.add(declared)
  }
  for (const declared of reached.keys()) visit(declared, [])
  return found
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
