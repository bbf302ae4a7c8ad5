/**
 * An operation with other operands: what every pass that replaces registers goes through.
 */
import type { Label, Located, Operand, Operation, Register } from './ir.ts'

/** Every register and label exchanged. */
export function rename<T extends Located>(
  operation: T,
  fresh: (one: Register) => Register,
  place: (label: Label) => Label,
): T {
  const read = mapReads(operation, (one) => (one.kind === 'register' ? fresh(one) : one))
  const written = mapWritten(read, fresh)
  return 'label' in written ? { ...written, label: place(written.label) } : written
}

/** The register that is written, exchanged. */
export function mapWritten<T extends Operation>(
  operation: T,
  fresh: (one: Register) => Register,
): T {
  if (!('to' in operation) || operation.to === undefined) return operation
  return { ...operation, to: fresh(operation.to) }
}

/**
 * Every operand that is read, exchanged. Where only a register can stand, a constant is not put: the operation keeps
 * what it has.
 */
export function mapReads<T extends Operation>(
  operation: T,
  exchange: (one: Operand) => Operand,
): T {
  const only = (one: Register): Register => {
    const other = exchange(one)
    return other.kind === 'register' ? other : one
  }
  return map(operation, exchange, only) as T
}

function map(
  operation: Operation,
  any: (one: Operand) => Operand,
  only: (one: Register) => Register,
): Operation {
  switch (operation.op) {
    case 'move':
    case 'swap':
      return { ...operation, from: any(operation.from) }
    case 'spill':
      return { ...operation, from: only(operation.from) }
    case 'alu':
      return { ...operation, left: any(operation.left), right: any(operation.right) }
    case 'branch':
      return { ...operation, left: only(operation.left), right: any(operation.right) }
    case 'load':
      return { ...operation, base: only(operation.base) }
    case 'store':
    case 'atomicAdd':
      return { ...operation, base: only(operation.base), value: any(operation.value) }
    case 'compareSwap': {
      const { base, expected, value } = operation
      return { ...operation, base: only(base), expected: any(expected), value: any(value) }
    }
    case 'context':
      return { ...operation, context: only(operation.context) }
    case 'row':
      return { ...operation, index: any(operation.index) }
    case 'header':
      return { ...operation, offset: any(operation.offset) }
    case 'intrinsic':
    case 'helper':
    case 'call':
      return { ...operation, arguments: operation.arguments.map(any) }
    case 'return':
      return { ...operation, value: any(operation.value) }
    case 'local':
    case 'address':
    case 'fill':
    case 'loop':
    case 'anew':
    case 'label':
    case 'jump':
      return operation
  }
}
