/**
 * What a program's instructions were compiled from, as BPF_PROG_LOAD takes it: BTF, and records that refer to it.
 *
 *      struct bpf_func_info:  0 slot u32 | 4 number of the function's type u32
 *      struct bpf_line_info:  0 slot u32 | 4 file, a text u32 | 8 the line itself, a text u32 | 12 line << 10 | column
 *
 * The kernel wants a function record for each function, the first at slot 0, and a line record at the beginning of
 * each function; both in order, and none on the second slot of a wide constant.
 */
import { assert } from '../base/assert.ts'
import { viewOf } from '../base/bytes.ts'
import { BtfWriter, Linkage } from './btf.ts'

/** Where in our source an instruction comes from. Lines and columns begin with 1. */
export interface SourcePlace {
  readonly file: string
  readonly line: number
  readonly column: number
  /** The source line. */
  readonly text: string
}

/** From this slot on, instructions come from this place. */
export interface LineAt extends SourcePlace {
  readonly slot: number
}

export interface FunctionAt {
  readonly slot: number
  readonly name: string
  /**
   * If they are named, the verifier checks the function once, for all arguments of these kinds, and takes its result
   * for any number; else it checks it at each call, with what it knows there.
   */
  readonly parameters?: readonly ParameterKind[]
}

/** A number; the context of a program, by its struct's name; so many bytes of memory, or null. */
export type ParameterKind =
  | { readonly kind: 'number' }
  | { readonly kind: 'context'; readonly struct: 'xdp_md' | '__sk_buff' }
  | { readonly kind: 'memory'; readonly bytes: number }

export interface DebugBytes {
  readonly btf: Uint8Array
  readonly functions: Uint8Array
  readonly lines: Uint8Array
}

const LINE_MAX = 2 ** 22 - 1
const COLUMN_MAX = 2 ** 10 - 1

/**
 * `functions` begin with the program's own, at slot 0; both lists are in the order of slots. A function that
 * begins without a line has the one before it.
 */
export function describeProgram(
  functions: readonly FunctionAt[],
  lines: readonly LineAt[],
): DebugBytes {
  assert(functions[0]?.slot === 0, 'the first function begins with the program')
  const btf = new BtfWriter()
  const types = new FunctionTypes(btf)
  const functionWords = functions.flatMap((one) => [one.slot, types.add(one)])
  const lineWords = completeLines(functions, lines).flatMap(
    ({ slot, file, text, line, column }) => [
      slot,
      btf.text(file),
      btf.text(text.trim()),
      (Math.min(line, LINE_MAX) << 10) | Math.min(column, COLUMN_MAX),
    ],
  )
  return { btf: btf.finish(), functions: bytesOf(functionWords), lines: bytesOf(lineWords) }
}

/** The types of functions; those of their parameters are written once. */
class FunctionTypes {
  readonly #btf: BtfWriter
  readonly #result: number
  readonly #known = new Map<string, number>()

  constructor(btf: BtfWriter) {
    this.#btf = btf
    this.#result = btf.int('u32', 4)
  }

  add({ name, parameters }: FunctionAt): number {
    const kinds = (parameters ?? []).map((one, i) => ({ name: `a${i}`, type: this.#typeOf(one) }))
    const prototype = this.#btf.prototype(this.#result, kinds)
    const linkage = parameters === undefined ? Linkage.static : Linkage.global
    return this.#btf.function(name, prototype, linkage)
  }

  #typeOf(parameter: ParameterKind): number {
    if (parameter.kind === 'number') return this.#once('u64', () => this.#btf.int('u64', 8))
    const isContext = parameter.kind === 'context'
    const name = isContext ? parameter.struct : `bytes${parameter.bytes}`
    const size = isContext ? 4 : parameter.bytes
    return this.#once(name, () => this.#btf.pointer(this.#btf.struct(name, size, [])))
  }

  #once(name: string, make: () => number): number {
    const known = this.#known.get(name) ?? make()
    this.#known.set(name, known)
    return known
  }
}

/** The place that an instruction comes from. */
export function placeOf(lines: readonly LineAt[], slot: number): SourcePlace | undefined {
  return lines.findLast((line) => line.slot <= slot)
}

/** One line at each function's beginning, and one wherever the place changes. */
function completeLines(
  functions: readonly FunctionAt[],
  lines: readonly LineAt[],
): readonly LineAt[] {
  const at = new Map(lines.map((line) => [line.slot, line])) // of several at one slot the last
  const unknown: SourcePlace = { file: '', line: 0, column: 0, text: '' }
  for (const { slot } of functions) {
    if (!at.has(slot)) at.set(slot, { ...(placeOf(lines, slot) ?? unknown), slot })
  }
  const starts = new Set(functions.map(({ slot }) => slot))
  const complete: LineAt[] = []
  for (const line of [...at.values()].sort((a, b) => a.slot - b.slot)) {
    const before = complete.at(-1)
    const isSame =
      before?.file === line.file && before.line === line.line && before.column === line.column
    if (!isSame || starts.has(line.slot)) complete.push(line)
  }
  return complete
}

function bytesOf(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * words.length)
  words.forEach((word, i) => viewOf(bytes).setUint32(4 * i, word, true))
  return bytes
}
