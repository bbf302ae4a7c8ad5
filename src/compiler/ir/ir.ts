/**
 * The program between source and instructions: linear code over as many registers as it likes.
 *
 *   tree ──lower──► IR ──optimise──► IR ──registers──► IR over r0 … r10 ──emit──► instructions (src/bpf/)
 *
 * A function is a list of operations; control flow is labels and jumps. A register may be written more than once (this
 * is not SSA) and holds 64 bits: a number, a boolean (0 or 1), or a pointer. Numbers stand in it as 64-bit integers
 * with the value that JavaScript would have; the lowering has seen that none leaves the range where both agree
 * (range.ts).
 *
 * Every pass takes this form and gives it back, and `formatFunction` prints it: `sluice compile --dump lower,optimise`.
 */
import type { Place } from '../language/tree.ts'

/** A virtual register; which ones there are, the function says. */
export interface Register {
  readonly kind: 'register'
  readonly number: number
}
/** A constant. With a symbol it is known only when the program is loaded (symbols.ts): nobody computes with it. */
export interface Immediate {
  readonly kind: 'immediate'
  readonly value: number
  readonly symbol?: string
}
export type Operand = Register | Immediate

export type AluOperator =
  | 'add'
  | 'subtract'
  | 'multiply'
  | 'divide'
  | 'modulo'
  | 'and'
  | 'or'
  | 'xor'
  | 'shl'
  | 'shr'
  | 'sar'

/** Unsigned but for those that begin with `signed`; `bits`: have a and b a bit in common? */
export type Test =
  | 'equal'
  | 'unequal'
  | 'less'
  | 'lessOrEqual'
  | 'greater'
  | 'greaterOrEqual'
  | 'signedLess'
  | 'signedLessOrEqual'
  | 'signedGreater'
  | 'signedGreaterOrEqual'
  | 'bits'

/** 32: of the lower halves, the result's upper half is zero. */
export type Width = 32 | 64
export type Bytes = 1 | 2 | 4 | 8

/** A label of the function; unique there. */
export type Label = string

export type Operation =
  | { readonly op: 'move'; readonly to: Register; readonly from: Operand }
  | {
      readonly op: 'alu'
      readonly operator: AluOperator
      readonly width: Width
      /** What its left side is below, where the verifier must see that: nobody else's result will do. */
      readonly below?: string
      readonly to: Register
      readonly left: Operand
      readonly right: Operand
    }
  /** Turns big-endian into host order and back: the lowest `bits`, the rest becomes zero. */
  | {
      readonly op: 'swap'
      readonly bits: 16 | 32 | 64
      readonly to: Register
      readonly from: Operand
    }
  | {
      readonly op: 'load'
      readonly bytes: Bytes
      readonly to: Register
      readonly base: Register
      readonly offset: number
    }
  | {
      readonly op: 'store'
      readonly bytes: Bytes
      readonly base: Register
      readonly offset: number
      readonly value: Operand
    }
  /** `to`: the value before, where somebody wants it. */
  | {
      readonly op: 'atomicAdd'
      readonly bytes: 4 | 8
      readonly base: Register
      readonly offset: number
      readonly value: Operand
      readonly to: Register | undefined
    }
  /** `to`: the value before; it was exchanged if that is `expected`. */
  | {
      readonly op: 'compareSwap'
      readonly bytes: 4 | 8
      readonly base: Register
      readonly offset: number
      readonly expected: Operand
      readonly value: Operand
      readonly to: Register
    }
  /** Pointer to row `index` of a table, or 0 where it has no such row. */
  | { readonly op: 'row'; readonly to: Register; readonly table: string; readonly index: Operand }
  /** Pointer to `bytes` bytes at `offset` of the frame, or 0 where it ends before. */
  | {
      readonly op: 'header'
      readonly to: Register
      readonly offset: Operand
      readonly bytes: number
    }
  /** Pointer to a struct of the program's own (`X.local()`), one for each CPU. */
  | { readonly op: 'local'; readonly to: Register; readonly name: string }
  /** Something the engine provides: packet.length, encapsulate, now, … (intrinsics.ts). */
  | {
      readonly op: 'intrinsic'
      readonly name: string
      readonly arguments: readonly Operand[]
      readonly to: Register | undefined
    }
  /** What the kernel's context says at `offset`: a number, or a pointer into the frame; only behind `expand`. */
  | {
      readonly op: 'context'
      readonly bytes: Bytes
      readonly to: Register
      readonly context: Register
      readonly offset: number
    }
  /** Address of byte `offset` of a map that has one element; only behind `expand`. */
  | {
      readonly op: 'address'
      readonly to: Register
      readonly map: string
      readonly offset: number
    }
  /** A helper of the kernel, by its number in enum bpf_func_id; only behind `expand`. */
  | {
      readonly op: 'helper'
      readonly helper: number
      readonly arguments: readonly Operand[]
      readonly to: Register | undefined
    }
  /** Puts a register aside, in a slot of the stack; only behind `registers`. */
  | { readonly op: 'spill'; readonly slot: number; readonly from: Register }
  | { readonly op: 'fill'; readonly slot: number; readonly to: Register }
  /** A function of the program. */
  | {
      readonly op: 'call'
      readonly name: string
      readonly arguments: readonly Operand[]
      readonly to: Register | undefined
    }
  /** Stands in a loop that goes round at most so many times; does nothing. */
  | { readonly op: 'loop'; readonly times: number }
  /** What was found out before is not taken for granted behind it; does nothing. */
  | { readonly op: 'anew' }
  | { readonly op: 'label'; readonly label: Label }
  | { readonly op: 'jump'; readonly label: Label }
  /** Goes on behind it where the test fails. */
  | {
      readonly op: 'branch'
      readonly test: Test
      readonly width: Width
      readonly left: Register
      readonly right: Operand
      readonly label: Label
    }
  | { readonly op: 'return'; readonly value: Operand }

/** Where in the source an operation comes from. */
export interface Origin extends Place {
  readonly file: string
}

export type Located = Operation & { readonly origin?: Origin }

export interface IrFunction {
  readonly name: string
  /** Filled by the caller. */
  readonly parameters: readonly Parameter[]
  readonly operations: readonly Located[]
  /** Registers are 0 … count - 1. */
  readonly registerCount: number
  /** Marked `@apart`: seldom run, and verified by itself. */
  readonly isApart: boolean
  /** Where it is declared. */
  readonly origin?: Origin
}

export interface Parameter {
  readonly register: Register
  /** How many bytes lie behind it, if it is a pointer. */
  readonly bytes: number | undefined
  /** A pointer that may be null, and the function asks. */
  readonly isNullable?: boolean
}

/** A struct that a program has for itself, one for each CPU: zero when the program is loaded. */
export interface LocalStruct {
  readonly name: string
  readonly bytes: number
}

export interface IrTable {
  readonly name: string
  readonly rowBytes: number
  /** Rows as declared, where the text tells; whoever loads the program may give it others. */
  readonly rows?: number
  /** Rows that the program takes for granted: it names some by constants. Only behind `expand`. */
  readonly leastRows?: number
}

export interface IrProgram {
  /** The first is where the program begins; each is reached from there. */
  readonly functions: readonly IrFunction[]
  readonly tables: readonly IrTable[]
  readonly locals: readonly LocalStruct[]
}

export function register(number: number): Register {
  return { kind: 'register', number }
}

export function immediate(value: number): Immediate {
  return { kind: 'immediate', value }
}

/** The register an operation writes, if any. */
export function writtenBy(operation: Operation): Register | undefined {
  return 'to' in operation ? operation.to : undefined
}

/** The operands it reads, in the order they stand in it. */
export function readBy(operation: Operation): Operand[] {
  switch (operation.op) {
    case 'move':
    case 'swap':
    case 'spill':
      return [operation.from]
    case 'alu':
    case 'branch':
      return [operation.left, operation.right]
    case 'load':
      return [operation.base]
    case 'store':
    case 'atomicAdd':
      return [operation.base, operation.value]
    case 'compareSwap':
      return [operation.base, operation.expected, operation.value]
    case 'context':
      return [operation.context]
    case 'row':
      return [operation.index]
    case 'header':
      return [operation.offset]
    case 'intrinsic':
    case 'helper':
    case 'call':
      return [...operation.arguments]
    case 'return':
      return [operation.value]
    case 'local':
    case 'address':
    case 'fill':
    case 'loop':
    case 'anew':
    case 'label':
    case 'jump':
      return []
  }
}
