/**
 * The last pass: what was compiled, as the artefact that is kept (src/bpf/artefact.ts).
 */
import { ARTEFACT_FORMAT, type Artefact } from '../bpf/artefact.ts'
import { describeProgram, type FunctionAt, type LineAt } from '../bpf/debug-lines.ts'
import { encode } from '../bpf/encode.ts'
import { AREA_MAP } from './target/area.ts'
import type { Compiled } from './compile.ts'
import type { EmittedFunction } from './machine/emit.ts'
import { SourceText } from './language/source-text.ts'
import type { Attachment } from './target/target.ts'

/** `textOf`: the source of a file, by its path. */
export function toArtefact(
  name: string,
  attachment: Attachment,
  compiled: Compiled,
  textOf: (path: string) => string,
): Artefact {
  const { bytes, slots } = encode(compiled.instructions)
  const slotAt = (place: number) => slots[place]!
  const lines = linesOf(compiled, slotAt, textOf)
  const functions = compiled.functions.map((one, i): FunctionAt => {
    const at = { slot: slotAt(one.first), name: one.name }
    return i === 0 ? at : { ...at, parameters: parametersOf(one, attachment) }
  })
  const { btf, functions: functionBytes, lines: lineBytes } = describeProgram(functions, lines)
  const rowBytes = new Map(compiled.program.tables.map((table) => [table.name, table.rowBytes]))
  const texts = new Texts()
  return {
    format: ARTEFACT_FORMAT,
    name,
    attachment,
    instructions: base64(bytes),
    maps: compiled.maps.map((map) => ({
      name: map,
      rowBytes: map === AREA_MAP ? compiled.area.stride : rowBytes.get(map)!,
    })),
    leastRows: leastRows(compiled),
    patches: [...compiled.patches].map(([place, symbol]) => [slotAt(place), symbol] as const),
    debug: { btf: base64(btf), functions: base64(functionBytes), lines: base64(lineBytes) },
    places: lines.map(({ slot, file, line, column, text }) => {
      return [slot, texts.numberOf(file), line, column, texts.numberOf(text)] as const
    }),
    texts: texts.list,
  }
}

class Texts {
  readonly list: string[] = []
  readonly #numbers = new Map<string, number>()

  numberOf(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    this.#numbers.set(text, this.list.length)
    return this.list.push(text) - 1
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

function parametersOf({ parameters }: EmittedFunction, attachment: Attachment) {
  const struct = attachment === 'xdp' ? 'xdp_md' : '__sk_buff'
  return parameters.map((bytes) => {
    if (bytes === undefined) return { kind: 'number' } as const
    return bytes === 0
      ? ({ kind: 'context', struct } as const)
      : ({ kind: 'memory', bytes } as const)
  })
}

/** Rows of each map that must be there. */
function leastRows({ program, maps }: Compiled): Record<string, number> {
  const least: Record<string, number> = {}
  for (const name of maps) {
    least[name] = program.tables.find((one) => one.name === name)?.leastRows ?? 1
  }
  return least
}

/** Where each instruction comes from, one entry wherever that changes. */
function linesOf(
  { origins }: Compiled,
  slotAt: (place: number) => number,
  textOf: (path: string) => string,
): LineAt[] {
  const lines: LineAt[] = []
  const sources = new Map<string, SourceText>()
  let before = ''
  for (const [place, origin] of origins) {
    const key = `${origin.file} ${origin.start}`
    if (key === before) continue
    before = key
    const source = sources.get(origin.file) ?? new SourceText(textOf(origin.file))
    sources.set(origin.file, source)
    lines.push({ slot: slotAt(place), ...source.placeOf(origin) })
  }
  return lines
}
