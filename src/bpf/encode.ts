/**
 * Instructions as the bytes that BPF_PROG_LOAD takes (their picture is in opcode.ts), labels resolved.
 *
 * What the bytes cannot say is refused with an EncodingError that names the instruction; never cut. Jumps reach
 * 32 767 slots; with `longJumps` an unconditional one reaches as far as the program does, but only kernel 6.6
 * knows that. The kernel's own rules (types, bounds, loops) are the verifier's business.
 */
import type { Alu, Branch, Instruction, Memory, Register, Store, Target } from './instruction.ts'
import { slotsOf } from './instruction.ts'
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

export interface EncodeOptions {
  /** For kernel 6.6 and later. */
  readonly longJumps?: boolean
}

export interface Encoded {
  readonly bytes: Uint8Array
  /** Of each instruction of the list its slot; of a label that of the instruction behind it. */
  readonly slots: Uint32Array
}

/** An instruction that no bytes can say: our compiler's mistake, or a program too large. */
export class EncodingError extends Error {
  override readonly name = 'EncodingError'
  /** The instruction's place in the list. */
  readonly at: number

  constructor(at: number, text: string) {
    super(`instruction ${at}: ${text}`)
    this.at = at
  }
}

/** Throws EncodingError. */
export function encode(program: readonly Instruction[], options: EncodeOptions = {}): Encoded {
  const slots = new Uint32Array(program.length)
  let length = 0
  for (const [i, instruction] of program.entries()) {
    slots[i] = length
    length += slotsOf(instruction)
  }
  const writer = new Writer(program, slots, length, options.longJumps ?? false)
  for (const [i, instruction] of program.entries()) writer.write(i, instruction)
  return { bytes: writer.bytes, slots }
}

/** The fields of one slot; what is left out is zero. */
interface Slot {
  readonly opcode: number
  readonly dst?: number
  readonly src?: number
  readonly offset?: number
  readonly immediate?: number
}

class Writer {
  readonly bytes: Uint8Array
  readonly #view: DataView
  readonly #slots: Uint32Array
  readonly #labels = new Map<string, number>()
  /** Slots at which an instruction begins. */
  readonly #starts = new Set<number>()
  readonly #longJumps: boolean
  #at = 0
  #slot = 0

  constructor(
    program: readonly Instruction[],
    slots: Uint32Array,
    length: number,
    longJumps: boolean,
  ) {
    this.bytes = new Uint8Array(length * SLOT_SIZE)
    this.#view = new DataView(this.bytes.buffer)
    this.#slots = slots
    this.#longJumps = longJumps
    for (const [i, instruction] of program.entries()) {
      if (instruction.kind !== 'label') {
        this.#starts.add(slots[i]!)
        continue
      }
      if (this.#labels.has(instruction.name)) {
        throw new EncodingError(i, `a second label '${instruction.name}'`)
      }
      this.#labels.set(instruction.name, slots[i]!)
    }
  }

  write(at: number, instruction: Instruction): void {
    this.#at = at
    this.#slot = this.#slots[at]!
    switch (instruction.kind) {
      case 'label':
        return
      case 'alu':
        return this.#writeAlu(instruction)
      case 'negate':
        return this.#put({
          opcode: aluClass(instruction.width) | NEGATE,
          dst: this.#writable(instruction.dst),
        })
      case 'swap':
        return this.#put({
          opcode:
            (instruction.op === 'bswap' ? Class.alu64 : Class.alu32) |
            SWAP |
            (instruction.op === 'be' ? SOURCE_REGISTER : 0),
          dst: this.#writable(instruction.dst),
          immediate: instruction.bits,
        })
      case 'load':
        return this.#put({
          opcode: Class.ldx | Mode.memory | SIZE[instruction.from.bytes],
          dst: this.#writable(instruction.dst),
          src: numberOf(instruction.from.base),
          offset: this.#offset(instruction.from),
        })
      case 'store':
        return this.#writeStore(instruction)
      case 'atomic':
        return this.#writeAtomic(instruction)
      case 'raw':
        return this.#put(instruction)
      default:
        return this.#writeRest(instruction)
    }
  }

  /** What jumps and calls, and what has two slots. */
  #writeRest(
    instruction: Exclude<
      Instruction,
      { kind: 'label' | 'alu' | 'negate' | 'swap' | 'load' | 'store' | 'atomic' | 'raw' }
    >,
  ): void {
    switch (instruction.kind) {
      case 'constant64':
        return this.#writeConstant64(instruction.dst, instruction.value)
      case 'mapPointer': {
        const kind = instruction.by === 'fd' ? Constant.mapFd : Constant.mapIndex
        return this.#putWide(kind, instruction.dst, this.#count(instruction.map, 'map'), 0)
      }
      case 'mapValue': {
        const kind = instruction.by === 'fd' ? Constant.mapFdValue : Constant.mapIndexValue
        const offset = instruction.offset
        if (!isInteger(offset, 0, 2 ** 32 - 1)) this.#refuse(`offset ${offset} in a map's value`)
        return this.#putWide(kind, instruction.dst, this.#count(instruction.map, 'map'), offset)
      }
      case 'functionPointer':
        return this.#putWide(Constant.function, instruction.dst, this.#distance(instruction.to), 0)
      case 'jump':
        return this.#writeJump(instruction.to)
      case 'branch':
        return this.#writeBranch(instruction)
      case 'mayGoto':
        return this.#put({ opcode: Opcode.mayGoto, offset: this.#near(instruction.to) })
      case 'call':
        return this.#writeCall(Callee.helper, this.#count(instruction.helper, 'helper'))
      case 'callFunction':
        return this.#writeCall(Callee.program, this.#distance(instruction.to))
      case 'callKernel':
        return this.#writeCall(Callee.kernel, this.#count(instruction.btfId, 'kernel function'))
      case 'exit':
        return this.#put({ opcode: Opcode.exit })
    }
  }

  #writeAlu({ width, op, dst, src }: Alu): void {
    const opcode = aluClass(width) | ALU[op]
    if (typeof src === 'string') {
      const fields = { dst: this.#writable(dst), src: numberOf(src) }
      return this.#put({ opcode: opcode | SOURCE_REGISTER, ...fields })
    }
    const isShift = op === 'shl' || op === 'shr' || op === 'sar'
    if (isShift && !isInteger(src, 0, width - 1)) this.#refuse(`a shift of ${width} bits by ${src}`)
    if ((op === 'divide' || op === 'modulo') && src === 0) this.#refuse('a division by 0')
    this.#put({ opcode, dst: this.#writable(dst), immediate: this.#immediate(src, width) })
  }

  #writeStore({ to, src }: Store): void {
    const fields = { dst: numberOf(to.base), offset: this.#offset(to) }
    const opcode = Mode.memory | SIZE[to.bytes]
    if (typeof src === 'string') {
      return this.#put({ opcode: opcode | Class.stx, ...fields, src: numberOf(src) })
    }
    this.#put({
      opcode: opcode | Class.st,
      ...fields,
      immediate: this.#immediate(src, 8 * to.bytes),
    })
  }

  #writeAtomic(instruction: Extract<Instruction, { kind: 'atomic' }>): void {
    const { op, fetch, at, src } = instruction
    if (at.bytes < 4) this.#refuse(`an atomic operation on ${at.bytes} bytes: only on 4 or 8`)
    const mustFetch = op === 'exchange' || op === 'compareExchange'
    if (mustFetch && !fetch) this.#refuse(`${op} always fetches`)
    this.#put({
      opcode: Class.stx | Mode.atomic | SIZE[at.bytes],
      dst: numberOf(at.base),
      src: fetch && op !== 'compareExchange' ? this.#writable(src) : numberOf(src),
      offset: this.#offset(at),
      immediate: ATOMIC[op] | (fetch ? FETCH : 0),
    })
  }

  #writeConstant64(dst: Register, value: bigint): void {
    if (value !== BigInt.asUintN(64, value)) this.#refuse(`the constant ${value}: not of 64 bits`)
    const low = Number(BigInt.asIntN(32, value))
    this.#putWide(Constant.number, dst, low, Number(value >> 32n))
  }

  #writeJump(to: Target): void {
    const distance = this.#distance(to)
    if (this.#longJumps && !fits(distance, 16)) {
      return this.#put({ opcode: Opcode.longJump, immediate: distance })
    }
    this.#put({ opcode: Opcode.jump, offset: this.#near(to) })
  }

  #writeBranch({ width, left, test, right, to }: Branch): void {
    const opcode = (width === 64 ? Class.jump : Class.jump32) | TEST[test]
    const fields = { dst: numberOf(left), offset: this.#near(to) }
    if (typeof right === 'string') {
      return this.#put({ opcode: opcode | SOURCE_REGISTER, ...fields, src: numberOf(right) })
    }
    this.#put({ opcode, ...fields, immediate: this.#immediate(right, width) })
  }

  #writeCall(callee: number, immediate: number): void {
    this.#put({ opcode: Opcode.call, src: callee, immediate })
  }

  /** How many slots behind the next one; so also where the instruction has two. */
  #distance(to: Target): number {
    const here = this.#slot + 1
    const target = typeof to === 'number' ? here + to : this.#labels.get(to)
    if (target === undefined) return this.#refuse(`there is no label '${to}'`)
    if (!this.#starts.has(target)) {
      const goal = typeof to === 'number' ? `${to} slots on` : `to '${to}'`
      this.#refuse(`${goal} there is no instruction`)
    }
    return target - here
  }

  /** A distance in 16 bits. */
  #near(to: Target): number {
    const distance = this.#distance(to)
    if (!fits(distance, 16)) {
      this.#refuse(
        `a jump over ${distance} slots: 16 bits cannot say it, and only kernel 6.6 can jump farther`,
      )
    }
    return distance
  }

  #offset({ offset }: Memory): number {
    return fits(offset, 16) ? offset : this.#refuse(`the offset ${offset}: not of 16 bits`)
  }

  /** Where an operation has 64 bits the sign is extended; where it has fewer, either reading will do. */
  #immediate(value: number, bits: number): number {
    const max = bits >= 64 ? 2 ** 31 - 1 : 2 ** bits - 1
    const min = -(2 ** (Math.min(bits, 32) - 1))
    if (!isInteger(value, min, max))
      this.#refuse(`the immediate ${value}: not from ${min} to ${max}`)
    return value | 0
  }

  #count(value: number, what: string): number {
    return isInteger(value, 0, 2 ** 31 - 1)
      ? value
      : this.#refuse(`${value} is the number of no ${what}`)
  }

  #writable(register: Register): number {
    return register === 'r10' ? this.#refuse('r10 is only read') : numberOf(register)
  }

  #put(slot: Slot): void {
    this.#putAt(this.#slot, slot)
  }

  #putWide(kind: number, dst: Register, low: number, high: number): void {
    const fields = { dst: this.#writable(dst), src: kind, immediate: low }
    this.#putAt(this.#slot, { opcode: Opcode.constant64, ...fields })
    this.#putAt(this.#slot + 1, { opcode: 0, immediate: high | 0 })
  }

  #putAt(slot: number, { opcode, dst = 0, src = 0, offset = 0, immediate = 0 }: Slot): void {
    const at = slot * SLOT_SIZE
    this.#view.setUint8(at, opcode)
    this.#view.setUint8(at + 1, (src << 4) | dst)
    this.#view.setInt16(at + 2, offset, true)
    this.#view.setInt32(at + 4, immediate, true)
  }

  #refuse(text: string): never {
    throw new EncodingError(this.#at, text)
  }
}

function aluClass(width: 32 | 64): number {
  return width === 64 ? Class.alu64 : Class.alu32
}

function numberOf(register: Register): number {
  return Number(register.slice(1))
}

function isInteger(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max
}

function fits(value: number, bits: number): boolean {
  return isInteger(value, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
}
