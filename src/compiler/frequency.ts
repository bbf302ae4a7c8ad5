/**
 * How often a block runs, roughly: more in loops, less where only the seldom goes.
 *
 * A block that calls a function is seldom: what every packet needs is written where it is called (inline.ts). So is
 * one that only leads to such blocks, or that only such lead to.
 */
import { dominanceOf } from './dominators.ts'
import { predecessorsOf, successorsOf, type Block } from './graph.ts'
import type { Label } from './ir.ts'

const IN_LOOP = 8
const SELDOM = 1 / 64
const DEPTH_MAX = 4

export function frequenciesOf(blocks: readonly Block[]): ReadonlyMap<Label, number> {
  const depths = loopDepths(blocks)
  const seldom = seldomBlocks(blocks)
  return new Map(
    blocks.map(({ label }) => {
      const depth = Math.min(DEPTH_MAX, depths.get(label) ?? 0)
      return [label, IN_LOOP ** depth * (seldom.has(label) ? SELDOM : 1)]
    }),
  )
}

export function seldomBlocks(blocks: readonly Block[]): ReadonlySet<Label> {
  const predecessors = predecessorsOf(blocks)
  const seldom = new Set<Label>()
  for (const { label, operations } of blocks) {
    if (operations.some(({ op }) => op === 'call')) seldom.add(label)
  }
  for (let isChanging = true; isChanging;) {
    isChanging = false
    for (const block of blocks.slice(1)) {
      if (seldom.has(block.label)) continue
      const next = successorsOf(block)
      const before = predecessors.get(block.label)!
      const isOnlyTo = next.length > 0 && next.every((label) => seldom.has(label))
      const isOnlyFrom = before.length > 0 && before.every(({ label }) => seldom.has(label))
      if (!isOnlyTo && !isOnlyFrom) continue
      seldom.add(block.label)
      isChanging = true
    }
  }
  return seldom
}

/** In how many loops each block is. */
function loopDepths(blocks: readonly Block[]): ReadonlyMap<Label, number> {
  const { children, predecessors, order } = dominanceOf(blocks)
  const depths = new Map<Label, number>(order.map(({ label }) => [label, 0]))
  const [enter, leave] = [new Map<Label, number>(), new Map<Label, number>()]
  let clock = 0
  const trail: { label: Label; isLeaving: boolean }[] = [
    { label: order[0]!.label, isLeaving: false },
  ]
  for (let top = trail.pop(); top !== undefined; top = trail.pop()) {
    const { label } = top
    if (top.isLeaving) {
      leave.set(label, clock++)
      continue
    }
    enter.set(label, clock++)
    trail.push({ label, isLeaving: true })
    for (const child of children.get(label)!) trail.push({ label: child.label, isLeaving: false })
  }
  const dominates = (a: Label, b: Label) =>
    enter.get(a)! <= enter.get(b)! && leave.get(a)! >= leave.get(b)!
  for (const { label } of order) {
    const backs = predecessors.get(label)!.filter((one) => dominates(label, one.label))
    if (backs.length === 0) continue
    const body = new Set<Label>([label])
    const waiting = backs.map((one) => one.label)
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (body.has(next)) continue
      body.add(next)
      waiting.push(...predecessors.get(next)!.map((one) => one.label))
    }
    for (const one of body) depths.set(one, depths.get(one)! + 1)
  }
  return depths
}
