/**
 * An operation or a branch in its plainest form, from what is known of its operands.
 */
import { compute, isConstant, isNumber, swapBytes } from '../ir/arithmetic.ts'
import { oppositeOf, type Block, type Split } from '../ir/graph.ts'
import { immediate, type Operand, type Operation, type Register, type Test } from '../ir/ir.ts'
import type { Known } from './values.ts'

type Straight = Block['operations'][number]
/** The result is that value, known already. */
export interface Is {
  readonly op: 'is'
  readonly value: Operand
}

const U32_MAX = 2 ** 32 - 1

export function simplify(operation: Straight, known: Known): Straight | Is {
  if (operation.op === 'move') return { op: 'is', value: operation.from }
  if (operation.op === 'swap' && isConstant(operation.from)) {
    const value = swapBytes(operation.bits, operation.from)
    return value === undefined ? operation : { op: 'is', value }
  }
  if (operation.op === 'alu') return simplifyAlu(operation, known)
  if (operation.op === 'store') return foldAddress(narrowed(operation, known), known)
  return 'base' in operation ? foldAddress(operation, known) : operation
}

/** What lies above the bytes that are stored need not be cleared before. */
function narrowed(store: Straight & { op: 'store' }, known: Known): Straight & { op: 'store' } {
  // A number that has become known since.
  if (isConstant(store.value) && store.bytes < 4) {
    return { ...store, value: immediate(store.value.value & (2 ** (8 * store.bytes) - 1)) }
  }
  const made = known.definitionOf(store.value)
  if (made?.op !== 'alu' || made.operator !== 'and' || !isConstant(made.right)) return store
  if (made.left.kind !== 'register' || store.bytes === 8) return store
  const bits = 2 ** (8 * store.bytes) - 1
  const kept = (BigInt(made.right.value) & BigInt(bits)) === BigInt(bits)
  return kept ? { ...store, value: made.left } : store
}

/** What an instruction can say as an offset. */
const OFFSET_MAX = 0x7fff

/** `x + 14` is a base with an offset. */
function foldAddress<T extends Straight & { base: Register; offset: number }>(
  operation: T,
  known: Known,
): T {
  const made = known.definitionOf(operation.base)
  if (made?.op !== 'alu' || made.operator !== 'add' || made.width !== 64) return operation
  if (made.left.kind !== 'register' || !isConstant(made.right)) return operation
  const offset = operation.offset + made.right.value
  if (offset < 0 || offset > OFFSET_MAX) return operation
  return { ...operation, base: made.left, offset }
}

function simplifyAlu(alu: Straight & { op: 'alu' }, known: Known): Straight | Is {
  const { operator, width } = alu
  let { left, right } = alu
  if (isConstant(left) && isConstant(right)) {
    const value = compute(operator, width, left, right)
    if (value !== undefined) return { op: 'is', value }
  }
  const isCommutative = ['add', 'multiply', 'and', 'or', 'xor'].includes(operator)
  if (isCommutative && left.kind === 'immediate' && right.kind === 'register') {
    ;[left, right] = [right, left]
  }
  // Of 32-bit operations the upper half is zero: only such a value is what it was.
  const isKept = width === 64 || known.maxOf(left) <= U32_MAX
  if (isKept && isNeutral(operator, right, known.maxOf(left))) return { op: 'is', value: left }
  if (isNumber(right, 0) && (operator === 'and' || operator === 'multiply')) {
    return { op: 'is', value: immediate(0) }
  }
  const folded = foldInto({ ...alu, left, right }, known)
  if (folded !== undefined) return folded
  if (operator === 'multiply' && isConstant(right) && isPowerOfTwo(right.value)) {
    return { ...alu, operator: 'shl', left, right: immediate(Math.log2(right.value)) }
  }
  if (operator === 'modulo' && isConstant(right) && isPowerOfTwo(right.value)) {
    return { ...alu, operator: 'and', left, right: immediate(right.value - 1) }
  }
  return { ...alu, left, right }
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && value <= 2 ** 30 && (value & (value - 1)) === 0
}

/** Does the operation leave a left side of at most `max` as it is? */
function isNeutral(operator: string, right: Operand, max: number): boolean {
  if (!isConstant(right)) return false
  const { value } = right
  if (operator === 'and') {
    if (value === -1) return true
    return value >= 0 && Number.isInteger(Math.log2(value + 1)) && max <= value
  }
  if (operator === 'multiply' || operator === 'divide') return value === 1
  if (operator === 'modulo') return value > max
  return value === 0 && operator !== 'divide'
}

/** `(x + 1) + 2` → `x + 3`, in 64 bits; `(x & 7) & 3` → `x & 3`. */
function foldInto(alu: Straight & { op: 'alu' }, known: Known): Straight | undefined {
  const { operator, right, left, width } = alu
  if (!isConstant(right) || (operator !== 'add' && operator !== 'and')) return undefined
  const inner = known.definitionOf(left)
  if (inner?.op !== 'alu' || inner.operator !== operator || inner.width !== width) return undefined
  if (!isConstant(inner.right) || inner.left.kind !== 'register') return undefined
  const value = compute(operator, width, inner.right, right)
  if (value === undefined || Math.abs(value.value) > 0x7fffffff) return undefined
  return { ...alu, left: inner.left, right: value }
}

const MIRRORED: Readonly<Record<Test, Test>> = {
  equal: 'equal',
  unequal: 'unequal',
  less: 'greater',
  lessOrEqual: 'greaterOrEqual',
  greater: 'less',
  greaterOrEqual: 'lessOrEqual',
  signedLess: 'signedGreater',
  signedLessOrEqual: 'signedGreaterOrEqual',
  signedGreater: 'signedLess',
  signedGreaterOrEqual: 'signedLessOrEqual',
  bits: 'bits',
}

/** A number from the frame equals a constant if, as it lies there, it equals that turned round. */
function withoutSwap(split: Split, made: Operation | undefined, known: Known): Split | undefined {
  const { test, right } = split
  if (made?.op !== 'swap' || made.from.kind !== 'register' || made.bits === 64) return undefined
  if ((test !== 'equal' && test !== 'unequal') || !isConstant(right)) return undefined
  if (right.value < 0 || known.maxOf(made.from) >= 2 ** made.bits) return undefined
  if (right.value >= 2 ** made.bits) return undefined
  const turned = swapBytes(made.bits, right)
  if (turned === undefined) return undefined
  return { ...split, left: made.from, right: turned, width: made.bits === 32 ? 32 : 64 }
}

/** Constants stand on the right; tests of truths made of bits test the bits themselves. */
export function simplifySplit(split: Split, known: Known): Split {
  const made = known.definitionOf(split.left)
  if (made?.op === 'move' && made.from.kind === 'immediate' && split.right.kind === 'register') {
    const { right, test } = split
    return { ...split, test: MIRRORED[test], left: right, right: made.from }
  }
  const unturned = withoutSwap(split, made, known)
  if (unturned !== undefined) return unturned
  if (!isNumber(split.right, 0)) return split
  const isEqual = split.test === 'equal'
  if (!isEqual && split.test !== 'unequal') return split
  if (made?.op !== 'alu' || made.left.kind !== 'register') return split
  const { operator, left, right, width } = made
  const turned = (test: Test): Test => (isEqual ? oppositeOf(test)! : test)
  if (operator === 'xor' && isNumber(right, 1) && known.maxOf(left) <= 1) {
    return simplifySplit({ ...split, left, test: isEqual ? 'unequal' : 'equal' }, known)
  }
  if (operator === 'shr' && width === 32 && isNumber(right, 31)) {
    return { ...split, left, width: 32, test: turned('signedLess') }
  }
  if (operator === 'and' && isConstant(right) && right.value > 0 && right.value <= 0x7fffffff) {
    const { label, otherwise } = split
    const ways = isEqual ? { label: otherwise, otherwise: label } : {}
    return { ...split, left, right, width: 64, test: 'bits', ...ways }
  }
  if (operator === 'xor' && right.kind === 'register') {
    return { ...split, left, right, width }
  }
  return split
}
