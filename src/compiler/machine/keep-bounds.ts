/**
 * What a comparison teaches the verifier about a number that is kept on the stack, written back to the stack.
 *
 *     fill  r0 ← slot 3                          fill  r0 ← slot 3
 *     if r0 >= 1024 goto none                    if r0 >= 1024 goto none
 *     …                                          spill slot 3 ← r0
 *     fill  r2 ← slot 3     r2 is anything       fill  r2 ← slot 3     r2 is below 1024
 *
 * Kernels before 6.8 do not know that slot and register hold the same number. Later ones do; one store is not much.
 */
import { dominanceOf, type Dominance } from '../ir/dominators.ts'
import type { Block, Split } from '../ir/graph.ts'
import type { Label, Register } from '../ir/ir.ts'

/** The end of this block compares what was fetched from a slot for it. */
export interface Comparison {
  readonly block: Block
  readonly slot: number
  readonly fetched: Register
}

/** `usersOf`: the blocks where a slot is fetched. Changes blocks, and may add some. */
export function keepBounds(
  blocks: Block[],
  comparisons: readonly Comparison[],
  usersOf: ReadonlyMap<number, ReadonlySet<Label>>,
): void {
  const dominance = dominanceOf(blocks)
  for (const { block, slot, fetched } of comparisons) {
    const end = block.end as Split
    const side = boundedSide(end)
    if (side === undefined || end.label === end.otherwise) continue
    const to = end[side]
    if (!isUsedFrom(to, usersOf.get(slot)!, dominance)) continue
    const keep = { op: 'spill', slot, from: fetched } as const
    if (dominance.predecessors.get(to)!.length === 1) {
      blocks.find(({ label }) => label === to)!.operations.unshift(keep)
      continue
    }
    const label = `${block.label} kept`
    block.end = { ...end, [side]: label }
    blocks.splice(blocks.indexOf(block) + 1, 0, {
      label,
      operations: [keep],
      end: { op: 'jump', label: to },
    })
  }
}

/** Which way is gone when the number is below something? */
function boundedSide({ test, right }: Split): 'label' | 'otherwise' | undefined {
  if (right.kind === 'register') return undefined
  if (test === 'less' || test === 'lessOrEqual') return 'label'
  return test === 'greater' || test === 'greaterOrEqual' ? 'otherwise' : undefined
}

/** Is it fetched in this block, or in one that only this one leads to? */
function isUsedFrom(label: Label, users: ReadonlySet<Label>, { children }: Dominance): boolean {
  const waiting = [label]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (users.has(next)) return true
    waiting.push(...(children.get(next) ?? []).map((child) => child.label))
  }
  return false
}
