/**
 * Registers: from as many as one likes to the machine's ten, and slots of the stack for what finds none.
 *
 * Colours the registers; those that get no colour are kept on the stack, each use with a short-lived register of its
 * own, and all is coloured again. Constants and addresses of maps are not kept but made anew.
 */
import { assert } from '../../base/assert.ts'
import { frequenciesOf } from '../ir/frequency.ts'
import { COLOURS, colour } from './colour.ts'
import type { Block, Split } from '../ir/graph.ts'
import { interferenceOf, isMachine } from './interference.ts'
import {
  readBy,
  register,
  writtenBy,
  type IrFunction,
  type Label,
  type Operation,
  type Register,
} from '../ir/ir.ts'
import { fromBlocks } from '../ir/graph.ts'
import { keepBounds, type Comparison } from './keep-bounds.ts'
import { backEdgesOf } from '../ir/loops.ts'
import { MACHINE_REGISTERS, toMachine, type MachineFunction } from './machine.ts'
import { mapReads, mapWritten, rename } from '../ir/rename.ts'
import { orderBlocks } from './order-blocks.ts'
import { saveAroundCalls } from './save-around-calls.ts'
import { shareSlots } from './slots.ts'

const ROUNDS_MAX = 40

/** The function with machine registers; its operations are instructions now, one for one. */
export function allocateRegisters(body: IrFunction): IrFunction {
  const machine = toMachine(body)
  const spilling: Spilling = { brief: new Set(), slots: new Map() }
  const { brief } = spilling
  const frequencies = frequenciesOf(machine.blocks)
  joinMoves(machine, frequencies)
  if (!body.isApart) saveAroundCalls(machine)
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const interference = interferenceOf(machine, frequencies)
    for (const number of brief) interference.costs[number] = Infinity
    const { colours, uncoloured } = colour(interference)
    if (uncoloured.size === 0) return finish(body, machine, colours)
    const lost = new Map([...uncoloured].filter(([, one]) => !brief.has(one)))
    assert(lost.size > 0, `${body.name}: there are registers enough for one operation`)
    unite(machine, lost)
    spill(machine, new Set(lost.values()), spilling)
  }
  throw new Error(`${body.name}: no end of spilling`)
}

function finish(body: IrFunction, machine: MachineFunction, colours: Int32Array): IrFunction {
  const paint = (one: Register): Register =>
    one.number < MACHINE_REGISTERS ? one : register(colours[one.number]!)
  for (const block of machine.blocks) {
    block.operations = block.operations
      .map((one) => rename(one, paint, (label) => label))
      .filter((one) => !isMoveToItself(one))
    block.end = rename(block.end, paint, (label) => label)
  }
  shareSlots(machine.blocks)
  const blocks = orderBlocks(machine.blocks)
  return {
    ...body,
    parameters: body.parameters.map(({ bytes }, i) => ({ bytes, register: register(1 + i) })),
    // Up to 6.1 at least the verifier lets nothing but jumps lead back; it takes out those that go nowhere.
    operations: fromBlocks(blocks, backEdgesOf(blocks)),
    registerCount: COLOURS + 1,
  }
}

function isMoveToItself(operation: Operation): boolean {
  return (
    operation.op === 'move' &&
    operation.from.kind === 'register' &&
    operation.from.number === operation.to.number
  )
}

/**
 * Makes one of whatever a move connects and is never wanted at the same time: values that meet from different ways
 * share a place then, be it a register or a slot, and nothing is copied where they meet.
 */
function joinMoves(machine: MachineFunction, frequencies: ReadonlyMap<string, number>): void {
  const { neighbours, moves } = interferenceOf(machine, frequencies)
  const joined = new Map<number, number>()
  const find = (number: number): number => {
    let found = number
    for (let next = joined.get(found); next !== undefined; next = joined.get(found)) found = next
    return found
  }
  for (const { to, from } of moves) {
    const [into, gone] = [find(to), find(from)]
    if (into === gone || isMachine(into) || isMachine(gone)) continue
    if (neighbours[into]!.has(gone)) continue
    joined.set(gone, into)
    for (const one of neighbours[gone]!) {
      neighbours[one]!.delete(gone)
      neighbours[one]!.add(into)
      neighbours[into]!.add(one)
    }
  }
  unite(machine, new Map([...joined.keys()].map((one) => [one, find(one)])))
}

/** Registers that were joined are one from now on. */
function unite(machine: MachineFunction, joined: ReadonlyMap<number, number>): void {
  const one = ({ number }: Register) => register(joined.get(number) ?? number)
  for (const block of machine.blocks) {
    block.operations = block.operations
      .map((operation) => rename(operation, one, (label) => label))
      .filter((operation) => !isMoveToItself(operation))
    block.end = rename(block.end, one, (label) => label)
  }
}

interface Spilling {
  /** Made for one operation: never spilled again. */
  readonly brief: Set<number>
  /** Made for one block, from what stands in that slot. */
  readonly slots: Map<number, number>
}

/**
 * Keeps registers on the stack, in the slot of their number; each block that reads one has a register for it. Where
 * even for that there is none, each operation has.
 */
function spill(
  machine: MachineFunction,
  spilled: ReadonlySet<number>,
  { brief, slots }: Spilling,
): void {
  const again = remakable(machine.blocks, spilled)
  const slotOf = (number: number): number => slots.get(number) ?? number
  const fresh = (number: number): Register => {
    const one = register(machine.registerCount++)
    if (slots.has(number)) brief.add(one.number)
    else slots.set(one.number, number)
    return one
  }
  const comparisons: Comparison[] = []
  const users = new Map([...spilled].map((number) => [slotOf(number), new Set<Label>()]))
  for (const block of machine.blocks) {
    const code: Block['operations'] = []
    /** What the block has in a register already. */
    const held = new Map<number, Register>()
    const refill = <T extends Operation>(operation: T): T => {
      const fetched = new Map<number, Register>()
      for (const one of readBy(operation)) {
        if (one.kind !== 'register' || !spilled.has(one.number) || fetched.has(one.number)) continue
        const to = held.get(one.number) ?? fresh(one.number)
        fetched.set(one.number, to)
        users.get(slotOf(one.number))!.add(block.label)
        if (held.has(one.number)) continue
        if (!slots.has(one.number)) held.set(one.number, to)
        const made = again.get(one.number)
        if (made === undefined) code.push({ op: 'fill', slot: slotOf(one.number), to })
        else code.push(mapWritten(made, () => to))
      }
      return mapReads(operation, (one) =>
        one.kind === 'register' ? (fetched.get(one.number) ?? one) : one,
      )
    }
    for (const operation of block.operations) {
      if (isKept(operation, spilled, slotOf, again)) continue
      const to = writtenBy(operation)
      if (to === undefined || !spilled.has(to.number)) {
        code.push(refill(operation))
        continue
      }
      if (again.has(to.number)) continue
      const isBoth = readBy(operation).some(
        (one) => one.kind === 'register' && one.number === to.number,
      )
      const fetched = refill(operation)
      const result = (isBoth ? changedBy(fetched) : undefined) ?? fresh(to.number)
      code.push(
        mapWritten(fetched, () => result),
        { op: 'spill', slot: slotOf(to.number), from: result },
      )
      if (!slots.has(to.number)) held.set(to.number, result)
    }
    const { end } = block
    block.end = refill(end)
    block.operations = code
    if (end.op !== 'branch' || !spilled.has(end.left.number) || again.has(end.left.number)) continue
    const fetched = (block.end as Split).left
    comparisons.push({ block, slot: slotOf(end.left.number), fetched })
  }
  keepBounds(machine.blocks, comparisons, users)
}

/**
 * Moves between a register and its own slot (save-around-calls.ts): it is there already, or stays there. Not if it is
 * only made `again` where it is read: then nothing puts it there.
 */
function isKept(
  one: Operation,
  spilled: ReadonlySet<number>,
  slotOf: (number: number) => number,
  again: ReadonlyMap<number, Operation>,
): boolean {
  if (one.op !== 'spill' && one.op !== 'fill') return false
  const { number } = one.op === 'spill' ? one.from : one.to
  return spilled.has(number) && one.slot === slotOf(number) && !again.has(number)
}

/** Of two operands the first is the result: both are the same register. */
function changedBy(operation: Operation): Register | undefined {
  const read =
    operation.op === 'alu'
      ? operation.left
      : operation.op === 'swap'
        ? operation.from
        : operation.op === 'atomicAdd'
          ? operation.value
          : undefined
  return read?.kind === 'register' ? read : undefined
}

/** Registers written once, by an operation that can be done anywhere. */
function remakable(
  blocks: readonly Block[],
  spilled: ReadonlySet<number>,
): ReadonlyMap<number, Block['operations'][number]> {
  const makers = new Map<number, Block['operations'][number] | undefined>()
  for (const { operations } of blocks) {
    for (const operation of operations) {
      const to = writtenBy(operation)?.number
      if (to === undefined || !spilled.has(to)) continue
      const isFree =
        operation.op === 'address' ||
        (operation.op === 'move' && operation.from.kind === 'immediate')
      makers.set(to, isFree && !makers.has(to) ? operation : undefined)
    }
  }
  return new Map([...makers].flatMap(([to, made]) => (made === undefined ? [] : [[to, made]])))
}
