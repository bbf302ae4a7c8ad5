/**
 * The numbers of eBPF's instructions (RFC 9669 §3 – 5, include/uapi/linux/bpf.h), for encode.ts and decode.ts.
 *
 *      +--------+----+----+----------------+--------------------------------+
 *      | opcode |dst |src |     offset     |           immediate            |   one slot, little-endian
 *      |   8    | 4  | 4  |   16, signed   |           32, signed           |
 *      +--------+----+----+----------------+--------------------------------+
 *          7 … 4: operation    3: source is a register    2 … 0: class      (arithmetic, jumps)
 *          7 … 5: mode         4 … 3: size                2 … 0: class      (loads and stores)
 *
 * A second slot has opcode 0 and the upper half of a 64-bit constant, or the offset in a map's value.
 */
import type { AluOperator, AtomicOperator, Test } from './instruction.ts'

export const SLOT_SIZE = 8

export const Class = {
  ld: 0,
  ldx: 1,
  st: 2,
  stx: 3,
  alu32: 4,
  jump: 5,
  jump32: 6,
  alu64: 7,
} as const

/** Set: the second operand is a register. Of byte swaps, set: big endian. */
export const SOURCE_REGISTER = 0x08

export const ALU: Readonly<Record<AluOperator, number>> = {
  add: 0x00,
  subtract: 0x10,
  multiply: 0x20,
  divide: 0x30,
  or: 0x40,
  and: 0x50,
  shl: 0x60,
  shr: 0x70,
  modulo: 0x90,
  xor: 0xa0,
  move: 0xb0,
  sar: 0xc0,
}
export const NEGATE = 0x80
export const SWAP = 0xd0

export const TEST: Readonly<Record<Test, number>> = {
  equal: 0x10,
  greater: 0x20,
  greaterOrEqual: 0x30,
  bits: 0x40,
  unequal: 0x50,
  signedGreater: 0x60,
  signedGreaterOrEqual: 0x70,
  less: 0xa0,
  lessOrEqual: 0xb0,
  signedLess: 0xc0,
  signedLessOrEqual: 0xd0,
}

/** Whole opcodes. */
export const Opcode = {
  constant64: 0x18,
  jump: 0x05,
  /** Its distance is in the immediate (kernel 6.6). */
  longJump: 0x06,
  mayGoto: 0xe5,
  call: 0x85,
  exit: 0x95,
} as const

export const Mode = { memory: 0x60, atomic: 0xc0 } as const

export const SIZE: Readonly<Record<1 | 2 | 4 | 8, number>> = { 4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18 }

/** In an atomic's immediate. */
export const ATOMIC: Readonly<Record<AtomicOperator, number>> = {
  add: 0x00,
  or: 0x40,
  and: 0x50,
  xor: 0xa0,
  exchange: 0xe0,
  compareExchange: 0xf0,
}
export const FETCH = 0x01

/** What a 64-bit constant stands for (BPF_PSEUDO_…), in its source field. */
export const Constant = {
  number: 0,
  mapFd: 1,
  mapFdValue: 2,
  function: 4,
  mapIndex: 5,
  mapIndexValue: 6,
} as const

/** What a call calls, in its source field. */
export const Callee = { helper: 0, program: 1, kernel: 2 } as const
