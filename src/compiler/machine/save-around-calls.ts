/**
 * What the packet path wants in registers is put aside around calls that only few packets make.
 *
 * A call leaves six of ten registers undefined. What must outlive one would have to share the other four, or be kept
 * on the stack wherever it is used, by every packet. So where a call is seldom, those who make it pay for it:
 *
 *     r1 = …; call f; … r1 …     becomes     r1 = …; stack = r1; call f; r1 = stack; … r1 …
 */
import { seldomBlocks } from '../ir/frequency.ts'
import type { Block } from '../ir/graph.ts'
import { readBy, register, writtenBy, type Label } from '../ir/ir.ts'
import { livenessOf, operationsOf } from '../ir/liveness.ts'
import { isCall, MACHINE_REGISTERS, type MachineFunction } from './machine.ts'

type Straight = Block['operations'][number]

export function saveAroundCalls({ blocks, registerCount }: MachineFunction): void {
  const seldom = seldomBlocks(blocks)
  const wanted = usedOften(blocks, seldom)
  const makers = makersOf(blocks)
  const { outOf } = livenessOf(blocks, registerCount)
  for (const block of blocks) {
    if (!seldom.has(block.label) || !block.operations.some(isCall)) continue
    const live = outOf.get(block.label)!.copy()
    const code: Straight[] = []
    for (const operation of operationsOf(block).reverse()) {
      const to = writtenBy(operation)
      if (to !== undefined) live.delete(to.number)
      if (isCall(operation)) {
        const kept = [...live].filter((one) => one >= MACHINE_REGISTERS && wanted.has(one))
        code.push(...kept.map((one) => restore(one, makers.get(one))))
        code.push(operation as Straight)
        code.push(...kept.flatMap((one) => save(one, makers.get(one))))
      } else if (operation !== block.end) code.push(operation as Straight)
      for (const one of readBy(operation)) if (one.kind === 'register') live.add(one.number)
    }
    block.operations = code.reverse()
  }
}

/** Registers that blocks read or write which are not seldom. */
function usedOften(blocks: readonly Block[], seldom: ReadonlySet<Label>): ReadonlySet<number> {
  const used = new Set<number>()
  for (const block of blocks) {
    if (seldom.has(block.label)) continue
    for (const operation of operationsOf(block)) {
      for (const one of readBy(operation)) if (one.kind === 'register') used.add(one.number)
      const to = writtenBy(operation)
      if (to !== undefined) used.add(to.number)
    }
  }
  return used
}

/** Of registers that are written once, by what can be done anywhere: that operation. */
function makersOf(blocks: readonly Block[]): ReadonlyMap<number, Straight | undefined> {
  const makers = new Map<number, Straight | undefined>()
  for (const { operations } of blocks) {
    for (const one of operations) {
      const to = writtenBy(one)?.number
      if (to === undefined) continue
      const isFree = one.op === 'address' || (one.op === 'move' && one.from.kind === 'immediate')
      makers.set(to, isFree && !makers.has(to) ? one : undefined)
    }
  }
  return makers
}

function restore(one: number, maker: Straight | undefined): Straight {
  return maker ?? { op: 'fill', slot: one, to: register(one) }
}

function save(one: number, maker: Straight | undefined): Straight[] {
  return maker === undefined ? [{ op: 'spill', slot: one, from: register(one) }] : []
}
