/**
 * Writes to fields of the program's own structs that nobody looks at afterwards are taken out of the first function:
 * neither it itself nor a function that it goes on to call. Nobody looks once the program is over.
 */
import { fromBlocks, predecessorsOf, successorsOf, toBlocks, type Block } from '../ir/graph.ts'
import type { IrFunction, IrProgram, Label, Operation } from '../ir/ir.ts'
import { ownFieldsOf, structsIn, type OwnFields } from './own-fields.ts'

export function removeUnreadFields(program: IrProgram): IrProgram {
  const [entry, ...apart] = program.functions
  return { ...program, functions: [removeFrom(entry!, ownFieldsOf(program)), ...apart] }
}

function removeFrom(body: IrFunction, { kept, read }: OwnFields): IrFunction {
  const blocks = toBlocks(body)
  const structOf = structsIn(body)
  const fieldOf = (one: Operation): string | undefined => {
    if (one.op !== 'load' && one.op !== 'store') return undefined
    const name = `${structOf(one.base)}+${one.offset}`
    return kept.has(name) ? name : undefined
  }
  const wanted = new Map<Label, Set<string>>(blocks.map(({ label }) => [label, new Set()]))
  const scan = (block: Block, keep?: (one: Block['operations'][number]) => void): Set<string> => {
    const live = new Set(successorsOf(block).flatMap((label) => [...wanted.get(label)!]))
    for (const one of [...block.operations].reverse()) {
      const field = fieldOf(one)
      if (field === undefined || one.op === 'load' || live.has(field)) keep?.(one)
      if (field !== undefined && one.op === 'store') live.delete(field)
      else if (field !== undefined) live.add(field)
      // What begins anew has not seen what was written before.
      if (one.op === 'anew') live.clear()
      if (one.op === 'call') for (const name of read.get(one.name)!) live.add(name)
    }
    return live
  }
  const predecessors = predecessorsOf(blocks)
  const waiting = new Set([...blocks].reverse())
  for (const block of waiting) {
    waiting.delete(block)
    const live = scan(block)
    if (live.size === wanted.get(block.label)!.size) continue
    wanted.set(block.label, live)
    for (const one of predecessors.get(block.label)!) waiting.add(one)
  }
  for (const block of blocks) {
    const kept: Block['operations'] = []
    scan(block, (one) => kept.push(one))
    block.operations = kept.reverse()
  }
  return { ...body, operations: fromBlocks(blocks) }
}
