/**
 * How functions of the program call each other: what goes in registers, and what through the area.
 */
import { assert } from '../base/assert.ts'
import type { IrFunction } from './ir.ts'

/** Arguments that a call takes in registers, the context and the area among them. */
const IN_REGISTERS = 5

/** Which arguments go in registers and which through the area: pointers never do. */
export function placeArguments(
  { name, parameters }: IrFunction,
  taken: number,
): { inRegisters: number[]; inArea: number[] } {
  const places = parameters.map((_, i) => i)
  const pointers = places.filter((i) => parameters[i]!.bytes !== undefined)
  const numbers = places.filter((i) => parameters[i]!.bytes === undefined)
  const room = IN_REGISTERS - taken - pointers.length
  assert(room >= 0, `${name} has no more pointers than there are registers`)
  return { inRegisters: [...pointers, ...numbers.slice(0, room)], inArea: numbers.slice(room) }
}

/** Does `name` need the area for its arguments? */
export function needsAreaForArguments(body: IrFunction, takesContext: boolean): boolean {
  return body.parameters.length + (takesContext ? 1 : 0) > IN_REGISTERS
}
