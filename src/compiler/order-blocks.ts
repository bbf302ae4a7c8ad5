/**
 * The order of the code: what most packets do runs straight on, and what only a few need stands behind all that.
 *
 *     start ─► the way on that is not seldom ─► … ─► where that ends, ways on that were left aside ─► the seldom
 */
import { frequenciesOf, seldomBlocks } from './frequency.ts'
import { byLabel, successorsOf, type Block } from './graph.ts'
import type { Label } from './ir.ts'

export function orderBlocks(blocks: readonly Block[]): Block[] {
  const labels = byLabel(blocks)
  const seldom = seldomBlocks(blocks)
  const frequencies = frequenciesOf(blocks)
  const placed = new Set<Label>()
  const ordered: Block[] = []
  /** Ways on that were not taken: the last one left aside is the first to be taken up. */
  const aside: Label[] = [blocks[0]!.label]
  const later: Label[] = []
  const follow = (from: Label, isSeldom: boolean): void => {
    for (let next: Label | undefined = from; next !== undefined;) {
      const block: Block = labels.get(next)!
      placed.add(next)
      ordered.push(block)
      const on = successorsOf(block)
        .reverse()
        .filter((label) => !placed.has(label) && (isSeldom || !seldom.has(label)))
        .sort((a, b) => frequencies.get(b)! - frequencies.get(a)!)
      for (const label of successorsOf(block)) {
        if (placed.has(label) || label === on[0]) continue
        ;(seldom.has(label) && !isSeldom ? later : aside).push(label)
      }
      next = on[0]
    }
  }
  for (const list of [aside, later]) {
    for (let label = list.pop(); label !== undefined; label = list.pop()) {
      if (!placed.has(label)) follow(label, list === later)
      if (list === later) later.push(...aside.splice(0))
    }
  }
  return ordered
}
