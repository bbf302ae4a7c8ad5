/**
 * How often a block runs, roughly: more in loops, less where only the seldom goes.
 *
 * A block that calls a function is seldom: what every packet needs is written where it is called (inline.ts). So are
 * those that leave a frame to others to send, make more of it readable or cut it; and one that only leads to such
 * blocks, or that only such lead to.
 */
import { predecessorsOf, successorsOf, type Block } from './graph.ts'
import type { Label, Operation } from './ir.ts'
import { loopsOf } from './loops.ts'

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
    if (operations.some(isSeldom)) seldom.add(label)
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

function isSeldom(operation: Operation): boolean {
  if (operation.op === 'intrinsic') return SELDOM_INTRINSICS.has(operation.name)
  return (
    operation.op === 'call' || (operation.op === 'helper' && SELDOM_HELPERS.has(operation.helper))
  )
}

const SELDOM_INTRINSICS: ReadonlySet<string> = new Set(['hold', 'packet.adjustTail'])
/** Helpers these become: change_tail, pull_data, xdp_adjust_meta, xdp_adjust_tail, redirect_neigh. */
const SELDOM_HELPERS: ReadonlySet<number> = new Set([38, 39, 54, 65, 152])

/** In how many loops each block is. */
function loopDepths(blocks: readonly Block[]): ReadonlyMap<Label, number> {
  const depths = new Map<Label, number>()
  for (const loop of loopsOf(blocks)) {
    for (const label of loop.blocks) depths.set(label, (depths.get(label) ?? 0) + 1)
  }
  return depths
}
