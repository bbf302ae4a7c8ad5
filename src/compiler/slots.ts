/**
 * Slots of the stack: registers that are never kept at the same time share one.
 */
import { predecessorsOf, successorsOf, type Block } from './graph.ts'
import type { Label } from './ir.ts'
import { RegisterSet } from './liveness.ts'

/** Renumbers the slots: 0, 1, … */
export function shareSlots(blocks: readonly Block[]): void {
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
