/**
 * The shape of instructions: two operands, of which the first is the result; constants of 32 bits; arguments and
 * results where the kernel's calling convention wants them.
 *
 * Registers 0 … 10 of the result are the machine's own, all others still virtual.
 */
import { isConstant } from '../ir/arithmetic.ts'
import { toBlocks, type Block, type End } from '../ir/graph.ts'
import {
  immediate,
  register,
  type IrFunction,
  type Located,
  type Operand,
  type Operation,
  type Register,
} from '../ir/ir.ts'
import { rename } from '../ir/rename.ts'

/** r0 … r10 */
export const MACHINE_REGISTERS = 11
export const FRAME_POINTER = 10

export interface MachineFunction {
  readonly name: string
  readonly blocks: Block[]
  registerCount: number
}

export function toMachine(body: IrFunction): MachineFunction {
  return new Legalisation(body).run()
}

type Straight = Block['operations'][number]

class Legalisation {
  readonly #body: IrFunction
  #count: number
  #code: Straight[] = []
  #origin: Located['origin']

  constructor(body: IrFunction) {
    this.#body = body
    this.#count = body.registerCount + MACHINE_REGISTERS
  }

  run(): MachineFunction {
    const virtual = (one: Register) => register(one.number + MACHINE_REGISTERS)
    const operations = this.#body.operations.map((one) => rename(one, virtual, (label) => label))
    const blocks = toBlocks({ ...this.#body, operations })
    const parameters = this.#body.parameters.map(({ register: to }, i): Straight => {
      return { op: 'move', to: virtual(to), from: register(1 + i) }
    })
    const legal = blocks.map((block, i): Block => {
      this.#code = i === 0 ? parameters : []
      for (const operation of block.operations) {
        this.#origin = operation.origin
        this.#write(operation)
      }
      this.#origin = block.end.origin
      return { label: block.label, end: this.#end(block.end), operations: this.#code }
    })
    return { name: this.#body.name, blocks: legal, registerCount: this.#count }
  }

  #add(operation: Straight): void {
    this.#code.push(this.#origin === undefined ? operation : { ...operation, origin: this.#origin })
  }

  #move(to: Register, from: Operand): void {
    this.#add({ op: 'move', to, from })
  }

  #fresh(): Register {
    return register(this.#count++)
  }

  #inRegister(operand: Operand): Register {
    if (operand.kind === 'register') return operand
    const to = this.#fresh()
    this.#move(to, operand)
    return to
  }

  /** An instruction's constant has 32 bits; where the operation has more, its sign is extended. */
  #short(operand: Operand, bits: number): Operand {
    if (operand.kind === 'register' || !isConstant(operand)) return operand
    const { value } = operand
    if (value >= -0x80000000 && value <= 0x7fffffff) return operand
    if (bits <= 32) return immediate(Number(BigInt.asIntN(32, BigInt(value))))
    return this.#inRegister(operand)
  }

  #end(end: End): End {
    if (end.op === 'branch') return { ...end, right: this.#short(end.right, end.width) }
    if (end.op !== 'return') return end
    this.#move(register(0), end.value)
    return { ...end, value: register(0) }
  }

  #write(operation: Straight): void {
    switch (operation.op) {
      case 'alu':
        return this.#alu(operation)
      case 'swap':
        this.#move(operation.to, operation.from)
        return this.#add({ ...operation, from: operation.to })
      case 'store':
        return this.#add({ ...operation, value: this.#short(operation.value, 8 * operation.bytes) })
      case 'atomicAdd':
        return this.#atomicAdd(operation)
      case 'compareSwap': {
        const value = this.#inRegister(operation.value)
        this.#move(register(0), operation.expected)
        this.#add({ ...operation, value, expected: register(0), to: register(0) })
        return this.#move(operation.to, register(0))
      }
      case 'call':
      case 'helper':
        return this.#call(operation)
      case 'loop':
        return
      default:
        this.#add(operation)
    }
  }

  #alu(alu: Straight & { op: 'alu' }): void {
    const { to, operator, width } = alu
    let { left, right } = alu
    const isCommutative = ['add', 'multiply', 'and', 'or', 'xor'].includes(operator)
    if (isCommutative && (left.kind === 'immediate' || isSame(right, to))) {
      ;[left, right] = [right, left]
    }
    right = this.#short(right, width)
    if (isSame(right, to) && !isSame(left, to)) {
      const aside = this.#fresh()
      this.#move(aside, right)
      right = aside
    }
    if (!isSame(left, to)) this.#move(to, left)
    this.#add({ ...alu, left: to, right })
  }

  #atomicAdd(operation: Straight & { op: 'atomicAdd' }): void {
    const { to, value } = operation
    if (to === undefined) return this.#add({ ...operation, value: this.#inRegister(value) })
    // What was there before comes into the register that held what is added.
    this.#move(to, value)
    this.#add({ ...operation, value: to })
  }

  #call(operation: Straight & { op: 'call' | 'helper' }): void {
    const values = operation.arguments.map((value, i) => {
      this.#move(register(1 + i), value)
      return register(1 + i)
    })
    this.#add({ ...operation, arguments: values, to: register(0) } as Straight)
    if (operation.to !== undefined) this.#move(operation.to, register(0))
  }
}

function isSame(a: Operand, b: Operand): boolean {
  return a.kind === 'register' && b.kind === 'register' && a.number === b.number
}

/** The registers an operation writes beside its result: what a call leaves undefined. */
export function isCall(operation: Operation): boolean {
  return operation.op === 'call' || operation.op === 'helper'
}
