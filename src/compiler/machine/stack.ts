/**
 * The stack: 512 bytes for a program and all it calls, one within the other (MAX_BPF_STACK in linux/filter.h).
 *
 * What a function keeps there are slots of eight bytes (slots.ts); the verifier rounds each function's up to 32, and
 * counts none for less (check_max_stack_depth in kernel/bpf/verifier.c).
 */
import type { IrFunction, IrProgram } from '../ir/ir.ts'
import { Unfit } from '../target/unfit.ts'

export const STACK_BYTES_MAX = 512
const SLOT_BYTES = 8
const ROUNDED_TO = 32

/** Throws Unfit about the function in which the stack is full. */
export function checkStack({ functions }: IrProgram): void {
  const byName = new Map(functions.map((one) => [one.name, one]))
  const deepest = new Map<string, number>()
  const visit = (body: IrFunction, above: number): void => {
    const depth = above + stackBytes(body)
    if (depth <= (deepest.get(body.name) ?? -1)) return
    deepest.set(body.name, depth)
    if (depth > STACK_BYTES_MAX) {
      const message = `${body.name} and its callers need more than ${STACK_BYTES_MAX} bytes of stack`
      throw new Unfit(body.origin, message, 'fewer values at the same time, or X.local(),')
    }
    for (const one of body.operations) {
      if (one.op === 'call') visit(byName.get(one.name)!, depth)
    }
  }
  const [entry] = functions
  if (entry !== undefined) visit(entry, 0)
}

export function stackBytes({ operations }: IrFunction): number {
  const slots = operations.reduce((most, one) => {
    return one.op === 'spill' || one.op === 'fill' ? Math.max(most, one.slot + 1) : most
  }, 0)
  return Math.max(ROUNDED_TO, Math.ceil((slots * SLOT_BYTES) / ROUNDED_TO) * ROUNDED_TO)
}
