/**
 * Bytes as instructions: encode.ts the other way round (the picture is in opcode.ts).
 *
 * Whatever the bytes, `encode` makes the same of the result, given `longJumps`: what instruction.ts has no
 * words for, and what encode would refuse, stays a raw slot. Targets are distances.
 */
import { assert } from '../base/assert.ts'
import { viewOf } from '../base/bytes.ts'
import {
  REGISTERS,
  slotsOf,
  type AluOperator,
  type AtomicOperator,
  type Instruction,
  type MapPointer,
  type Memory,
  type Operand,
  type Raw,
  type Register,
  type Test,
} from './instruction.ts'
import {
  ALU,
  ATOMIC,
  Callee,
  Class,
  Constant,
  FETCH,
  Mode,
  NEGATE,
  Opcode,
  SIZE,
  SLOT_SIZE,
  SOURCE_REGISTER,
  SWAP,
  TEST,
} from './opcode.ts'

const ALU_BY_NUMBER = inverted<AluOperator>(ALU)
const TEST_BY_NUMBER = inverted<Test>(TEST)
const ATOMIC_BY_NUMBER = inverted<AtomicOperator>(ATOMIC)
const BYTES_BY_SIZE = new Map(
  ([1, 2, 4, 8] as const).map((bytes): [number, Memory['bytes']] => [SIZE[bytes], bytes]),
)

/** Whole slots. */
export function decode(bytes: Uint8Array): Instruction[] {
  assert(bytes.length % SLOT_SIZE === 0, 'instructions have eight bytes each')
  const slots = readSlots(bytes)
  const program: Instruction[] = []
  const starts = new Set<number>()
  for (let at = 0; at < slots.length;) {
    starts.add(at)
    const instruction =
      decodeWide(slots[at]!, slots[at + 1]) ?? decodeSlot(slots[at]!) ?? slots[at]!
    program.push(instruction)
    at += slotsOf(instruction)
  }
  return withoutWrongTargets(program, slots, starts)
}

function readSlots(bytes: Uint8Array): Raw[] {
  const view = viewOf(bytes)
  return Array.from({ length: bytes.length / SLOT_SIZE }, (_, i) => ({
    kind: 'raw',
    opcode: view.getUint8(i * SLOT_SIZE),
    dst: view.getUint8(i * SLOT_SIZE + 1) & 15,
    src: view.getUint8(i * SLOT_SIZE + 1) >> 4,
    offset: view.getInt16(i * SLOT_SIZE + 2, true),
    immediate: view.getInt32(i * SLOT_SIZE + 4, true),
  }))
}

/** Where a target is no instruction, the slot is left as it is. */
function withoutWrongTargets(
  program: readonly Instruction[],
  slots: readonly Raw[],
  starts: ReadonlySet<number>,
): Instruction[] {
  let at = 0
  return program.flatMap((instruction) => {
    const here = at
    at += slotsOf(instruction)
    const isRight =
      !('to' in instruction) || typeof instruction.to !== 'number'
        ? true
        : starts.has(here + 1 + instruction.to)
    return isRight ? [instruction] : slots.slice(here, at)
  })
}

/** What has two slots; undefined for all else. */
function decodeWide(slot: Raw, next: Raw | undefined): Instruction | undefined {
  const { opcode, src, offset, immediate } = slot
  const dst = writable(slot.dst)
  if (opcode !== Opcode.constant64 || offset !== 0 || dst === undefined) return undefined
  if (next === undefined || next.opcode + next.dst + next.src !== 0 || next.offset !== 0)
    return undefined
  if (src === Constant.number) {
    const value = (BigInt(next.immediate >>> 0) << 32n) | BigInt(immediate >>> 0)
    return { kind: 'constant64', dst, value }
  }
  if (src === Constant.function && next.immediate === 0) {
    return { kind: 'functionPointer', dst, to: immediate }
  }
  const by: MapPointer['by'] =
    src === Constant.mapFd || src === Constant.mapFdValue ? 'fd' : 'index'
  if (immediate < 0) return undefined
  if (src === Constant.mapFdValue || src === Constant.mapIndexValue) {
    return { kind: 'mapValue', dst, by, map: immediate, offset: next.immediate >>> 0 }
  }
  if (src !== Constant.mapFd && src !== Constant.mapIndex) return undefined
  return next.immediate === 0 ? { kind: 'mapPointer', dst, by, map: immediate } : undefined
}

/** What has one slot; undefined for what there are no words for. */
function decodeSlot(slot: Raw): Instruction | undefined {
  switch (slot.opcode & 7) {
    case Class.alu32:
    case Class.alu64:
      return decodeAlu(slot)
    case Class.ldx:
      return decodeLoad(slot)
    case Class.st:
    case Class.stx:
      return decodeStore(slot)
    case Class.jump:
    case Class.jump32:
      return decodeControl(slot) ?? decodeBranch(slot)
    default:
      return undefined
  }
}

function decodeAlu(slot: Raw): Instruction | undefined {
  const { opcode, src, offset, immediate } = slot
  const width = (opcode & 7) === Class.alu64 ? 64 : 32
  const dst = writable(slot.dst)
  if (dst === undefined || offset !== 0) return undefined
  const number = opcode & 0xf0
  const isPlain = (opcode & SOURCE_REGISTER) === 0 && src === 0
  if (number === NEGATE) {
    return isPlain && immediate === 0 ? { kind: 'negate', width, dst } : undefined
  }
  if (number === SWAP) {
    if (src !== 0 || (immediate !== 16 && immediate !== 32 && immediate !== 64)) return undefined
    if (width === 64)
      return isPlain ? { kind: 'swap', op: 'bswap', bits: immediate, dst } : undefined
    return { kind: 'swap', op: isPlain ? 'le' : 'be', bits: immediate, dst }
  }
  const op = ALU_BY_NUMBER.get(number)
  const operand = operandOf(slot)
  if (op === undefined || operand === undefined) return undefined
  if (typeof operand === 'number') {
    const isShift = op === 'shl' || op === 'shr' || op === 'sar'
    if (isShift && (operand < 0 || operand >= width)) return undefined
    if ((op === 'divide' || op === 'modulo') && operand === 0) return undefined
  }
  return { kind: 'alu', width, op, dst, src: operand }
}

function decodeLoad(slot: Raw): Instruction | undefined {
  const [dst, base] = [writable(slot.dst), REGISTERS[slot.src]]
  if (dst === undefined || base === undefined || slot.immediate !== 0) return undefined
  if ((slot.opcode & 0xe0) !== Mode.memory) return undefined
  return { kind: 'load', dst, from: memoryOf(slot, base) }
}

function decodeStore(slot: Raw): Instruction | undefined {
  const base = REGISTERS[slot.dst]
  if (base === undefined) return undefined
  const to = memoryOf(slot, base)
  const mode = slot.opcode & 0xe0
  if ((slot.opcode & 7) === Class.st) {
    if (mode !== Mode.memory || slot.src !== 0) return undefined
    const bits = 8 * Math.min(to.bytes, 4)
    const value = slot.immediate
    const fits = bits === 32 || (value >= -(2 ** (bits - 1)) && value < 2 ** bits)
    return fits ? { kind: 'store', to, src: value } : undefined
  }
  const src = REGISTERS[slot.src]
  if (src === undefined) return undefined
  if (mode === Mode.memory) return slot.immediate === 0 ? { kind: 'store', to, src } : undefined
  return mode === Mode.atomic ? decodeAtomic(slot.immediate, to, src) : undefined
}

function decodeAtomic(immediate: number, at: Memory, src: Register): Instruction | undefined {
  const fetch = (immediate & FETCH) !== 0
  const op = ATOMIC_BY_NUMBER.get(immediate & ~FETCH)
  if (op === undefined || at.bytes < 4) return undefined
  if (!fetch && (op === 'exchange' || op === 'compareExchange')) return undefined
  if (fetch && op !== 'compareExchange' && src === 'r10') return undefined
  return { kind: 'atomic', op, fetch, at, src }
}

/** Jumps, calls and exit. */
function decodeControl({ opcode, dst, src, offset, immediate }: Raw): Instruction | undefined {
  if (dst !== 0) return undefined
  if (opcode === Opcode.call && offset === 0) {
    if (src === Callee.program) return { kind: 'callFunction', to: immediate }
    if (immediate < 0) return undefined
    if (src === Callee.helper) return { kind: 'call', helper: immediate }
    return src === Callee.kernel ? { kind: 'callKernel', btfId: immediate } : undefined
  }
  if (src !== 0) return undefined
  if (opcode === Opcode.longJump) {
    const isLong = immediate < -32768 || immediate > 32767
    return isLong && offset === 0 ? { kind: 'jump', to: immediate } : undefined
  }
  if (immediate !== 0) return undefined
  if (opcode === Opcode.jump) return { kind: 'jump', to: offset }
  if (opcode === Opcode.mayGoto) return { kind: 'mayGoto', to: offset }
  return opcode === Opcode.exit && offset === 0 ? { kind: 'exit' } : undefined
}

function decodeBranch(slot: Raw): Instruction | undefined {
  const width = (slot.opcode & 7) === Class.jump ? 64 : 32
  const [left, right] = [REGISTERS[slot.dst], operandOf(slot)]
  const test = TEST_BY_NUMBER.get(slot.opcode & 0xf0)
  if (test === undefined || left === undefined || right === undefined) return undefined
  return { kind: 'branch', width, left, test, right, to: slot.offset }
}

/** The second operand; undefined if the slot has both kinds of it. */
function operandOf({ opcode, src, immediate }: Raw): Operand | undefined {
  if ((opcode & SOURCE_REGISTER) === 0) return src === 0 ? immediate : undefined
  return immediate === 0 ? REGISTERS[src] : undefined
}

function memoryOf({ opcode, offset }: Raw, base: Register): Memory {
  return { bytes: BYTES_BY_SIZE.get(opcode & 0x18)!, base, offset }
}

function writable(number: number): Register | undefined {
  return number === 10 ? undefined : REGISTERS[number]
}

function inverted<Name extends string>(
  numbers: Readonly<Record<Name, number>>,
): ReadonlyMap<number, Name> {
  const entries = Object.entries(numbers) as [Name, number][]
  return new Map(entries.map(([name, number]) => [number, name]))
}
