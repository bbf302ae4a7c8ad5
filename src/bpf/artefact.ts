/**
 * A compiled program as it is kept: everything a kernel is told of it, but for what is known only where it is loaded.
 *
 * JSON, written by the build (src/compiler/artefact.ts), read by whoever loads it. Each map is an array with one
 * entry, so many rows of `rowBytes`; the program names it by its place in `maps`. Numbers not known yet stand in
 * `patches`: the symbol's number goes into the constant of the instruction at that slot.
 *
 *     cpus              rows of the map `area`
 *     capacity NAME     rows of another map
 *     clockMultiplier, clockShift
 *                       ticks of the packet path (125 a second) = jiffies × multiplier >> shift
 */
import { assert } from '../base/assert.ts'
import { viewOf } from '../base/bytes.ts'
import type { LineAt } from './debug-lines.ts'
import { SLOT_SIZE } from './opcode.ts'

export const ARTEFACT_FORMAT = 1
/** In each CPU's row of the area: where `random` goes on from, a u32 that is not 0, from whoever loads the program. */
export const AREA_SEED_OFFSET = 0

export interface Artefact {
  readonly format: typeof ARTEFACT_FORMAT
  readonly name: string
  readonly attachment: 'xdp' | 'tc'
  /** Bytes, in base64, as all that are bytes here. */
  readonly instructions: string
  readonly maps: readonly { readonly name: string; readonly rowBytes: number }[]
  /** Rows that a map has at least: the program takes some for granted. */
  readonly leastRows: Readonly<Record<string, number>>
  readonly patches: readonly (readonly [slot: number, symbol: string])[]
  readonly debug: { readonly btf: string; readonly functions: string; readonly lines: string }
  /** Paths and source lines that `places` name by number. */
  readonly texts: readonly string[]
  /** From this slot on: file, line, column, source line. */
  readonly places: readonly (readonly [
    slot: number,
    file: number,
    line: number,
    column: number,
    text: number,
  ])[]
}

/** Numbers for the symbols of a program, where it is loaded. */
export interface Surroundings {
  /** Rows of each map, the area among them: the CPUs there may ever be. */
  readonly rows: ReadonlyMap<string, number>
  /** Jiffies a second, the kernel's HZ. */
  readonly hertz: number
}

/** Where the source of each instruction stands, for refusals. */
export function linesOf({ texts, places }: Artefact): LineAt[] {
  return places.map(([slot, file, line, column, text]) => ({
    slot,
    file: texts[file]!,
    line,
    column,
    text: texts[text]!,
  }))
}

export function bytesOf(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'))
}

/** The instructions, with all numbers in their places. Asserts that every map has rows enough. */
export function instructionsFor(artefact: Artefact, surroundings: Surroundings): Uint8Array {
  const bytes = bytesOf(artefact.instructions)
  const view = viewOf(bytes)
  for (const [name, least] of Object.entries(artefact.leastRows)) {
    const rows = surroundings.rows.get(name)
    assert(rows !== undefined && rows >= least, `map ${name} has ${least} rows at least`)
  }
  for (const [slot, symbol] of artefact.patches) {
    view.setInt32(slot * SLOT_SIZE + 4, numberOf(symbol, surroundings), true)
  }
  return bytes
}

const TICKS_PER_SECOND = 125
const CAPACITY = 'capacity '
/** Exact for HZ of 250 and 1000, and to a millionth for every other. */
const CLOCK_BITS = 20

function numberOf(symbol: string, { rows, hertz }: Surroundings): number {
  if (symbol === 'clockShift') return CLOCK_BITS
  if (symbol === 'clockMultiplier') {
    return Math.round((2 ** CLOCK_BITS * TICKS_PER_SECOND) / hertz)
  }
  const map = symbol === 'cpus' ? 'area' : symbol.slice(CAPACITY.length)
  const number = rows.get(map)
  assert(number !== undefined, `the program's ${symbol} is known`)
  return number
}
