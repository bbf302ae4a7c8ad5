/**
 * What each function must be handed beside its arguments: the kernel's context, for the frame; this CPU's area, for
 * structs of the program's own, time, chance, and arguments for which registers do not suffice.
 */
import type { IrFunction, IrProgram, Operation } from '../ir/ir.ts'
import { needsAreaForArguments } from './calls.ts'

export interface Needs {
  readonly context: boolean
  readonly area: boolean
}

export function needsOf({ functions }: IrProgram): ReadonlyMap<string, Needs> {
  const needs = new Map(
    functions.map(({ name, operations }): [string, { context: boolean; area: boolean }] => [
      name,
      { context: operations.some(needsContext), area: operations.some(needsArea) },
    ]),
  )
  for (let isChanging = true; isChanging;) {
    isChanging = false
    for (const body of functions) {
      const own = needs.get(body.name)!
      const before = `${own.context} ${own.area}`
      for (const callee of calleesOf(body)) {
        own.context ||= needs.get(callee)!.context
        own.area ||= needs.get(callee)!.area
      }
      own.area ||= needsAreaForArguments(body, own.context)
      if (`${own.context} ${own.area}` !== before) isChanging = true
    }
  }
  return needs
}

function calleesOf({ operations }: IrFunction): string[] {
  return operations.flatMap((one) => (one.op === 'call' ? one.name : []))
}

const IN_AREA: ReadonlySet<string> = new Set([
  'now',
  'random',
  'noteReason',
  'hold',
  'resume',
  'packet.hasPartialChecksum',
  'packet.askChecksum',
])
const IN_CONTEXT: ReadonlySet<string> = new Set(['hold', 'redirectLater', 'resume'])

/** Does the operation look at the frame or what came with it? */
export function needsContext(one: Operation): boolean {
  if (one.op !== 'intrinsic') return one.op === 'header'
  return one.name.startsWith('packet.') || IN_CONTEXT.has(one.name)
}

function needsArea(one: Operation): boolean {
  if (one.op === 'loop') return true
  return one.op === 'local' || (one.op === 'intrinsic' && IN_AREA.has(one.name))
}
