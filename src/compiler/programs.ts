/**
 * The programs that the build makes of the packet path, by the name they are kept under: dist/programs/NAME.json.
 */
import type { Artefact } from '../bpf/artefact.ts'
import { toArtefact } from './artefact.ts'
import { checkProgram, type CheckedProgram } from './language/check.ts'
import { compile, type Compiled, type CompileOptions } from './compile.ts'
import { formatDiagnostic } from './language/diagnostics.ts'
import type { SettledFields } from './lower/lower.ts'
import type { Attachment } from './target/target.ts'
import { diagnoseUnfit, Unfit } from './target/unfit.ts'

export interface ProgramSource {
  readonly attachment: Attachment
  readonly path: string
  readonly entry: string
  /** What is always so where this program runs, and not the general one. */
  readonly settled?: SettledFields
}

/**
 * The packet path for a director that has to do with IPv4 alone. IPv6 frames are none of ours then, and neither is IPv6
 * in what an ICMP error quotes: `parse` and `readInner6` notice that they cannot write it down. Whoever runs it sees to
 * it that no service and no server has an IPv6 address (src/engine/special-programs.ts).
 */
export const IPV4_ONLY: SettledFields = {
  Flow: {
    family: 4,
    source0: 0,
    source1: 0,
    source2: 0xffff,
    destination0: 0,
    destination1: 0,
    destination2: 0xffff,
  },
}

export const PROGRAMS = {
  xdp: { attachment: 'xdp', path: 'src/dataplane/act.ts', entry: 'act' },
  xdp_v4: {
    attachment: 'xdp',
    path: 'src/dataplane/act.ts',
    entry: 'act',
    settled: IPV4_ONLY,
  },
  tc: { attachment: 'tc', path: 'src/dataplane/act.ts', entry: 'act' },
  tc_v4: { attachment: 'tc', path: 'src/dataplane/act.ts', entry: 'act', settled: IPV4_ONLY },
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
  { attachment, path, entry, settled = {} }: ProgramSource,
  checked: CheckedProgram,
  texts: ReadonlyMap<string, string>,
  options: Partial<CompileOptions> = {},
): { readonly artefact: Artefact; readonly compiled: Compiled } {
  const usual = { attachment, clock: 'jiffies', settled } as const
  const compiled = compile(checked, path, entry, { ...usual, ...options })
  const artefact = toArtefact(`sluice_${name}`, attachment, compiled, (file) => texts.get(file)!)
  return { artefact, compiled }
}
