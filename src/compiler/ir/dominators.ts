/**
 * Which block every way to another one passes, and where ways meet again.
 *
 * Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm" (2001).
 */
import { predecessorsOf, reversePostorder, type Block } from './graph.ts'
import type { Label } from './ir.ts'

export interface Dominance {
  /** Blocks in an order in which each comes behind the one that dominates it. */
  readonly order: readonly Block[]
  /** The blocks that a block dominates immediately. */
  readonly children: ReadonlyMap<Label, readonly Block[]>
  /** Where a block's dominance ends: blocks it leads to, but not alone. */
  readonly frontiers: ReadonlyMap<Label, ReadonlySet<Label>>
  readonly predecessors: ReadonlyMap<Label, readonly Block[]>
}

export function dominanceOf(blocks: readonly Block[]): Dominance {
  const order = reversePostorder(blocks)
  const rank = new Map(order.map(({ label }, i) => [label, i]))
  const predecessors = predecessorsOf(order)
  const above: number[] = new Array(order.length).fill(-1)
  above[0] = 0
  const meet = (a: number, b: number): number => {
    while (a !== b) {
      while (a > b) a = above[a]!
      while (b > a) b = above[b]!
    }
    return a
  }
  for (let isChanging = true; isChanging;) {
    isChanging = false
    for (let i = 1; i < order.length; i++) {
      let found = -1
      for (const { label } of predecessors.get(order[i]!.label)!) {
        const one = rank.get(label)!
        if (above[one] === -1) continue
        found = found === -1 ? one : meet(one, found)
      }
      if (above[i] === found) continue
      above[i] = found
      isChanging = true
    }
  }
  const children = new Map<Label, Block[]>(order.map(({ label }) => [label, []]))
  for (let i = 1; i < order.length; i++) children.get(order[above[i]!]!.label)!.push(order[i]!)
  const frontiers = new Map<Label, Set<Label>>(order.map(({ label }) => [label, new Set()]))
  for (let i = 0; i < order.length; i++) {
    const { label } = order[i]!
    const before = predecessors.get(label)!
    if (before.length < 2 && !(i === 0 && before.length > 0)) continue
    for (const one of before) {
      for (let at = rank.get(one.label)!; at !== above[i]; at = above[at]!) {
        frontiers.get(order[at]!.label)!.add(label)
        if (at === 0) break
      }
    }
  }
  return { order, children, frontiers, predecessors }
}
