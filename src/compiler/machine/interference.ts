/**
 * Which registers are wanted at the same time, and so cannot be one; and which would like to be one, because a move
 * goes from one to the other.
 */
import { readBy, writtenBy, type Label } from '../ir/ir.ts'
import { livenessOf, type RegisterSet } from '../ir/liveness.ts'
import { FRAME_POINTER, isCall, MACHINE_REGISTERS, type MachineFunction } from './machine.ts'

export interface Move {
  readonly to: number
  readonly from: number
  readonly weight: number
}

export interface Interference {
  readonly neighbours: readonly Set<number>[]
  /** Between registers that do not interfere, the dearest first. */
  readonly moves: readonly Move[]
  /** What it would cost to keep the register on the stack. */
  readonly costs: Float64Array
}

/** Registers that a call leaves undefined: r0 … r5. */
export const CLOBBERED = 6

export function interferenceOf(
  { blocks, registerCount }: MachineFunction,
  frequencies: ReadonlyMap<Label, number>,
): Interference {
  const neighbours = Array.from({ length: registerCount }, () => new Set<number>())
  const costs = new Float64Array(registerCount)
  const moves: Move[] = []
  const { outOf } = livenessOf(blocks, registerCount)
  const connect = (a: number, b: number) => {
    if (a === b || a === FRAME_POINTER || b === FRAME_POINTER) return
    neighbours[a]!.add(b)
    neighbours[b]!.add(a)
  }
  for (let a = 0; a < FRAME_POINTER; a++) for (let b = 0; b < a; b++) connect(a, b)
  const connectAll = (a: number, live: RegisterSet) => {
    for (const b of live) connect(a, b)
  }
  for (const block of blocks) {
    const weight = frequencies.get(block.label) ?? 1
    const live = outOf.get(block.label)!.copy()
    for (const operation of [...block.operations, block.end].reverse()) {
      const to = writtenBy(operation)
      if (operation.op === 'move' && operation.from.kind === 'register') {
        live.delete(operation.from.number)
        moves.push({ to: operation.to.number, from: operation.from.number, weight })
      }
      if (to !== undefined) {
        connectAll(to.number, live)
        live.delete(to.number)
        costs[to.number]! += weight
      }
      if (isCall(operation)) for (let a = 0; a < CLOBBERED; a++) connectAll(a, live)
      for (const one of readBy(operation)) {
        if (one.kind !== 'register') continue
        live.add(one.number)
        costs[one.number]! += weight
      }
    }
  }
  moves.sort((a, b) => b.weight - a.weight)
  return { neighbours, moves, costs }
}

export function isMachine(number: number): boolean {
  return number < MACHINE_REGISTERS
}
