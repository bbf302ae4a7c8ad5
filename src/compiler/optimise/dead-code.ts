/**
 * Takes out what has no effect and whose result nobody reads.
 */
import { readBy, writtenBy, type Operation } from '../ir/ir.ts'
import type { SsaFunction } from './ssa.ts'
import { PURE_HELPERS } from '../target/kernel-helper.ts'
import { PURE_INTRINSICS } from './values.ts'

export function removeDeadCode(ssa: SsaFunction): void {
  const wanted = new Set<number>()
  const makers = new Map<number, () => void>()
  const waiting: number[] = []
  const want = (operation: Operation) => {
    for (const one of readBy(operation)) if (one.kind === 'register') waiting.push(one.number)
  }
  for (const { operations, choices, end } of ssa.blocks) {
    for (const { to, from } of choices) {
      makers.set(to.number, () => {
        for (const one of from.values()) if (one.kind === 'register') waiting.push(one.number)
      })
    }
    for (const operation of operations) {
      const to = writtenBy(operation)
      if (hasEffect(operation)) want(operation)
      else if (to !== undefined) makers.set(to.number, () => want(operation))
    }
    want(end)
  }
  for (let number = waiting.pop(); number !== undefined; number = waiting.pop()) {
    if (wanted.has(number)) continue
    wanted.add(number)
    makers.get(number)?.()
  }
  for (const block of ssa.blocks) {
    block.choices = block.choices.filter(({ to }) => wanted.has(to.number))
    block.operations = block.operations.filter((one) => {
      const to = writtenBy(one)
      return hasEffect(one) || (to !== undefined && wanted.has(to.number))
    })
    block.operations = block.operations.map((one) => withoutResult(one, wanted))
  }
}

/** A result that nobody wants need not be fetched. */
function withoutResult<T extends Operation>(operation: T, wanted: ReadonlySet<number>): T {
  if (operation.op !== 'atomicAdd' || operation.to === undefined) return operation
  return wanted.has(operation.to.number) ? operation : { ...operation, to: undefined }
}

function hasEffect(operation: Operation): boolean {
  switch (operation.op) {
    case 'store':
    case 'atomicAdd':
    case 'compareSwap':
    case 'call':
    case 'loop':
    case 'anew':
      return true
    case 'helper':
      return !PURE_HELPERS.has(operation.helper)
    case 'intrinsic':
      return !PURE_INTRINSICS.has(operation.name)
    default:
      return false
  }
}
