/**
 * Slots of the stack: registers that are never kept at the same time share one.
 */
import { predecessorsOf, successorsOf, type Block } from '../ir/graph.ts'
import type { Label } from '../ir/ir.ts'
import { RegisterSet } from '../ir/liveness.ts'

/** Renumbers the slots: 0, 1, …; what nobody fetches is not kept. */
export function shareSlots(blocks: readonly Block[]): void {
  while (removeUnread(blocks));
  const numbers = new Map<number, number>()
  for (const { operations } of blocks) {
    for (const one of operations) {
      if ('slot' in one && !numbers.has(one.slot)) numbers.set(one.slot, numbers.size)
    }
  }
  const neighbours = slotInterference(blocks, numbers)
  const places: number[] = []
  for (let slot = 0; slot < numbers.size; slot++) {
    const taken = new Set([...neighbours[slot]!].map((other) => places[other]))
    let place = 0
    while (taken.has(place)) place++
    places.push(place)
  }
  for (const block of blocks) {
    block.operations = block.operations.map((one) =>
      'slot' in one ? { ...one, slot: places[numbers.get(one.slot)!]! } : one,
    )
  }
}

/** Takes out what is kept where nobody fetches it any more; was there any? */
function removeUnread(blocks: readonly Block[]): boolean {
  const wanted = new Map<Label, Set<number>>(blocks.map(({ label }) => [label, new Set()]))
  const predecessors = predecessorsOf(blocks)
  const scan = (block: Block, keep?: (one: Block['operations'][number]) => void): Set<number> => {
    const live = new Set(successorsOf(block).flatMap((label) => [...wanted.get(label)!]))
    for (const one of [...block.operations].reverse()) {
      if (one.op !== 'spill' || live.has(one.slot)) keep?.(one)
      if (one.op === 'spill') live.delete(one.slot)
      if (one.op === 'fill') live.add(one.slot)
    }
    return live
  }
  const waiting = new Set([...blocks].reverse())
  for (const block of waiting) {
    waiting.delete(block)
    const live = scan(block)
    if (live.size === wanted.get(block.label)!.size) continue
    wanted.set(block.label, live)
    for (const one of predecessors.get(block.label)!) waiting.add(one)
  }
  let isChanged = false
  for (const block of blocks) {
    const kept: Block['operations'] = []
    scan(block, (one) => kept.push(one))
    isChanged ||= kept.length !== block.operations.length
    block.operations = kept.reverse()
  }
  return isChanged
}

function slotInterference(
  blocks: readonly Block[],
  numbers: ReadonlyMap<number, number>,
): Set<number>[] {
  const count = numbers.size
  const neighbours = Array.from({ length: count }, () => new Set<number>())
  const into = new Map<Label, RegisterSet>(
    blocks.map(({ label }) => [label, new RegisterSet(count)]),
  )
  const predecessors = predecessorsOf(blocks)
  const waiting = new Set([...blocks].reverse())
  for (const block of waiting) {
    waiting.delete(block)
    const live = new RegisterSet(count)
    for (const next of successorsOf(block)) live.addAll(into.get(next)!)
    for (const one of [...block.operations].reverse()) {
      if (one.op === 'fill') live.add(numbers.get(one.slot)!)
      if (one.op !== 'spill') continue
      const slot = numbers.get(one.slot)!
      live.delete(slot)
      for (const other of live) {
        neighbours[slot]!.add(other)
        neighbours[other]!.add(slot)
      }
    }
    if (!into.get(block.label)!.addAll(live)) continue
    for (const one of predecessors.get(block.label)!) waiting.add(one)
  }
  return neighbours
}
