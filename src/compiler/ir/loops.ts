/**
 * The loops of a function: blocks from which a way leads back to one that dominates them.
 */
import { dominanceOf } from './dominators.ts'
import type { Block } from './graph.ts'
import type { Label, Operation } from './ir.ts'

/** Loops with more rounds are cut (cut-loops.ts). */
const TIMES_MAX = 32

/** Does this operation stand in a loop that is to be cut? */
export function isLongLoop(operation: Operation): boolean {
  return operation.op === 'loop' && operation.times > TIMES_MAX
}

export interface Loop {
  /** Every way in passes it, and every round. */
  readonly header: Label
  readonly blocks: ReadonlySet<Label>
}

/** Inner loops before those around them. */
export function loopsOf(blocks: readonly Block[]): Loop[] {
  const { children, predecessors, order } = dominanceOf(blocks)
  const [enter, leave] = [new Map<Label, number>(), new Map<Label, number>()]
  let clock = 0
  const trail = [{ label: order[0]!.label, isLeaving: false }]
  for (let top = trail.pop(); top !== undefined; top = trail.pop()) {
    const { label } = top
    const times = top.isLeaving ? leave : enter
    times.set(label, clock++)
    if (top.isLeaving) continue
    trail.push({ label, isLeaving: true })
    for (const child of children.get(label)!) trail.push({ label: child.label, isLeaving: false })
  }
  const dominates = (a: Label, b: Label) =>
    enter.get(a)! <= enter.get(b)! && leave.get(a)! >= leave.get(b)!
  const loops = order.flatMap(({ label: header }): Loop[] => {
    const backs = predecessors.get(header)!.filter(({ label }) => dominates(header, label))
    if (backs.length === 0) return []
    const body = new Set<Label>([header])
    const waiting = backs.map(({ label }) => label)
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (body.has(next)) continue
      body.add(next)
      waiting.push(...predecessors.get(next)!.map(({ label }) => label))
    }
    return [{ header, blocks: body }]
  })
  return loops.sort((a, b) => a.blocks.size - b.blocks.size)
}

/** Does a block lead back to another, for a loop's next round? */
export function backEdgesOf(blocks: readonly Block[]): (from: Label, to: Label) => boolean {
  const loops = new Map(loopsOf(blocks).map((loop) => [loop.header, loop]))
  return (from, to) => loops.get(to)?.blocks.has(from) === true
}
