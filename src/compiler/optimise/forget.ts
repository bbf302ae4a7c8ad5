/**
 * Makes the verifier forget, between two rounds of a loop, what it knows of the numbers that go round with it.
 *
 * It follows every way through every round; two ways that come to the next round with different bounds are two to be
 * followed from there, and so on, twice as many each round. A number that went through the area may be anything, and
 * all ways meet again. Only what counts the rounds stays, or there would be no end:
 *
 *     goto loop   becomes   u64[area] = r1; r1 = u64[area]; goto loop
 */
import { FORGOTTEN } from '../target/area.ts'
import { fromBlocks, successorsOf, toBlocks, type Block } from '../ir/graph.ts'
import { readBy, writtenBy, type IrFunction, type Register } from '../ir/ir.ts'
import { livenessOf } from '../ir/liveness.ts'
import { loopsOf, type Loop } from '../ir/loops.ts'
import { redirect } from './ssa.ts'

/** `area`: the register that points to it, wherever the function is. */
export function forgetInLoops(body: IrFunction, area: Register): IrFunction {
  let blocks = toBlocks(body)
  const pointers = pointersOf(body, blocks)
  for (const loop of loopsOf(blocks)) {
    const { into } = livenessOf(blocks, body.registerCount)
    const writers = writersIn(blocks, loop, true)
    const before = writersIn(blocks, loop, false)
    const ends = endingIn(blocks, loop)
    const isExact = (one: number) => isCounter(one, writers, before, ends)
    const carried = [...into.get(loop.header)!].filter(
      (one) => writers.has(one) && !pointers.has(one) && !isExact(one),
    )
    if (carried.length > 0) blocks = insert(blocks, loop, area, carried)
  }
  return { ...body, operations: fromBlocks(blocks) }
}

type Straight = Block['operations'][number]

/** What writes each register in the loop, or outside. */
function writersIn(
  blocks: readonly Block[],
  { blocks: inside }: Loop,
  isInside: boolean,
): Map<number, Straight[]> {
  const writers = new Map<number, Straight[]>()
  for (const { label, operations } of blocks) {
    if (inside.has(label) !== isInside) continue
    for (const one of operations) {
      const to = writtenBy(one)
      if (to === undefined) continue
      const list = writers.get(to.number)
      if (list === undefined) writers.set(to.number, [one])
      else list.push(one)
    }
  }
  return writers
}

/** Registers by whose comparison with a constant the loop is left. */
function endingIn(blocks: readonly Block[], { blocks: inside }: Loop): ReadonlySet<number> {
  const ending = new Set<number>()
  for (const { label, end } of blocks) {
    if (!inside.has(label) || end.op !== 'branch' || end.right.kind !== 'immediate') continue
    if (!inside.has(end.label) || !inside.has(end.otherwise)) ending.add(end.left.number)
  }
  return ending
}

/**
 * Does the register begin with a constant, and is in the loop only ever added constants to? It may go through others,
 * where ways through the loop meet; and where it was found equal to a constant be that one, if the loop `ends` by it.
 */
function isCounter(
  number: number,
  inside: ReadonlyMap<number, readonly Straight[]>,
  before: ReadonlyMap<number, readonly Straight[]>,
  ends: ReadonlySet<number>,
): boolean {
  const waiting = new Set([number])
  let [isSet, isStepped] = [false, false]
  for (const one of waiting) {
    for (const step of before.get(one) ?? []) {
      if (step.op !== 'move') return false
      if (step.from.kind === 'register') waiting.add(step.from.number)
    }
    for (const step of inside.get(one) ?? []) {
      const isStep = step.op === 'alu' && step.operator === 'add' && step.right.kind === 'immediate'
      const from = isStep ? step.left : step.op === 'move' ? step.from : undefined
      if (from === undefined) return false
      isStepped ||= isStep
      if (from.kind === 'register') waiting.add(from.number)
      else isSet = true
    }
  }
  return !isSet || (isStepped && [...waiting].some((one) => ends.has(one)))
}

/** Registers that may be pointers: the verifier lets none of them into memory. */
function pointersOf({ parameters }: IrFunction, blocks: readonly Block[]): ReadonlySet<number> {
  const pointers = new Set(
    parameters.flatMap(({ register, bytes }) => (bytes === undefined ? [] : register.number)),
  )
  for (let before = -1; before !== pointers.size;) {
    before = pointers.size
    for (const { operations } of blocks) {
      for (const one of operations) {
        const to = writtenBy(one)
        if (to === undefined) continue
        const isMade = one.op === 'address' || one.op === 'context'
        const isDerived =
          (one.op === 'move' || one.op === 'alu') &&
          readBy(one).some((from) => from.kind === 'register' && pointers.has(from.number))
        if (isMade || isDerived) pointers.add(to.number)
      }
    }
  }
  return pointers
}

function insert(
  blocks: readonly Block[],
  { header, blocks: inside }: Loop,
  base: Register,
  carried: readonly number[],
): Block[] {
  const label = `${header} again`
  const operations = carried.flatMap((number): Straight[] => {
    const value: Register = { kind: 'register', number }
    return [
      { op: 'store', bytes: 8, base, offset: FORGOTTEN, value },
      { op: 'load', bytes: 8, to: value, base, offset: FORGOTTEN },
    ]
  })
  const left = blocks.map((block): Block => {
    const isBack = inside.has(block.label) && successorsOf(block).includes(header)
    return isBack ? { ...block, end: redirect(block.end, header, label) } : block
  })
  return [...left, { label, operations, end: { op: 'jump', label: header } }]
}
