/**
 * The intermediate form in words, a line an operation: what `--dump` shows and goldens hold.
 *
 *     fold(r0):
 *         r1 = r0 & 65535 (32)
 *         if r1 > 3 goto then.1
 */
import type { AluOperator, IrFunction, Located, Operand, Operation, Register, Test } from './ir.ts'

const ALU: Readonly<Record<AluOperator, string>> = {
  add: '+',
  subtract: '-',
  multiply: '*',
  divide: '/',
  modulo: '%',
  and: '&',
  or: '|',
  xor: '^',
  shl: '<<',
  shr: '>>',
  sar: 's>>',
}

const TESTS: Readonly<Record<Test, string>> = {
  equal: '==',
  unequal: '!=',
  less: '<',
  lessOrEqual: '<=',
  greater: '>',
  greaterOrEqual: '>=',
  signedLess: 's<',
  signedLessOrEqual: 's<=',
  signedGreater: 's>',
  signedGreaterOrEqual: 's>=',
  bits: '&',
}

/** `noteOn`: a line of its own before an operation, where there is something to say. */
export function formatFunction(
  { name, parameters, operations }: IrFunction,
  noteOn: (operation: Located) => string | undefined = () => undefined,
): string {
  const lines = operations.flatMap((operation) => {
    const note = noteOn(operation)
    const text =
      operation.op === 'label' ? `${operation.label}:` : `    ${formatOperation(operation)}`
    return note === undefined ? [text] : [note, text]
  })
  return [`${name}(${parameters.map((one) => show(one.register)).join(', ')}):`, ...lines, ''].join(
    '\n',
  )
}

export function formatOperation(operation: Operation): string {
  switch (operation.op) {
    case 'move':
      return `${show(operation.to)} = ${show(operation.from)}`
    case 'alu': {
      const { to, left, operator, right, width } = operation
      return `${show(to)} = ${show(left)} ${ALU[operator]} ${show(right)}${narrow(width)}`
    }
    case 'swap':
      return `${show(operation.to)} = swap${operation.bits} ${show(operation.from)}`
    case 'load':
      return `${show(operation.to)} = ${place(operation)}`
    case 'store':
      return `${place(operation)} = ${show(operation.value)}`
    case 'atomicAdd':
      return `${result(operation.to)}atomic ${place(operation)} += ${show(operation.value)}`
    case 'compareSwap': {
      const { to, expected, value } = operation
      return `${show(to)} = swap ${place(operation)} from ${show(expected)} to ${show(value)}`
    }
    case 'row':
      return `${show(operation.to)} = row ${show(operation.index)} of ${operation.table}`
    case 'header':
      return `${show(operation.to)} = frame[${show(operation.offset)}, ${operation.bytes}]`
    case 'local':
      return `${show(operation.to)} = own ${operation.name}`
    case 'context': {
      const { to, bytes, context, offset } = operation
      return `${show(to)} = u${bytes * 8} of context ${show(context)} + ${offset}`
    }
    case 'address':
      return `${show(operation.to)} = address ${operation.map} + ${operation.offset}`
    case 'spill':
      return `slot ${operation.slot} = ${show(operation.from)}`
    case 'fill':
      return `${show(operation.to)} = slot ${operation.slot}`
    case 'helper': {
      const { to, helper, arguments: values } = operation
      return `${result(to)}helper ${helper}(${values.map(show).join(', ')})`
    }
    case 'intrinsic':
    case 'call':
      return `${result(operation.to)}${operation.name}(${operation.arguments.map(show).join(', ')})`
    case 'loop':
      return `at most ${operation.times} times`
    case 'anew':
      return 'anew'
    case 'label':
      return `${operation.label}:`
    case 'jump':
      return `goto ${operation.label}`
    case 'branch': {
      const { test, left, right, label, width } = operation
      return `if ${show(left)} ${TESTS[test]} ${show(right)}${narrow(width)} goto ${label}`
    }
    case 'return':
      return `return ${show(operation.value)}`
  }
}

function show(operand: Operand): string {
  return operand.kind === 'register' ? `r${operand.number}` : (operand.symbol ?? `${operand.value}`)
}

function result(to: Register | undefined): string {
  return to === undefined ? '' : `${show(to)} = `
}

function narrow(width: 32 | 64): string {
  return width === 32 ? ' (32)' : ''
}

function place({ bytes, base, offset }: { bytes: number; base: Register; offset: number }): string {
  return `u${bytes * 8}[${show(base)} + ${offset}]`
}
