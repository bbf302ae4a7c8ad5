/**
 * A function as a graph of blocks: what the passes that move and remove code work on.
 *
 *   operations ──toBlocks──► blocks (straight code, then one way out) ──fromBlocks──► operations
 *
 * Every block ends with a jump, a branch to two labels, or a return; none runs into the next. The first one is where
 * the function begins, and nothing jumps there.
 */
import { assert } from '../../base/assert.ts'
import type { IrFunction, Label, Located, Operation, Origin, Test } from './ir.ts'

export type Straight = Exclude<Operation, { op: 'label' | 'jump' | 'branch' | 'return' }>
type Branch = Operation & { op: 'branch' }
/** `label` where the test holds, `otherwise` where it does not. */
export type Split = Branch & { readonly otherwise: Label }
export type End = (Split | (Operation & { op: 'jump' }) | (Operation & { op: 'return' })) & {
  readonly origin?: Origin
}

export interface Block {
  readonly label: Label
  operations: (Straight & { readonly origin?: Origin })[]
  end: End
}

export const START = 'start'

/** Blocks in the order of the code; what nothing leads to is left out. */
export function toBlocks({ operations, name }: IrFunction): Block[] {
  const blocks: Block[] = []
  let block: { label: Label; operations: Block['operations'] } | undefined
  block = { label: START, operations: [] }
  const finish = (end: End) => {
    if (block !== undefined) blocks.push({ ...block, end })
    block = undefined
  }
  const known = new Set(operations.flatMap((one) => (one.op === 'label' ? one.label : [])))
  let count = 0
  const fresh = (): Label => {
    const label = `behind ${++count}`
    return known.has(label) ? fresh() : label
  }
  for (const operation of operations) {
    switch (operation.op) {
      case 'label':
        finish({ op: 'jump', label: operation.label })
        block = { label: operation.label, operations: [] }
        break
      case 'jump':
      case 'return':
        finish(operation)
        break
      case 'branch': {
        const otherwise = fresh()
        finish({ ...operation, otherwise })
        block = { label: otherwise, operations: [] }
        break
      }
      default:
        block?.operations.push(operation)
    }
  }
  assert(block === undefined, `${name} returns`)
  return reachable(blocks)
}

/** The labels a block goes on to. */
export function successorsOf({ end }: Block): Label[] {
  if (end.op === 'return') return []
  return end.op === 'jump' ? [end.label] : [end.label, end.otherwise]
}

export function byLabel(blocks: readonly Block[]): Map<Label, Block> {
  return new Map(blocks.map((block) => [block.label, block]))
}

/** The blocks something leads to, in their order. */
export function reachable(blocks: readonly Block[]): Block[] {
  const found = new Set(reversePostorder(blocks))
  return blocks.filter((block) => found.has(block))
}

/** Each block before those it leads to, but for loops. */
export function reversePostorder(blocks: readonly Block[]): Block[] {
  const labels = byLabel(blocks)
  const seen = new Set<Block>()
  const order: Block[] = []
  // Without recursion: a function may have thousands of blocks.
  const trail: { block: Block; next: Label[] }[] = []
  const enter = (block: Block) => {
    seen.add(block)
    trail.push({ block, next: successorsOf(block) })
  }
  enter(blocks[0]!)
  for (let top = trail.at(-1); top !== undefined; top = trail.at(-1)) {
    const label = top.next.pop()
    if (label === undefined) {
      order.push(top.block)
      trail.pop()
      continue
    }
    const next = labels.get(label)
    assert(next !== undefined, `there is a block ${label}`)
    if (!seen.has(next)) enter(next)
  }
  return order.reverse()
}

/** How often each label is gone to. */
export function predecessorsOf(blocks: readonly Block[]): Map<Label, Block[]> {
  const found = new Map<Label, Block[]>(blocks.map(({ label }) => [label, []]))
  for (const block of blocks) {
    for (const label of new Set(successorsOf(block))) found.get(label)!.push(block)
  }
  return found
}

const OPPOSITE: Readonly<Partial<Record<Test, Test>>> = {
  equal: 'unequal',
  unequal: 'equal',
  less: 'greaterOrEqual',
  lessOrEqual: 'greater',
  greater: 'lessOrEqual',
  greaterOrEqual: 'less',
  signedLess: 'signedGreaterOrEqual',
  signedLessOrEqual: 'signedGreater',
  signedGreater: 'signedLessOrEqual',
  signedGreaterOrEqual: 'signedLess',
}

/** The test that holds where this one does not; undefined: there is none. */
export function oppositeOf(test: Test): Test | undefined {
  return OPPOSITE[test]
}

/**
 * Code again, in the order of the blocks: a way out that is the next block is fallen into, but where a jump is wanted.
 */
export function fromBlocks(
  blocks: readonly Block[],
  wantsJump: (from: Label, to: Label) => boolean = () => false,
): Located[] {
  const code: Located[] = []
  blocks.forEach(({ label, operations, end }, i) => {
    code.push({ op: 'label', label }, ...operations)
    const next = blocks[i + 1]?.label
    if (end.op === 'return') code.push(end)
    else if (end.op === 'jump') {
      if (end.label !== next || wantsJump(label, next)) code.push(end)
    } else writeSplit(code, end, next)
  })
  const wanted = new Set(
    code.flatMap((one) => ('label' in one && one.op !== 'label' ? one.label : [])),
  )
  return code.filter((one) => one.op !== 'label' || wanted.has(one.label))
}

function writeSplit(code: Located[], end: End & Split, next: Label | undefined): void {
  const { otherwise, ...branch } = end
  const opposite = oppositeOf(end.test)
  if (end.label === next && opposite !== undefined) {
    code.push({ ...branch, test: opposite, label: otherwise })
    return
  }
  code.push(branch)
  if (otherwise === next) return
  code.push({ op: 'jump', label: otherwise, ...(end.origin && { origin: end.origin }) })
}
