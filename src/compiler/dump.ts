/**
 * What a pass made of a program, for people: `sluice compile --dump` and the goldens.
 *
 *     lower: forward
 *     ; main.ts:12: if (packet.length < 14) return
 *         r1 = packet.length()
 *         if r1 < 14 goto then.1
 */
import type { Artefact } from '../bpf/artefact.ts'
import { linesOf } from '../bpf/artefact.ts'
import { encode } from '../bpf/encode.ts'
import { SLOT_SIZE } from '../bpf/opcode.ts'
import { formatProgram } from '../bpf/print.ts'
import type { Compiled } from './compile.ts'
import { formatFunction } from './ir/ir-print.ts'
import type { IrProgram, Located } from './ir/ir.ts'
import { SourceText } from './language/source-text.ts'

/** Functions one after the other, each stretch below the source line it comes from. */
export function dumpProgram(program: IrProgram, textOf: (path: string) => string): string {
  const sources = new Map<string, SourceText>()
  let last = ''
  const noteOn = ({ origin }: Located) => {
    if (origin === undefined) return undefined
    const { file } = origin
    const source = sources.get(file) ?? new SourceText(textOf(file))
    sources.set(file, source)
    const { line, text } = source.placeOf(origin)
    const place = `${file.slice(file.lastIndexOf('/') + 1)}:${line}`
    if (place === last) return undefined
    last = place
    return `; ${text.trim()} @ ${place}`
  }
  return program.functions
    .map((body) => {
      last = ''
      return formatFunction(body, noteOn)
    })
    .join('\n')
}

/** Instructions, as bpftool prints them. */
export function dumpInstructions({ instructions }: Compiled, artefact: Artefact): string {
  return formatProgram(instructions, linesOf(artefact))
}

const NOTHING: ReadonlySet<string> = new Set(['label', 'loop', 'anew'])

/** How much a pass left. */
export function countOperations({ functions }: IrProgram): number {
  return functions.reduce((sum, { operations }) => {
    return sum + operations.filter(({ op }) => !NOTHING.has(op)).length
  }, 0)
}

/** Slots of eight bytes, by function: what the verifier counts as instructions. */
export function countInstructions({
  instructions,
  functions,
}: Compiled): { readonly name: string; readonly instructions: number }[] {
  const { slots, bytes } = encode(instructions)
  const end = bytes.length / SLOT_SIZE
  return functions.map(({ name, first }, i) => {
    const next = functions[i + 1]
    const behind = next === undefined ? end : slots[next.first]!
    return { name, instructions: behind - slots[first]! }
  })
}
