/**
 * A compiled program (src/bpf/artefact.ts) given to this kernel: its maps made, its numbers put in, loaded.
 */
import { bytesOf, instructionsFor, linesOf, type Artefact } from '../../bpf/artefact.ts'
import { readRefusal, type Refusal } from '../../bpf/verifier-log.ts'
import { createMap, possibleCpus } from './map.ts'
import {
  loadBtf,
  loadProgram,
  ProgramRefusal,
  type LoadedProgram,
  type LoadOptions,
} from './program.ts'
import { close } from '../ffi.ts'

/** The map that holds what a program has for itself, a row for each CPU. */
export const AREA = 'area'
const NAME_MAX = 15

export interface ProgramMap {
  readonly fd: number
  readonly rows: number
  readonly rowBytes: number
}

/** Makes the maps of a program; `capacities` says how many rows, but of the area. Throws KernelError. */
export function createMaps(
  { maps }: Artefact,
  capacities: ReadonlyMap<string, number>,
): Map<string, ProgramMap> {
  const made = new Map<string, ProgramMap>()
  for (const { name, rowBytes } of maps) {
    const rows = name === AREA ? possibleCpus() : capacities.get(name)
    if (rows === undefined) throw new Error(`nobody said how many rows map ${name} has`)
    const valueSize = rows * rowBytes
    const fd = createMap({
      type: 'array',
      name: name.slice(0, NAME_MAX),
      valueSize,
      entries: 1,
      isMappable: true,
    })
    made.set(name, { fd, rows, rowBytes })
  }
  return made
}

/** Loads the program over these maps; `hertz`: of tick.ts. Throws CompiledProgramRefusal, KernelError. */
export function loadArtefact(
  artefact: Artefact,
  maps: ReadonlyMap<string, ProgramMap>,
  hertz: number,
  options: LoadOptions = {},
): LoadedProgram {
  const rows = new Map([...maps].map(([name, map]) => [name, map.rows]))
  const instructions = instructionsFor(artefact, { rows, hertz })
  const btf = loadBtf(bytesOf(artefact.debug.btf))
  try {
    return loadProgram(
      {
        type: artefact.attachment,
        name: artefact.name,
        instructions,
        maps: artefact.maps.map(({ name }) => maps.get(name)!.fd),
        debug: {
          btf,
          functions: bytesOf(artefact.debug.functions),
          lines: bytesOf(artefact.debug.lines),
        },
      },
      options,
    )
  } catch (error) {
    if (!(error instanceof ProgramRefusal)) throw error
    throw new CompiledProgramRefusal(artefact, error)
  } finally {
    close(btf)
  }
}

/** The verifier refuses a program of ours: where in the source. */
export class CompiledProgramRefusal extends Error {
  override readonly name = 'CompiledProgramRefusal'
  readonly refusal: Refusal
  readonly log: string

  constructor(artefact: Artefact, { log, message }: ProgramRefusal) {
    const refusal = readRefusal(log, linesOf(artefact))
    super(describeRefusal(refusal) ?? message)
    this.refusal = refusal
    this.log = log
  }
}

/** file:line:column, what the verifier says, the line with a caret, what the registers held. */
function describeRefusal({ place, sentence, registers }: Refusal): string | undefined {
  if (place === undefined) return undefined
  const { file, line, column, text } = place
  const number = String(line)
  const margin = ' '.repeat(number.length)
  const lines = [
    `${file}:${line}:${column}: error: the kernel's verifier: ${sentence}`,
    `  ${number} | ${text}`,
    `  ${margin} | ${' '.repeat(column - 1)}^`,
  ]
  return [...lines, ...(registers === '' ? [] : [`  ${margin} = ${registers}`])].join('\n')
}
