/**
 * What operations give when their operands are known: the kernel's arithmetic on constants, and how large a
 * register's value can be.
 */
import {
  immediate,
  type AluOperator,
  type Immediate,
  type Operand,
  type Operation,
  type Test,
  type Width,
} from './ir.ts'

/** Unsigned; what is not known to be smaller. */
export const UNBOUNDED = 2 ** 64

/** The 64 bits of a register that holds the constant. */
export function bitsOf({ value }: Immediate): bigint {
  return BigInt.asUintN(64, BigInt(value))
}

/** Is the operand a constant one can compute with? */
export function isConstant(operand: Operand): operand is Immediate {
  return operand.kind === 'immediate' && operand.symbol === undefined
}

export function isNumber(operand: Operand, value: number): boolean {
  return isConstant(operand) && operand.value === value
}

/** The constant with these 64 bits; undefined if a number cannot say it. */
function constantOf(bits: bigint): Immediate | undefined {
  const value = Number(BigInt.asIntN(64, bits))
  return Number.isSafeInteger(value) ? immediate(value) : undefined
}

export function compute(
  operator: AluOperator,
  width: Width,
  left: Immediate,
  right: Immediate,
): Immediate | undefined {
  const bits = BigInt(width)
  const x = BigInt.asUintN(width, bitsOf(left))
  const y = BigInt.asUintN(width, bitsOf(right))
  const shift = y & (bits - 1n)
  const results: Readonly<Record<AluOperator, () => bigint>> = {
    add: () => x + y,
    subtract: () => x - y,
    multiply: () => x * y,
    divide: () => (y === 0n ? 0n : x / y),
    modulo: () => (y === 0n ? x : x % y),
    and: () => x & y,
    or: () => x | y,
    xor: () => x ^ y,
    shl: () => x << shift,
    shr: () => x >> shift,
    sar: () => BigInt.asIntN(width, x) >> shift,
  }
  return constantOf(BigInt.asUintN(width, results[operator]()))
}

export function swapBytes(bits: 16 | 32 | 64, from: Immediate): Immediate | undefined {
  let rest = BigInt.asUintN(bits, bitsOf(from))
  let swapped = 0n
  for (let i = 0; i < bits; i += 8) {
    swapped = (swapped << 8n) | (rest & 0xffn)
    rest >>= 8n
  }
  return constantOf(swapped)
}

export function isTrue(test: Test, width: Width, left: Immediate, right: Immediate): boolean {
  const [a, b] = [BigInt.asUintN(width, bitsOf(left)), BigInt.asUintN(width, bitsOf(right))]
  const [s, t] = [BigInt.asIntN(width, a), BigInt.asIntN(width, b)]
  const results: Readonly<Record<Test, boolean>> = {
    equal: a === b,
    unequal: a !== b,
    less: a < b,
    lessOrEqual: a <= b,
    greater: a > b,
    greaterOrEqual: a >= b,
    signedLess: s < t,
    signedLessOrEqual: s <= t,
    signedGreater: s > t,
    signedGreaterOrEqual: s >= t,
    bits: (a & b) !== 0n,
  }
  return results[test]
}

/** Does the test come out one way whatever a value of at most `max` is? */
export function isSettled(test: Test, max: number, right: Immediate): boolean | undefined {
  const { value } = right
  if (value < 0) return undefined
  if (max < value) {
    if (test === 'less' || test === 'lessOrEqual' || test === 'unequal') return true
    if (test === 'greater' || test === 'greaterOrEqual' || test === 'equal') return false
  }
  if (max === value && test === 'lessOrEqual') return true
  if (max === value && test === 'greater') return false
  if (value === 0 && test === 'greaterOrEqual') return true
  if (value === 0 && test === 'less') return false
  return undefined
}

const U32_MAX = 2 ** 32 - 1

/** The greatest value that the operation's result can have. */
export function greatest(operation: Operation, maxOf: (operand: Operand) => number): number {
  switch (operation.op) {
    case 'move':
      return maxOf(operation.from)
    case 'load':
    case 'compareSwap':
    case 'atomicAdd':
      return operation.bytes === 8 ? UNBOUNDED : 2 ** (8 * operation.bytes) - 1
    case 'swap':
      return operation.bits === 64 ? UNBOUNDED : 2 ** operation.bits - 1
    case 'call':
    case 'intrinsic':
      return U32_MAX
    case 'alu':
      return greatestOf(operation, maxOf(operation.left), maxOf(operation.right))
    default:
      return UNBOUNDED
  }
}

/**
 * Does the verifier know less of the result than we do? Then a bound that it asks for has to stay, though we need none:
 * it follows no division, no remainder, and no shift by what is not constant (kernel/bpf/verifier.c).
 */
export function isDark(operation: Operation): boolean {
  if (operation.op !== 'alu') return false
  const { operator, right } = operation
  if (operator === 'divide' || operator === 'modulo') return true
  return (operator === 'shr' || operator === 'sar' || operator === 'shl') && !isConstant(right)
}

function greatestOf(
  { operator, width, right }: Operation & { op: 'alu' },
  a: number,
  b: number,
): number {
  const most = width === 32 ? U32_MAX : UNBOUNDED
  const clamp = (value: number) => (value <= most ? value : most)
  switch (operator) {
    case 'and':
      return Math.min(a, b, most)
    case 'or':
    case 'xor': {
      const widest = Math.max(a, b)
      return widest >= 2 ** 52 ? most : clamp(2 ** Math.ceil(Math.log2(widest + 1)) - 1)
    }
    case 'add':
      return a + b < 2 ** 53 ? clamp(a + b) : most
    case 'multiply':
      return a * b < 2 ** 53 ? clamp(a * b) : most
    case 'shl':
      return isConstant(right) && right.value < 53 && a * 2 ** right.value < 2 ** 53
        ? clamp(a * 2 ** right.value)
        : most
    case 'shr': {
      if (!isConstant(right)) return Math.min(a, most)
      return Math.floor(Math.min(a, most) / 2 ** (right.value & (width - 1)))
    }
    case 'divide':
      return Math.min(a, most)
    case 'modulo':
      return isConstant(right) && right.value > 0 ? Math.min(a, right.value - 1) : Math.min(a, most)
    default:
      return most
  }
}
