/**
 * Instructions (src/bpf/) from the intermediate form over machine registers: one for one, function behind function.
 *
 * What is not known before the program is loaded stands aside: `patches` says which instructions hold a symbol's
 * number, maps are named by their place in `maps`, and `lines` where in the source each instruction comes from.
 */
import { assert } from '../../base/assert.ts'
import * as bpf from '../../bpf/instruction.ts'
import type { Instruction } from '../../bpf/instruction.ts'
import { AREA_MAP } from '../target/area.ts'
import { isConstant } from '../ir/arithmetic.ts'
import type {
  Immediate,
  IrFunction,
  IrProgram,
  Located,
  Operand,
  Origin,
  Register,
} from '../ir/ir.ts'
import { CPUS, tableOf } from '../target/symbols.ts'

export interface Emitted {
  readonly instructions: readonly Instruction[]
  /** By the instruction's place in the list. */
  readonly patches: ReadonlyMap<number, string>
  readonly origins: ReadonlyMap<number, Origin>
  /** Where each function begins. */
  readonly functions: readonly EmittedFunction[]
  /** Tables and the area, in the order in which instructions name them. */
  readonly maps: readonly string[]
}

export interface EmittedFunction {
  readonly name: string
  readonly first: number
  /** Of each parameter: bytes behind it if it is a pointer, 0 for the context. */
  readonly parameters: readonly (number | undefined)[]
}

export function emit(program: IrProgram): Emitted {
  return new Emission(program).run()
}

class Emission {
  readonly #program: IrProgram
  readonly #code: Instruction[] = []
  readonly #patches = new Map<number, string>()
  readonly #origins = new Map<number, Origin>()
  readonly #functions: EmittedFunction[] = []
  readonly #maps: string[] = []
  #name = ''

  constructor(program: IrProgram) {
    this.#program = program
  }

  run(): Emitted {
    for (const body of this.#program.functions) this.#function(body)
    // Whoever asks how many rows there are asks for the map, also where no row is used in the end.
    for (const symbol of this.#patches.values()) {
      const map = symbol === CPUS ? AREA_MAP : tableOf(symbol)
      if (map !== undefined) this.#mapOf(map)
    }
    return {
      instructions: this.#code,
      patches: this.#patches,
      origins: this.#origins,
      functions: this.#functions,
      maps: this.#maps,
    }
  }

  #function({ name, parameters, operations }: IrFunction): void {
    this.#name = name
    this.#code.push(bpf.label(name))
    const first = this.#code.length
    this.#functions.push({ name, first, parameters: parameters.map(({ bytes }) => bytes) })
    for (const operation of operations) {
      const before = this.#code.length
      this.#write(operation)
      const { origin } = operation
      if (origin === undefined) continue
      for (let i = before; i < this.#code.length; i++) this.#origins.set(i, origin)
    }
  }

  #push(instruction: Instruction, ...operands: readonly Operand[]): void {
    for (const one of operands) {
      if (one.kind === 'immediate' && one.symbol !== undefined) {
        this.#patches.set(this.#code.length, one.symbol)
      }
    }
    this.#code.push(instruction)
  }

  #place(label: string): string {
    return `${this.#name} ${label}`
  }

  #mapOf(name: string): number {
    const known = this.#maps.indexOf(name)
    return known >= 0 ? known : this.#maps.push(name) - 1
  }

  #write(operation: Located): void {
    switch (operation.op) {
      case 'move':
        return this.#move(operation.to, operation.from)
      case 'alu': {
        const { operator, width, to, right } = operation
        return this.#push(bpf.alu(width, operator, reg(to), operandOf(right)), right)
      }
      case 'swap':
        return this.#push(bpf.bigEndian(reg(operation.to), operation.bits))
      case 'load': {
        const { to, bytes, base, offset } = operation
        return this.#push(bpf.load(reg(to), bpf.memory(bytes, reg(base), offset)))
      }
      case 'context': {
        const { to, bytes, context, offset } = operation
        return this.#push(bpf.load(reg(to), bpf.memory(bytes, reg(context), offset)))
      }
      case 'store': {
        const { bytes, base, offset, value } = operation
        const to = bpf.memory(bytes, reg(base), offset)
        return this.#push(bpf.store(to, operandOf(value)), value)
      }
      case 'spill':
        return this.#push(bpf.store(slot(operation.slot), reg(operation.from)))
      case 'fill':
        return this.#push(bpf.load(reg(operation.to), slot(operation.slot)))
      default:
        return this.#writeRest(operation)
    }
  }

  #writeRest(operation: Located): void {
    switch (operation.op) {
      case 'atomicAdd': {
        const { bytes, base, offset, value, to } = operation
        assert(value.kind === 'register', 'what is added stands in a register')
        const at = bpf.memory(bytes, reg(base), offset)
        return this.#push(bpf.atomic('add', at, reg(value), to !== undefined))
      }
      case 'compareSwap': {
        const { bytes, base, offset, value } = operation
        assert(value.kind === 'register', 'what is put there stands in a register')
        return this.#push(bpf.compareExchange(bpf.memory(bytes, reg(base), offset), reg(value)))
      }
      case 'address': {
        const { to, map, offset } = operation
        return this.#push(bpf.mapValue(reg(to), 'index', this.#mapOf(map), offset))
      }
      case 'helper':
        return this.#push(bpf.call(operation.helper))
      case 'call':
        return this.#push(bpf.callFunction(operation.name))
      case 'label':
        return this.#push(bpf.label(this.#place(operation.label)))
      case 'jump':
        return this.#push(bpf.jump(this.#place(operation.label)))
      case 'branch': {
        const { width, test, left, right, label } = operation
        const branch = width === 32 ? bpf.branch32 : bpf.branch
        const to = this.#place(label)
        return this.#push(branch(reg(left), test, operandOf(right), to), right)
      }
      case 'return':
        return this.#push(bpf.exit())
      case 'anew':
        return
      default:
        throw new Error(`${operation.op} is no instruction`)
    }
  }

  #move(to: Register, from: Operand): void {
    if (from.kind === 'register') return this.#push(bpf.move(reg(to), reg(from)))
    this.#push(constantTo(to, from), from)
  }
}

/** The shortest instruction that puts the constant there. */
function constantTo(to: Register, from: Immediate): Instruction {
  const { value } = from
  if (!isConstant(from)) return bpf.move32(reg(to), value)
  if (value >= 0 && value <= 0xffffffff) return bpf.move32(reg(to), value | 0)
  if (value >= -0x80000000 && value < 0) return bpf.move(reg(to), value)
  return bpf.constant64(reg(to), value)
}

function reg(one: Register): bpf.Register {
  const found = bpf.REGISTERS[one.number]
  assert(found !== undefined, `r${one.number} is a machine's register`)
  return found
}

function operandOf(operand: Operand): bpf.Operand {
  return operand.kind === 'register' ? reg(operand) : operand.value
}

function slot(number: number): bpf.Memory {
  return bpf.memory(8, bpf.r10, -8 * (number + 1))
}
