/**
 * The same program with less to do: the passes between lowering and registers, in their order.
 *
 *   blocks ─► clean-up ─► single assignment ─► values ─► dead code ─► blocks, until nothing changes much
 */
import { cleanUp } from './clean-up.ts'
import { removeDeadCode } from './dead-code.ts'
import { fromBlocks, toBlocks } from '../ir/graph.ts'
import type { IrFunction, IrProgram } from '../ir/ir.ts'
import { fromSsa, toSsa } from './ssa.ts'
import { numberValues, type ValueOptions } from './values.ts'

const ROUNDS = 3

export function optimise(
  program: IrProgram,
  options: ValueOptions = { isExpanded: false },
): IrProgram {
  const functions = program.functions.map((body) => optimiseFunction(body, options))
  return { ...program, functions: reached(functions) }
}

/** Without functions whose calls are gone: the kernel takes none that nobody calls. */
function reached(functions: readonly IrFunction[]): IrFunction[] {
  const byName = new Map(functions.map((one) => [one.name, one]))
  const found = new Set(functions.slice(0, 1))
  for (const { operations } of found) {
    for (const one of operations) if (one.op === 'call') found.add(byName.get(one.name)!)
  }
  return functions.filter((one) => found.has(one))
}

export function optimiseFunction(body: IrFunction, options: ValueOptions): IrFunction {
  let { parameters, registerCount } = body
  let blocks = toBlocks(body)
  for (let round = 0; round < ROUNDS; round++) {
    blocks = cleanUp(blocks)
    const ssa = toSsa(blocks, parameters, registerCount)
    numberValues(ssa, options)
    removeDeadCode(ssa)
    blocks = fromSsa(ssa)
    registerCount = ssa.registerCount
    parameters = ssa.parameters
  }
  blocks = cleanUp(blocks)
  return { ...body, parameters, registerCount, operations: fromBlocks(blocks) }
}
