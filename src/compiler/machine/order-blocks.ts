/**
 * The order of the code: what most packets do runs straight on, and what only a few need stands behind all that.
 *
 *     start ─► the way on that is not seldom ─► … ─► where that ends, ways on that were left aside
 *           ─► behind `anew` the same ─► the seldom
 */
import { behindAnew } from '../ir/anew.ts'
import { frequenciesOf, seldomBlocks } from '../ir/frequency.ts'
import { byLabel, successorsOf, type Block } from '../ir/graph.ts'
import type { Label } from '../ir/ir.ts'

export function orderBlocks(blocks: readonly Block[]): Block[] {
  const labels = byLabel(blocks)
  const seldom = seldomBlocks(blocks)
  const anew = behindAnew(blocks)
  const frequencies = frequenciesOf(blocks)
  const placed = new Set<Label>()
  const ordered: Block[] = []
  const rankOf = (label: Label): number => (seldom.has(label) ? 2 : anew.has(label) ? 1 : 0)
  /** By rank, ways on that were not taken: the last one left aside is the first to be taken up. */
  const aside: readonly Label[][] = [[blocks[0]!.label], [], []]
  const follow = (from: Label, rank: number): void => {
    for (let next: Label | undefined = from; next !== undefined;) {
      const block: Block = labels.get(next)!
      placed.add(next)
      ordered.push(block)
      const on = successorsOf(block)
        .reverse()
        .filter((label) => !placed.has(label) && rankOf(label) <= rank)
        .sort((a, b) => frequencies.get(b)! - frequencies.get(a)!)
      for (const label of successorsOf(block)) {
        if (placed.has(label) || label === on[0]) continue
        aside[Math.max(rank, rankOf(label))]!.push(label)
      }
      next = on[0]
    }
  }
  aside.forEach((list, rank) => {
    for (let label = list.pop(); label !== undefined; label = list.pop()) {
      if (!placed.has(label)) follow(label, rank)
    }
  })
  return ordered
}
