/**
 * From checked source to instructions: the passes in their order.
 */
import { layOutArea, type Area } from './target/area.ts'
import type { CheckedProgram } from './language/check.ts'
import { cutLoops } from './optimise/cut-loops.ts'
import { emit, type Emitted } from './machine/emit.ts'
import { expandProgram } from './target/expand.ts'
import { inlineCalls } from './optimise/inline.ts'
import { immediate, type IrProgram, type Located } from './ir/ir.ts'
import { lowerProgram, type SettledFields } from './lower/lower.ts'
import { optimise } from './optimise/optimise.ts'
import { allocateRegisters } from './machine/registers.ts'
import { settleParameters } from './optimise/settle-parameters.ts'
import { checkStack } from './machine/stack.ts'
import { targetOf, type TargetOptions } from './target/target.ts'
import { removeUnreadFields } from './optimise/unread-fields.ts'

/** After each pass, for those who want to see. */
export const PASSES = [
  'lower',
  'settle',
  'inline',
  'optimise',
  'cut',
  'fields',
  'expand',
  'registers',
] as const
export type Pass = (typeof PASSES)[number]

export interface CompileOptions extends TargetOptions {
  readonly settled?: SettledFields
  readonly onPass?: (pass: Pass, program: IrProgram) => void
}

export interface Compiled extends Emitted {
  readonly area: Area
  readonly program: IrProgram
}

/** Under XDP there is nothing to find out of a checksum, and so no view gets stale by it. */
function withoutAsking(program: IrProgram): IrProgram {
  const functions = program.functions.map((body) => ({
    ...body,
    operations: body.operations.map((one): Located => {
      if (one.op !== 'intrinsic' || one.name !== 'packet.askChecksum') return one
      return { ...one, op: 'move', to: one.to!, from: immediate(1) }
    }),
  }))
  return { ...program, functions }
}

/** The program that begins with function `name` of the file at `path`. Throws Unfit. */
export function compile(
  checked: CheckedProgram,
  path: string,
  name: string,
  options: CompileOptions,
): Compiled {
  const show = (pass: Pass, program: IrProgram): IrProgram => {
    options.onPass?.(pass, program)
    return program
  }
  const lowered = show('lower', lowerProgram(checked, path, name, options.settled))
  const asked = options.attachment === 'xdp' ? withoutAsking(lowered) : lowered
  const settled = show('settle', settleParameters(asked))
  const inlined = show('inline', inlineCalls(settled))
  const whole = show('optimise', optimise(inlined))
  const cut = show('cut', optimise(cutLoops(whole)))
  const optimised = show('fields', optimise(removeUnreadFields(cut)))
  const target = targetOf(options)
  const expanded = optimise(expandProgram(optimised, target), { isExpanded: true })
  show('expand', expanded)
  const program = { ...expanded, functions: expanded.functions.map(allocateRegisters) }
  show('registers', program)
  checkStack(program)
  return { ...emit(program), area: layOutArea(optimised), program }
}
