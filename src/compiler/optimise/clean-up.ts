/**
 * Fewer blocks: ways through empty ones are shortened, blocks only one way leads to are joined with it, and who comes
 * from a block that settles the next one's test goes where that leads.
 */
import { compute, isConstant, isTrue } from '../ir/arithmetic.ts'
import {
  byLabel,
  predecessorsOf,
  reachable,
  successorsOf,
  type Block,
  type End,
  type Split,
} from '../ir/graph.ts'
import { writtenBy, type Label, type Operand } from '../ir/ir.ts'
import { redirect } from './ssa.ts'

/** Moves and computations that are copied into a block whose way leads past them. */
const COPIED_MAX = 64

export function cleanUp(blocks: readonly Block[]): Block[] {
  let left = [...blocks]
  for (let isChanging = true; isChanging;) {
    const shortened = shorten(left)
    const threaded = thread(left)
    left = reachable(left)
    const joined = join(left)
    left = joined ?? left
    isChanging = shortened || threaded || joined !== undefined
  }
  return left
}

/** Ways lead past blocks that only jump on. */
function shorten(blocks: readonly Block[]): boolean {
  const labels = byLabel(blocks)
  const goalOf = (label: Label): Label => {
    const seen = new Set<Label>()
    let goal = label
    for (;;) {
      const { operations, end } = labels.get(goal)!
      if (operations.length > 0 || end.op !== 'jump' || seen.has(goal)) return goal
      seen.add(goal)
      goal = end.label
    }
  }
  let isChanged = false
  for (const block of blocks) {
    for (const label of successorsOf(block)) {
      const goal = goalOf(label)
      if (goal === label) continue
      block.end = redirect(block.end, label, goal)
      isChanged = true
    }
    if (block.end.op === 'branch' && block.end.label === block.end.otherwise) {
      block.end = { op: 'jump', label: block.end.label }
      isChanged = true
    }
  }
  return isChanged
}

/** A block that jumps to one which nobody else goes to becomes one with it. */
function join(blocks: readonly Block[]): Block[] | undefined {
  const predecessors = predecessorsOf(blocks)
  const labels = byLabel(blocks)
  const gone = new Set<Block>()
  for (const block of blocks) {
    if (gone.has(block)) continue
    while (block.end.op === 'jump') {
      const next = labels.get(block.end.label)!
      if (next === block || predecessors.get(next.label)!.length !== 1 || next === blocks[0]) break
      block.operations.push(...next.operations)
      block.end = next.end
      gone.add(next)
    }
  }
  return gone.size === 0 ? undefined : blocks.filter((block) => !gone.has(block))
}

/** Whoever jumps to a test whose outcome he knows, jumps on; what is computed on the way goes with him. */
function thread(blocks: readonly Block[]): boolean {
  const labels = byLabel(blocks)
  let isChanged = false
  for (const block of blocks) {
    if (block.end.op !== 'jump') continue
    const way = wayToTest(block, labels)
    if (way === undefined) continue
    const outcome = outcomeBehind([...block.operations, ...way.moves], way.test)
    if (outcome === undefined) continue
    block.operations.push(...way.moves)
    const label = outcome ? way.test.label : way.test.otherwise
    block.end = { op: 'jump', label } satisfies End
    isChanged = true
  }
  return isChanged
}

const COPIED: ReadonlySet<string> = new Set(['move', 'alu', 'loop'])

/** Moves and computations, and nothing else, up to the first test behind the block. */
function wayToTest(block: Block, labels: ReadonlyMap<Label, Block>) {
  const moves: Block['operations'] = []
  const seen = new Set([block])
  for (let end: End = block.end; end.op === 'jump';) {
    const next = labels.get(end.label)!
    if (seen.has(next)) return undefined
    seen.add(next)
    if (next.operations.some(({ op }) => !COPIED.has(op))) return undefined
    moves.push(...next.operations.filter(({ op }) => op !== 'loop'))
    if (moves.length > COPIED_MAX) return undefined
    if (next.end.op === 'branch') return { moves, test: next.end }
    end = next.end
  }
  return undefined
}

/** How the test comes out behind these operations, from constants that they put into registers. */
function outcomeBehind(
  operations: Block['operations'],
  { test, width, left, right }: Split,
): boolean | undefined {
  /** Before the operation at `end`. */
  const valueOf = (operand: Operand, end: number): Operand | undefined => {
    let wanted = operand
    for (let i = end - 1; i >= 0 && wanted.kind === 'register'; i--) {
      const operation = operations[i]!
      if (writtenBy(operation)?.number !== wanted.number) continue
      if (operation.op === 'alu' && isConstant(operation.right)) {
        const from = valueOf(operation.left, i)
        if (from === undefined || !isConstant(from)) return undefined
        return compute(operation.operator, operation.width, from, operation.right)
      }
      if (operation.op !== 'move') return undefined
      wanted = operation.from
    }
    return wanted
  }
  const [a, b] = [left, right].map((one) => valueOf(one, operations.length))
  if (a === undefined || b === undefined || !isConstant(a) || !isConstant(b)) return undefined
  return isTrue(test, width, a, b)
}
