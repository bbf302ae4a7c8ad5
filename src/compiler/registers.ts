/**
 * Registers: from as many as one likes to the machine's ten, and slots of the stack for what finds none.
 *
 * Colours the registers; those that get no colour are kept on the stack, each use with a short-lived register of its
 * own, and all is coloured again. Constants and addresses of maps are not kept but made anew.
 */
import { assert } from '../base/assert.ts'
import { frequenciesOf } from './frequency.ts'
import { COLOURS, colour } from './colour.ts'
import type { Block, Split } from './graph.ts'
import { interferenceOf } from './interference.ts'
import {
  readBy,
  register,
  writtenBy,
  type IrFunction,
  type Label,
  type Operation,
  type Register,
} from './ir.ts'
import { fromBlocks } from './graph.ts'
import { keepBounds, type Comparison } from './keep-bounds.ts'
import { backEdgesOf } from './loops.ts'
import { MACHINE_REGISTERS, toMachine, type MachineFunction } from './machine.ts'
import { mapReads, mapWritten, rename } from './rename.ts'
import { shareSlots } from './slots.ts'

const ROUNDS_MAX = 40

/** The function with machine registers; its operations are instructions now, one for one. */
export function allocateRegisters(body: IrFunction): IrFunction {
  const machine = toMachine(body)
  /** Short-lived ones that spilling made: never spilled again. */
  const brief = new Set<number>()
  const frequencies = frequenciesOf(machine.blocks)
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const interference = interferenceOf(machine, frequencies)
    for (const number of brief) interference.costs[number] = Infinity
    const { colours, uncoloured } = colour(interference)
    if (uncoloured.size === 0) return finish(body, machine, colours)
    const lost = new Map([...uncoloured].filter(([, one]) => !brief.has(one)))
    assert(lost.size > 0, `${body.name}: there are registers enough for one operation`)
    unite(machine, lost)
    spill(machine, new Set(lost.values()), brief)
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
  return {
    ...body,
    parameters: body.parameters.map(({ bytes }, i) => ({ bytes, register: register(1 + i) })),
    // Up to 6.1 at least the verifier lets nothing but jumps lead back; it takes out those that go nowhere.
    operations: fromBlocks(machine.blocks, backEdgesOf(machine.blocks)),
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

/** Keeps registers on the stack; the slot's number is the register's. */
function spill(machine: MachineFunction, spilled: ReadonlySet<number>, brief: Set<number>): void {
  const again = remakable(machine.blocks, spilled)
  const fresh = (): Register => {
    const one = register(machine.registerCount++)
    brief.add(one.number)
    return one
  }
  const comparisons: Comparison[] = []
  const users = new Map([...spilled].map((number) => [number, new Set<Label>()]))
  for (const block of machine.blocks) {
    const code: Block['operations'] = []
    const refill = <T extends Operation>(operation: T): T => {
      const fetched = new Map<number, Register>()
      for (const one of readBy(operation)) {
        if (one.kind !== 'register' || !spilled.has(one.number) || fetched.has(one.number)) continue
        const to = fresh()
        fetched.set(one.number, to)
        users.get(one.number)!.add(block.label)
        const made = again.get(one.number)
        if (made === undefined) code.push({ op: 'fill', slot: one.number, to })
        else code.push(mapWritten(made, () => to))
      }
      return mapReads(operation, (one) =>
        one.kind === 'register' ? (fetched.get(one.number) ?? one) : one,
      )
    }
    for (const operation of block.operations) {
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
      // Of two operands the first is the result: both are the same register.
      const read =
        fetched.op === 'alu' ? fetched.left : fetched.op === 'swap' ? fetched.from : undefined
      const result =
        isBoth && read?.kind === 'register'
          ? read
          : isBoth && fetched.op === 'atomicAdd' && fetched.value.kind === 'register'
            ? fetched.value
            : fresh()
      code.push(
        mapWritten(fetched, () => result),
        { op: 'spill', slot: to.number, from: result },
      )
    }
    const { end } = block
    block.end = refill(end)
    block.operations = code
    if (end.op !== 'branch' || !spilled.has(end.left.number) || again.has(end.left.number)) continue
    const fetched = (block.end as Split).left
    comparisons.push({ block, slot: end.left.number, fetched })
  }
  keepBounds(machine.blocks, comparisons, users)
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
