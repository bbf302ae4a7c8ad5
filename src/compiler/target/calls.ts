/**
 * How functions of the program call each other: what goes in registers, and what through the area.
 */
import { ARGUMENTS_IN_AREA_MAX } from './area.ts'
import type { IrFunction } from '../ir/ir.ts'
import { Unfit } from './unfit.ts'

/** Arguments that a call takes in registers, the context and the area among them. */
const IN_REGISTERS = 5

/** Which arguments go in registers and which through the area: pointers never do. Throws Unfit. */
export function placeArguments(
  { name, parameters, origin }: IrFunction,
  taken: number,
): { inRegisters: number[]; inArea: number[] } {
  const places = parameters.map((_, i) => i)
  const pointers = places.filter((i) => parameters[i]!.bytes !== undefined)
  const numbers = places.filter((i) => parameters[i]!.bytes === undefined)
  const room = IN_REGISTERS - taken - pointers.length
  if (room < 0) {
    const message = `${name} takes ${pointers.length} views, and a call has room for ${IN_REGISTERS - taken}`
    throw new Unfit(origin, message, 'indices, or a function that is not @apart')
  }
  const [inRegisters, inArea] = [numbers.slice(0, room), numbers.slice(room)]
  if (inArea.length > ARGUMENTS_IN_AREA_MAX) {
    const most = room + ARGUMENTS_IN_AREA_MAX
    const message = `${name} takes ${numbers.length} numbers, and a call has room for ${most}`
    throw new Unfit(origin, message, 'X.local() filled by the caller')
  }
  return { inRegisters: [...pointers, ...inRegisters], inArea }
}

/** Does `name` need the area for its arguments? */
export function needsAreaForArguments(body: IrFunction, takesContext: boolean): boolean {
  return body.parameters.length + (takesContext ? 1 : 0) > IN_REGISTERS
}
