/**
 * Runs the intermediate form, operation by operation, on tables and frames of V8: a second opinion on the lowering that
 * needs no kernel. Registers hold 64 bits; what is read before it was written is an error.
 */
import assert from 'node:assert/strict'
import type {
  IrFunction,
  IrProgram,
  Label,
  Located,
  Operand,
  Operation,
  Register,
  Test,
} from '../../src/compiler/ir/ir.ts'
import { formatOperation } from '../../src/compiler/ir/ir-print.ts'
import { now, random } from '../../src/subset/clock.ts'
import type { Packet } from '../../src/subset/packet.ts'
import type { AnyTable } from '../../src/subset/table.ts'

interface Pointer {
  readonly bytes: DataView
  readonly at: number
  /** Bytes that may be touched from `at` on. */
  readonly room: number
}
type Value = bigint | Pointer

const STEPS_MAX = 5_000_000
const U64 = (value: bigint) => BigInt.asUintN(64, value)
const S64 = (value: bigint) => BigInt.asIntN(64, value)
const bit = (value: boolean) => (value ? 1n : 0n)

export class Interpreter {
  readonly #functions: ReadonlyMap<string, IrFunction>
  readonly #labels = new Map<IrFunction, ReadonlyMap<Label, number>>()
  readonly #tables: ReadonlyMap<string, AnyTable>
  readonly #rowBytes: ReadonlyMap<string, number>
  readonly #locals: ReadonlyMap<string, Pointer>
  readonly #entry: IrFunction
  #packet!: Packet
  #steps = 0

  /** `tables`: of their memory in use at the time of each run. */
  constructor(program: IrProgram, tables: readonly AnyTable[]) {
    this.#functions = new Map(program.functions.map((one) => [one.name, one]))
    this.#entry = program.functions[0]!
    this.#tables = new Map(tables.map((one) => [one.name, one]))
    this.#rowBytes = new Map(program.tables.map(({ name, rowBytes }) => [name, rowBytes]))
    this.#locals = new Map(
      program.locals.map(({ name, bytes }) => [
        name,
        { bytes: new DataView(new ArrayBuffer(bytes)), at: 0, room: bytes },
      ]),
    )
  }

  /** What the program returns for the frame. */
  run(packet: Packet, ...values: readonly number[]): number {
    this.#packet = packet
    this.#steps = 0
    // Nothing lasts that is not in tables.
    for (const { bytes } of this.#locals.values()) new Uint8Array(bytes.buffer).fill(0)
    const result = this.#call(
      this.#entry,
      values.map((value) => BigInt(value)),
    )
    assert(typeof result === 'bigint')
    return Number(result)
  }

  #labelsOf(body: IrFunction): ReadonlyMap<Label, number> {
    const known = this.#labels.get(body)
    if (known !== undefined) return known
    const labels = new Map<Label, number>()
    body.operations.forEach((one, i) => {
      if (one.op !== 'label') return
      assert(!labels.has(one.label), `${one.label} is unique`)
      labels.set(one.label, i)
    })
    this.#labels.set(body, labels)
    return labels
  }

  #call(body: IrFunction, values: readonly Value[]): Value {
    const registers: (Value | undefined)[] = new Array(body.registerCount).fill(undefined)
    body.parameters.forEach(({ register }, i) => (registers[register.number] = values[i]))
    const labels = this.#labelsOf(body)
    for (let at = 0; ; at++) {
      assert(this.#steps++ < STEPS_MAX, 'the program comes to an end')
      const operation: Located | undefined = body.operations[at]
      assert(operation !== undefined, `${body.name} returns`)
      if (operation.op === 'return') return this.#read(registers, operation.value, operation)
      if (operation.op === 'jump') at = labels.get(operation.label)!
      else if (operation.op === 'branch') {
        const left = this.#read(registers, operation.left, operation)
        const right = this.#read(registers, operation.right, operation)
        if (isTrue(operation.test, operation.width, left, right)) at = labels.get(operation.label)!
      } else {
        const result = this.#run(operation, registers)
        const to = 'to' in operation ? operation.to : undefined
        if (to !== undefined) registers[to.number] = result
      }
    }
  }

  #read(registers: readonly (Value | undefined)[], operand: Operand, where: Operation): Value {
    if (operand.kind === 'immediate') return U64(BigInt(operand.value))
    const value = registers[operand.number]
    assert(value !== undefined, `r${operand.number} was written before: ${formatOperation(where)}`)
    return value
  }

  #run(operation: Operation, registers: (Value | undefined)[]): Value {
    const read = (operand: Operand) => this.#read(registers, operand, operation)
    const number = (operand: Operand) => {
      const value = read(operand)
      assert(typeof value === 'bigint', `no pointer: ${formatOperation(operation)}`)
      return value
    }
    const place = ({ base, offset, bytes }: { base: Register; offset: number; bytes: number }) => {
      const pointer = read(base)
      assert(typeof pointer === 'object', `a pointer: ${formatOperation(operation)}`)
      assert(offset >= 0 && offset + bytes <= pointer.room, formatOperation(operation))
      return { view: pointer.bytes, at: pointer.at + offset }
    }
    switch (operation.op) {
      case 'move':
        return read(operation.from)
      case 'alu':
        return compute(operation, number(operation.left), number(operation.right))
      case 'swap': {
        const { bits } = operation
        return swap(BigInt.asUintN(bits, number(operation.from)), bits / 8)
      }
      case 'load': {
        const { view, at } = place(operation)
        return load(view, at, operation.bytes)
      }
      case 'store': {
        const { view, at } = place(operation)
        store(view, at, operation.bytes, number(operation.value))
        return 0n
      }
      case 'atomicAdd': {
        const { view, at } = place(operation)
        const was = load(view, at, operation.bytes)
        store(view, at, operation.bytes, was + number(operation.value))
        return was
      }
      case 'compareSwap': {
        const { view, at } = place(operation)
        const was = load(view, at, operation.bytes)
        const bits = operation.bytes * 8
        const isExpected = was === BigInt.asUintN(bits, number(operation.expected))
        if (isExpected) store(view, at, operation.bytes, number(operation.value))
        return was
      }
      case 'row':
        return this.#row(operation.table, number(operation.index))
      case 'header':
        return this.#header(number(operation.offset), operation.bytes)
      case 'local':
        return this.#locals.get(operation.name)!
      case 'intrinsic':
        return this.#intrinsic(operation.name, operation.arguments.map(number))
      case 'call':
        return this.#call(this.#functions.get(operation.name)!, operation.arguments.map(read))
      default:
        return 0n
    }
  }

  #row(name: string, index: bigint): Value {
    const { memory } = this.#tables.get(name)!
    const room = this.#rowBytes.get(name)!
    if (index >= BigInt(memory.capacity)) return 0n
    return { bytes: memory.bytes, at: memory.base + Number(index) * room, room }
  }

  #header(offset: bigint, bytes: number): Value {
    const packet = this.#packet
    if (offset + BigInt(bytes) > BigInt(packet.length)) return 0n
    return { bytes: packet.bytes, at: packet.start + Number(offset), room: bytes }
  }

  #intrinsic(name: string, [first, second]: readonly bigint[]): bigint {
    const packet = this.#packet
    switch (name) {
      case 'packet.length':
      case 'packet.ingress':
      case 'packet.segmentSize':
        return BigInt(packet[name.slice(7) as 'length' | 'ingress' | 'segmentSize'])
      case 'packet.hasPartialChecksum':
        return bit(packet.hasPartialChecksum)
      case 'packet.encapsulate':
        return bit(packet.encapsulate(Number(S64(first!)), Number(second!)))
      case 'packet.decapsulate':
        return bit(packet.decapsulate(Number(S64(first!)), Number(second!)))
      case 'packet.adjustTail':
        return bit(packet.adjustTail(Number(S64(first!))))
      case 'packet.askChecksum':
        return 1n
      case 'packet.makeReadable':
        return bit(packet.makeReadable())
      case 'now':
        return BigInt(now())
      case 'random':
        return BigInt(random())
      default:
        throw new Error(`no engine provides ${name}`)
    }
  }
}

function load(view: DataView, at: number, bytes: number): bigint {
  if (bytes === 8) return view.getBigUint64(at, true)
  if (bytes === 4) return BigInt(view.getUint32(at, true))
  return BigInt(bytes === 2 ? view.getUint16(at, true) : view.getUint8(at))
}

function store(view: DataView, at: number, bytes: number, value: bigint): void {
  if (bytes === 8) view.setBigUint64(at, U64(value), true)
  else if (bytes === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), true)
  else if (bytes === 2) view.setUint16(at, Number(BigInt.asUintN(16, value)), true)
  else view.setUint8(at, Number(BigInt.asUintN(8, value)))
}

function swap(value: bigint, bytes: number): bigint {
  let swapped = 0n
  for (let i = 0; i < bytes; i++) swapped = (swapped << 8n) | ((value >> BigInt(8 * i)) & 0xffn)
  return swapped
}

function compute({ operator, width }: Operation & { op: 'alu' }, a: bigint, b: bigint): bigint {
  const bits = BigInt(width)
  const [x, y] = [BigInt.asUintN(width, a), BigInt.asUintN(width, b)]
  const shift = y & (bits - 1n)
  const results = {
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
  return BigInt.asUintN(width, results[operator]())
}

function isTrue(test: Test, width: 32 | 64, left: Value, right: Value): boolean {
  if (typeof left === 'object' || typeof right === 'object') {
    assert(test === 'equal' || test === 'unequal', 'pointers are only compared with null')
    assert(left === 0n || right === 0n, 'pointers are only compared with null')
    return test === 'unequal'
  }
  const [a, b] = [BigInt.asUintN(width, left), BigInt.asUintN(width, right)]
  const [s, t] = [BigInt.asIntN(width, left), BigInt.asIntN(width, right)]
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
