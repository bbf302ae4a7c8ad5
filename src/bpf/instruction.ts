/**
 * One eBPF instruction as plain data, and builders that read like assembly (RFC 9669, "BPF Instruction Set
 * Architecture").
 *
 *     load(r2, u32(r1, 4)),            // r2 = *(u32 *)(r1 + 4)
 *     branch(r2, 'equal', 0, 'out'),   // if r2 == 0 goto out
 *     atomicAdd(u64(r0, 8), r2),       // lock *(u64 *)(r0 + 8) += r2
 *     label('out'),
 *     exit(),
 *
 * A target is a label, or a distance: how many slots behind the next instruction. An instruction has one slot of
 * eight bytes, those with a 64-bit constant have two (slotsOf), a label none. Nothing here judges: what no
 * instruction can say (an offset past 16 bits) is refused by encode.ts.
 */

/** r0: results, r1 – r5: arguments, r6 – r9: kept over calls, r10: end of the stack frame, only read. */
export const REGISTERS = [
  'r0',
  'r1',
  'r2',
  'r3',
  'r4',
  'r5',
  'r6',
  'r7',
  'r8',
  'r9',
  'r10',
] as const
export type Register = (typeof REGISTERS)[number]
export const [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10] = REGISTERS

/** A number is an immediate: 32 bits, extended by its sign where the operation has 64. */
export type Operand = Register | number

/** 32: computes with the lower halves, the result's upper half is zero. */
export type Width = 32 | 64

export type AluOperator =
  | 'move'
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

/** Unsigned but for those that begin with `signed`; `bits`: have both a bit in common? */
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

export type AtomicOperator = 'add' | 'and' | 'or' | 'xor' | 'exchange' | 'compareExchange'

/** be, le: to or from big or little endian. bswap: turns round on every machine (kernel 6.6). */
export type SwapOperator = 'be' | 'le' | 'bswap'

export interface Memory {
  readonly bytes: 1 | 2 | 4 | 8
  readonly base: Register
  readonly offset: number
}

export type Target = string | number

export interface Alu {
  readonly kind: 'alu'
  readonly width: Width
  readonly op: AluOperator
  readonly dst: Register
  readonly src: Operand
}
export interface Negate {
  readonly kind: 'negate'
  readonly width: Width
  readonly dst: Register
}
export interface Swap {
  readonly kind: 'swap'
  readonly op: SwapOperator
  /** What lies above is zero afterwards. */
  readonly bits: 16 | 32 | 64
  readonly dst: Register
}
export interface Load {
  readonly kind: 'load'
  readonly dst: Register
  readonly from: Memory
}
export interface Store {
  readonly kind: 'store'
  readonly to: Memory
  readonly src: Operand
}
/** Of 4 or 8 bytes. The value before comes into `src`, or into r0, which compareExchange compares with. */
export interface Atomic {
  readonly kind: 'atomic'
  readonly op: AtomicOperator
  readonly fetch: boolean
  readonly at: Memory
  readonly src: Register
}
/** Two slots. The value is unsigned, below 2^64. */
export interface Constant64 {
  readonly kind: 'constant64'
  readonly dst: Register
  readonly value: bigint
}
/** Two slots: the address of a map, named by file descriptor or by its place in BPF_PROG_LOAD's `fd_array`. */
export interface MapPointer {
  readonly kind: 'mapPointer'
  readonly dst: Register
  readonly by: 'fd' | 'index'
  readonly map: number
}
/** Two slots: the address of a byte in row 0 of an array map. */
export interface MapValue {
  readonly kind: 'mapValue'
  readonly dst: Register
  readonly by: 'fd' | 'index'
  readonly map: number
  readonly offset: number
}
export interface Jump {
  readonly kind: 'jump'
  readonly to: Target
}
export interface Branch {
  readonly kind: 'branch'
  readonly width: Width
  readonly left: Register
  readonly test: Test
  readonly right: Operand
  readonly to: Target
}
/** A helper of the kernel, by its number in enum bpf_func_id. */
export interface Call {
  readonly kind: 'call'
  readonly helper: number
}
/** A function of the same program. */
export interface CallFunction {
  readonly kind: 'callFunction'
  readonly to: Target
}
/** A function of the kernel that is no helper ("kfunc"), by its number in the kernel's own BTF. */
export interface CallKernel {
  readonly kind: 'callKernel'
  readonly btfId: number
}
/** Two slots: the address of a function of the same program, for helpers that call back. */
export interface FunctionPointer {
  readonly kind: 'functionPointer'
  readonly dst: Register
  readonly to: Target
}
/** Goes on, or jumps once a loop has had its millions of rounds (kernel 6.9). */
export interface MayGoto {
  readonly kind: 'mayGoto'
  readonly to: Target
}
export interface Exit {
  readonly kind: 'exit'
}
export interface Label {
  readonly kind: 'label'
  readonly name: string
}
/** A slot that is none of the above: what decode.ts leaves, byte for byte. */
export interface Raw {
  readonly kind: 'raw'
  readonly opcode: number
  /** 4 bits each. */
  readonly dst: number
  readonly src: number
  readonly offset: number
  readonly immediate: number
}

export type Instruction =
  | Alu
  | Negate
  | Swap
  | Load
  | Store
  | Atomic
  | Constant64
  | MapPointer
  | MapValue
  | Jump
  | Branch
  | Call
  | CallFunction
  | CallKernel
  | FunctionPointer
  | MayGoto
  | Exit
  | Label
  | Raw

const WIDE: ReadonlySet<Instruction['kind']> = new Set([
  'constant64',
  'mapPointer',
  'mapValue',
  'functionPointer',
])

/** How many slots of eight bytes it takes. */
export function slotsOf({ kind }: Instruction): 0 | 1 | 2 {
  if (kind === 'label') return 0
  return WIDE.has(kind) ? 2 : 1
}

export function alu(width: Width, op: AluOperator, dst: Register, src: Operand): Alu {
  return { kind: 'alu', width, op, dst, src }
}

type AluBuilder = (dst: Register, src: Operand) => Alu
const wide = (op: AluOperator): AluBuilder => alu.bind(undefined, 64, op)
const narrow = (op: AluOperator): AluBuilder => alu.bind(undefined, 32, op)

export const move = wide('move')
export const add = wide('add')
export const subtract = wide('subtract')
export const multiply = wide('multiply')
export const divide = wide('divide')
export const modulo = wide('modulo')
export const and = wide('and')
export const or = wide('or')
export const xor = wide('xor')
export const shl = wide('shl')
export const shr = wide('shr')
export const sar = wide('sar')

export const move32 = narrow('move')
export const add32 = narrow('add')
export const subtract32 = narrow('subtract')
export const multiply32 = narrow('multiply')
export const divide32 = narrow('divide')
export const modulo32 = narrow('modulo')
export const and32 = narrow('and')
export const or32 = narrow('or')
export const xor32 = narrow('xor')
export const shl32 = narrow('shl')
export const shr32 = narrow('shr')
export const sar32 = narrow('sar')

export function negate(dst: Register, width: Width = 64): Negate {
  return { kind: 'negate', width, dst }
}

/** The lowest `bits` of `dst` between big-endian and the machine's order; the rest becomes zero. */
export function bigEndian(dst: Register, bits: Swap['bits']): Swap {
  return { kind: 'swap', op: 'be', bits, dst }
}

export function littleEndian(dst: Register, bits: Swap['bits']): Swap {
  return { kind: 'swap', op: 'le', bits, dst }
}

export function swapBytes(dst: Register, bits: Swap['bits']): Swap {
  return { kind: 'swap', op: 'bswap', bits, dst }
}

export function memory(bytes: Memory['bytes'], base: Register, offset: number): Memory {
  return { bytes, base, offset }
}

export const u8 = memory.bind(undefined, 1)
export const u16 = memory.bind(undefined, 2)
export const u32 = memory.bind(undefined, 4)
export const u64 = memory.bind(undefined, 8)

export function load(dst: Register, from: Memory): Load {
  return { kind: 'load', dst, from }
}

export function store(to: Memory, src: Operand): Store {
  return { kind: 'store', to, src }
}

export function atomic(op: AtomicOperator, at: Memory, src: Register, fetch: boolean): Atomic {
  return { kind: 'atomic', op, fetch, at, src }
}

export function atomicAdd(at: Memory, src: Register): Atomic {
  return atomic('add', at, src, false)
}

/** Adds, and leaves in `src` what was there before. */
export function fetchAdd(at: Memory, src: Register): Atomic {
  return atomic('add', at, src, true)
}

export function exchange(at: Memory, src: Register): Atomic {
  return atomic('exchange', at, src, true)
}

/** Stores `src` if r0 is there; r0 becomes what was there before. */
export function compareExchange(at: Memory, src: Register): Atomic {
  return atomic('compareExchange', at, src, true)
}

/** Numbers from -2^63 up to 2^64. */
export function constant64(dst: Register, value: number | bigint): Constant64 {
  return { kind: 'constant64', dst, value: BigInt.asUintN(64, BigInt(value)) }
}

export function mapPointer(dst: Register, by: MapPointer['by'], map: number): MapPointer {
  return { kind: 'mapPointer', dst, by, map }
}

export function mapValue(dst: Register, by: MapValue['by'], map: number, offset: number): MapValue {
  return { kind: 'mapValue', dst, by, map, offset }
}

export function jump(to: Target): Jump {
  return { kind: 'jump', to }
}

export function branch(left: Register, test: Test, right: Operand, to: Target): Branch {
  return { kind: 'branch', width: 64, left, test, right, to }
}

/** Compares the lower halves. */
export function branch32(left: Register, test: Test, right: Operand, to: Target): Branch {
  return { kind: 'branch', width: 32, left, test, right, to }
}

export function call(helper: number): Call {
  return { kind: 'call', helper }
}

export function callFunction(to: Target): CallFunction {
  return { kind: 'callFunction', to }
}

export function callKernel(btfId: number): CallKernel {
  return { kind: 'callKernel', btfId }
}

export function functionPointer(dst: Register, to: Target): FunctionPointer {
  return { kind: 'functionPointer', dst, to }
}

export function mayGoto(to: Target): MayGoto {
  return { kind: 'mayGoto', to }
}

export function exit(): Exit {
  return { kind: 'exit' }
}

export function label(name: string): Label {
  return { kind: 'label', name }
}
