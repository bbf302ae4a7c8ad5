/**
 * The area: what a program has for itself, one for each CPU, in the only entry of an array map.
 *
 *     CPU 0          CPU 1                        `stride` bytes each, a power of two
 *   |··············|··············|· …
 *   |
 *   +0   seed      of `random`; whoever loads the program fills it
 *   +4   ticks     `now`, for the frame in hand
 *   +8   reason    what the program last returned to whoever tests it
 *   +12  under tc: is the frame's checksum partial?
 *   +16  what the verifier is to forget (forget.ts)
 *   +24  arguments of a call for which registers do not suffice
 *   …    the next hop's address, for the kernel
 *   …    structs of the program's own (X.local())
 *
 * In a map rather than on the stack: the verifier then forgets what was written, and its states meet again.
 */
import type { IrProgram } from '../ir/ir.ts'

export const AREA_MAP = 'area'
export const SEED = 0
export const TICKS = 4
export const REASON = 8
export const PARTIAL = 12
export const FORGOTTEN = 16
const ARGUMENTS = 24
export const ARGUMENTS_IN_AREA_MAX = 8
export const NEIGHBOUR = ARGUMENTS + 8 * ARGUMENTS_IN_AREA_MAX
const NEIGHBOUR_BYTES = 24

export interface Area {
  /** Bytes of each CPU's, a power of two; cache lines are not shared. */
  readonly stride: number
  readonly places: ReadonlyMap<string, number>
}

export function layOutArea({ locals }: IrProgram): Area {
  let offset = NEIGHBOUR + NEIGHBOUR_BYTES
  const places = new Map<string, number>()
  for (const { name, bytes } of locals) {
    places.set(name, offset)
    offset = Math.ceil((offset + bytes) / 8) * 8
  }
  return { stride: Math.max(64, 2 ** Math.ceil(Math.log2(offset))), places }
}

/** Where argument `i` of those that found no register stands. */
export function argumentPlace(i: number): number {
  return ARGUMENTS + 8 * i
}
