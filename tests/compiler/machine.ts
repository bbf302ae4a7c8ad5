/**
 * Runs emitted instructions, one by one, on memory of V8, and counts them: what a program costs, without noise, and
 * without a kernel.
 *
 * Addresses are numbers of 64 bits: a region's number above, the place in it below. Whatever lies outside a region, or
 * is done to it that no instruction of ours does, is an error. The context is what the program sees of struct xdp_md
 * or __sk_buff, helpers are those that a frame meets which is sent on.
 */
import assert from 'node:assert/strict'
import { decode } from '../../src/bpf/decode.ts'
import {
  REGISTERS,
  slotsOf,
  type Alu,
  type Branch,
  type Instruction,
  type Memory,
  type Operand,
  type Register,
} from '../../src/bpf/instruction.ts'

/** Struct xdp_md and __sk_buff (uapi/linux/bpf.h): where fields lie. */
const Context = {
  xdp: { data: 0, dataEnd: 4, ingress: 12, length: undefined, segmentSize: undefined },
  tc: { data: 76, dataEnd: 80, ingress: 40, length: 0, segmentSize: 176 },
} as const
/** enum bpf_func_id */
const Helper = {
  processor: 8,
  replaceChecksum: 11,
  redirect: 23,
  adjustHead: 44,
  adjustRoom: 50,
  jiffies: 118,
} as const

const REGION_SHIFT = 40n
const FRAME = 1
const CONTEXT = 2
/** One for each depth of calls. */
const STACKS = 3
const MAPS = 16
const STACK_BYTES = 512
const HEADROOM = 256
const FRAME_BYTES = 4096
const STEPS_MAX = 1_000_000
const ETHERNET_BYTES = 14

const U64 = (value: bigint) => BigInt.asUintN(64, value)

export interface MachineProgram {
  readonly attachment: 'xdp' | 'tc'
  /** With every number in its place. */
  readonly instructions: Uint8Array
  /** Of each map, in the order of their numbers in the program: its memory. */
  readonly maps: readonly DataView[]
}

export class Machine {
  /** By slot: how often it ran. */
  readonly counts: number[]
  /** By slot. */
  readonly instructions: readonly (Instruction | undefined)[]
  readonly #attachment: 'xdp' | 'tc'
  readonly #regions = new Map<number, DataView>()
  #registers: bigint[] = []
  #start = 0
  #end = 0
  #depth = 0
  #steps = 0
  jiffies = 1000n
  ingress = 1

  constructor({ attachment, instructions, maps }: MachineProgram) {
    this.#attachment = attachment
    const bySlot: (Instruction | undefined)[] = []
    for (const one of decode(instructions)) {
      bySlot.push(one)
      for (let i = 1; i < slotsOf(one); i++) bySlot.push(undefined)
    }
    this.instructions = bySlot
    this.counts = bySlot.map(() => 0)
    this.#regions.set(FRAME, new DataView(new ArrayBuffer(FRAME_BYTES)))
    this.#regions.set(CONTEXT, new DataView(new ArrayBuffer(256)))
    maps.forEach((map, i) => this.#regions.set(MAPS + i, map))
  }

  /** What the program gives back for the frame. */
  run(frame: Uint8Array): number {
    this.#start = HEADROOM
    this.#end = HEADROOM + frame.length
    const memory = this.#regions.get(FRAME)!
    new Uint8Array(memory.buffer).set(frame, HEADROOM)
    this.#depth = 0
    this.#steps = 0
    this.#registers = Array.from({ length: 11 }, () => 0n)
    this.#registers[1] = addressOf(CONTEXT, 0)
    this.#call(0)
    return Number(BigInt.asUintN(32, this.#registers[0]!))
  }

  /** As it is after the run. */
  get frame(): Uint8Array {
    return new Uint8Array(this.#regions.get(FRAME)!.buffer.slice(this.#start, this.#end))
  }

  /** From that slot to its exit; r6 to r9 are the caller's again afterwards. */
  #call(first: number): void {
    const stack = STACKS + ++this.#depth
    assert(stack < MAPS, 'calls are not that deep')
    this.#regions.set(stack, new DataView(new ArrayBuffer(STACK_BYTES)))
    const kept = this.#registers.slice(6)
    this.#registers[10] = addressOf(stack, STACK_BYTES)
    for (let at = first; ;) {
      const one = this.instructions[at]
      assert(one !== undefined, `slot ${at} is an instruction`)
      assert(this.#steps++ < STEPS_MAX, 'the program comes to an end')
      this.counts[at]!++
      at += slotsOf(one)
      if (one.kind === 'exit') break
      if (one.kind === 'jump') at += one.to as number
      else if (one.kind === 'branch') at += this.#isTaken(one) ? (one.to as number) : 0
      else if (one.kind === 'callFunction') this.#call(at + (one.to as number))
      else this.#step(one)
    }
    this.#registers.splice(6, 5, ...kept)
    this.#depth--
  }

  #step(one: Instruction): void {
    switch (one.kind) {
      case 'alu':
        return this.#set(one.dst, this.#compute(one))
      case 'negate':
        return this.#set(one.dst, BigInt.asUintN(one.width, -this.#read(one.dst)))
      case 'swap': {
        const value = BigInt.asUintN(one.bits, this.#read(one.dst))
        return this.#set(one.dst, one.op === 'le' ? value : swapped(value, one.bits))
      }
      case 'load':
        return this.#set(one.dst, this.#load(one.from))
      case 'store':
        return this.#store(one.to, this.#read(one.src))
      case 'atomic':
        return this.#atomic(one)
      case 'constant64':
        return this.#set(one.dst, one.value)
      case 'mapValue':
        return this.#set(one.dst, addressOf(MAPS + one.map, one.offset))
      case 'call':
        return this.#help(one.helper)
      default:
        throw new Error(`no program of ours has ${one.kind}`)
    }
  }

  #set(to: Register, value: bigint): void {
    this.#registers[REGISTERS.indexOf(to)] = U64(value)
  }

  #read(from: Operand): bigint {
    if (typeof from === 'number') return U64(BigInt(from))
    return this.#registers[REGISTERS.indexOf(from)]!
  }

  #place({ base, offset, bytes }: Memory): { readonly view: DataView; readonly at: number } {
    const address = U64(this.#read(base) + BigInt(offset))
    const region = Number(address >> REGION_SHIFT)
    const at = Number(BigInt.asUintN(Number(REGION_SHIFT), address))
    const view = this.#regions.get(region)
    assert(view !== undefined && at + bytes <= view.byteLength, `there is memory at ${address}`)
    if (region === FRAME) assert(at >= this.#start && at + bytes <= this.#end, 'in the frame')
    return { view, at }
  }

  #load(from: Memory): bigint {
    const { view, at } = this.#place(from)
    if (view === this.#regions.get(CONTEXT)) return this.#field(at)
    if (from.bytes === 8) return view.getBigUint64(at, true)
    if (from.bytes === 4) return BigInt(view.getUint32(at, true))
    return BigInt(from.bytes === 2 ? view.getUint16(at, true) : view.getUint8(at))
  }

  #field(offset: number): bigint {
    const places = Context[this.#attachment]
    if (offset === places.data) return addressOf(FRAME, this.#start)
    if (offset === places.dataEnd) return addressOf(FRAME, this.#end)
    if (offset === places.ingress) return BigInt(this.ingress)
    return offset === places.length ? BigInt(this.#end - this.#start) : 0n
  }

  #store(to: Memory, value: bigint): void {
    const { view, at } = this.#place(to)
    if (to.bytes === 8) view.setBigUint64(at, value, true)
    else if (to.bytes === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), true)
    else if (to.bytes === 2) view.setUint16(at, Number(BigInt.asUintN(16, value)), true)
    else view.setUint8(at, Number(BigInt.asUintN(8, value)))
  }

  #atomic({ op, fetch, at, src }: Instruction & { kind: 'atomic' }): void {
    const was = this.#load(at)
    const value = this.#read(src)
    if (op === 'compareExchange') {
      if (was === BigInt.asUintN(8 * at.bytes, this.#read('r0'))) this.#store(at, value)
      return this.#set('r0', was)
    }
    assert(op === 'add', `${op} is none of ours`)
    this.#store(at, U64(was + value))
    if (fetch) this.#set(src, was)
  }

  #compute({ op, width, dst, src }: Alu): bigint {
    const [a, b] = [this.#read(dst), this.#read(src)].map((one) => BigInt.asUintN(width, one)) as [
      bigint,
      bigint,
    ]
    const shift = b & BigInt(width - 1)
    const results = {
      move: () => b,
      add: () => a + b,
      subtract: () => a - b,
      multiply: () => a * b,
      divide: () => (b === 0n ? 0n : a / b),
      modulo: () => (b === 0n ? a : a % b),
      and: () => a & b,
      or: () => a | b,
      xor: () => a ^ b,
      shl: () => a << shift,
      shr: () => a >> shift,
      sar: () => BigInt.asIntN(width, a) >> shift,
    }
    return BigInt.asUintN(width, results[op]())
  }

  #isTaken({ test, width, left, right }: Branch): boolean {
    const [a, b] = [left, right].map((one) => BigInt.asUintN(width, this.#read(one))) as [
      bigint,
      bigint,
    ]
    const [s, t] = [BigInt.asIntN(width, a), BigInt.asIntN(width, b)]
    const results = {
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

  #help(helper: number): void {
    const give = (value: number | bigint) => {
      for (const one of ['r1', 'r2', 'r3', 'r4', 'r5'] as const) this.#set(one, 0xdeadn)
      this.#set('r0', BigInt(value))
    }
    switch (helper) {
      case Helper.processor:
        return give(0)
      case Helper.jiffies:
        return give(this.jiffies)
      case Helper.adjustHead:
        this.#start += Number(BigInt.asIntN(32, this.#read('r2')))
        return give(0)
      case Helper.adjustRoom:
        this.#open(Number(BigInt.asIntN(32, this.#read('r2'))))
        return give(0)
      case Helper.replaceChecksum:
        this.#change(Number(this.#read('r2')))
        return give(0)
      case Helper.redirect:
        return give(this.#attachment === 'xdp' ? 4 : 7)
      default:
        throw new Error(`helper ${helper} is for frames that are not simply sent on`)
    }
  }

  /** bpf_skb_adjust_room behind the Ethernet header. */
  #open(bytes: number): void {
    const memory = new Uint8Array(this.#regions.get(FRAME)!.buffer)
    this.#start -= bytes
    const from = this.#start + bytes
    memory.copyWithin(this.#start, from, from + ETHERNET_BYTES)
  }

  /** bpf_l4_csum_replace of a field whose checksum is whole: changed it is, to what does not matter here. */
  #change(offset: number): void {
    const view = this.#regions.get(FRAME)!
    view.setUint16(this.#start + offset, view.getUint16(this.#start + offset) ^ 0xffff)
  }
}

function addressOf(region: number, at: number): bigint {
  return (BigInt(region) << REGION_SHIFT) + BigInt(at)
}

function swapped(value: bigint, bits: number): bigint {
  let result = 0n
  for (let i = 0; i < bits; i += 8) result = (result << 8n) | ((value >> BigInt(i)) & 0xffn)
  return result
}
