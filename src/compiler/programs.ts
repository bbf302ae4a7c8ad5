/**
 * The programs that the build makes of the packet path, by the name they are kept under: dist/programs/NAME.json.
 */
import type { Artefact } from '../bpf/artefact.ts'
import { toArtefact } from './artefact.ts'
import { checkProgram, type CheckedProgram } from './check.ts'
import { compile, type Compiled, type CompileOptions } from './compile.ts'
import { formatDiagnostic } from './diagnostics.ts'
import type { Attachment } from './target.ts'
import { diagnoseUnfit, Unfit } from './unfit.ts'

export interface ProgramSource {
  readonly attachment: Attachment
  readonly path: string
  readonly entry: string
}

export const PROGRAMS = {
  xdp: { attachment: 'xdp', path: 'src/dataplane/act.ts', entry: 'act' },
  tc: { attachment: 'tc', path: 'src/dataplane/act.ts', entry: 'act' },
  tun_tc: { attachment: 'tc', path: 'src/dataplane/decapsulation/main.ts', entry: 'endTunnel' },
  tun_xdp: { attachment: 'xdp', path: 'src/dataplane/decapsulation/main.ts', entry: 'endTunnel' },
  companion: { attachment: 'tc', path: 'src/dataplane/companion.ts', entry: 'companion' },
} as const satisfies Readonly<Record<string, ProgramSource>>
export type ProgramName = keyof typeof PROGRAMS

/** Does the packet path begin in this file? */
export function isPacketPath(path: string): boolean {
  return path.startsWith('src/dataplane/')
}

/** Throws Error with every diagnostic if the packet path does not keep to the language. */
export function checkPacketPath(texts: ReadonlyMap<string, string>): CheckedProgram {
  const checked = checkProgram(texts, isPacketPath)
  if (checked.diagnostics.length === 0) return checked
  const shown = checked.diagnostics.map((one) => formatDiagnostic(one, texts.get(one.file)!))
  throw new Error(shown.join('\n\n'))
}

/** One program. `texts`: all that was checked, by path. Throws Error with a diagnostic. */
export function compileProgram(
  name: ProgramName,
  checked: CheckedProgram,
  texts: ReadonlyMap<string, string>,
  options: Partial<CompileOptions> = {},
): Artefact {
  try {
    return compileSource(name, PROGRAMS[name], checked, texts, options).artefact
  } catch (error) {
    if (!(error instanceof Unfit)) throw error
    const diagnostic = diagnoseUnfit(error, (path) => texts.get(path) ?? '')
    throw new Error(formatDiagnostic(diagnostic, texts.get(diagnostic.file) ?? ''), {
      cause: error,
    })
  }
}

/** The artefact, and what it was made of. Throws Unfit. */
export function compileSource(
  name: string,
  { attachment, path, entry }: ProgramSource,
  checked: CheckedProgram,
  texts: ReadonlyMap<string, string>,
  options: Partial<CompileOptions> = {},
): { readonly artefact: Artefact; readonly compiled: Compiled } {
  const compiled = compile(checked, path, entry, { attachment, clock: 'jiffies', ...options })
  const artefact = toArtefact(`sluice_${name}`, attachment, compiled, (file) => texts.get(file)!)
  return { artefact, compiled }
}
