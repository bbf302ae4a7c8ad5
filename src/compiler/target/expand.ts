/**
 * From what the language says to what the kernel offers: rows, headers, structs of the program's own and intrinsics
 * become addresses, checks, helpers and fields of the context.
 *
 * Every function gets, as far as it needs them, the context and the area as its first parameters; arguments for which
 * the five registers do not suffice go through the area. What stays are operations that are instructions, but for
 * registers.
 *
 *   row i of T      if i >= capacity of T goto none; address of T + i * bytes
 *   frame[o, n]     if o > 0xf000 goto none; data + o; if that + n > data_end goto none
 */
import { assert } from '../../base/assert.ts'
import { isConstant, isNumber } from '../ir/arithmetic.ts'
import { AREA_MAP, argumentPlace, layOutArea, REASON, SEED, TICKS, type Area } from './area.ts'
import { placeArguments } from './calls.ts'
import { putLast } from '../ir/anew.ts'
import { Code } from '../lower/code.ts'
import { fromBlocks, toBlocks } from '../ir/graph.ts'
import {
  immediate,
  type IrFunction,
  type IrProgram,
  type IrTable,
  type Label,
  type Located,
  type Operand,
  type Operation,
  type Parameter,
  type Register,
} from '../ir/ir.ts'
import { forgetInLoops } from '../optimise/forget.ts'
import { needsOf, type Needs } from './needs.ts'
import { rename } from '../ir/rename.ts'
import { Helper } from './kernel-helper.ts'
import { capacityOf, CLOCK_MULTIPLIER, CLOCK_SHIFT, CPUS } from './symbols.ts'
import type { Target } from './target.ts'
import { Unfit } from './unfit.ts'

/**
 * No header begins behind this byte. The verifier wants offset and size together below 0xffff; one bound for all sizes,
 * since addresses that were checked once may be checked again for more bytes.
 */
const HEADER_OFFSET_MAX = 0xf000

/** The first function becomes the one the kernel calls: it gets the context, and returns what is to be done. */
export function expandProgram(program: IrProgram, target: Target): IrProgram {
  const area = layOutArea(program)
  const needs = needsOf(program)
  const tables = new Map(program.tables.map((one) => [one.name, one]))
  const signatures = new Map(program.functions.map((one) => [one.name, one]))
  const least = new Map<string, number>()
  const functions = program.functions.map((body, i) =>
    new Expansion(body, i === 0, { area, needs, tables, least, signatures, target }).run(),
  )
  const known = program.tables.map((one) => ({ ...one, leastRows: least.get(one.name) ?? 1 }))
  return { ...program, functions, tables: known }
}

interface Surroundings {
  readonly area: Area
  readonly needs: ReadonlyMap<string, Needs>
  readonly tables: ReadonlyMap<string, IrTable>
  /** How many of each table's must be there; grows. */
  readonly least: Map<string, number>
  readonly signatures: ReadonlyMap<string, IrFunction>
  readonly target: Target
}

/** What an attachment's own expansions write with; see target.ts. */
export interface Writer {
  readonly code: Code
  readonly context: Register
  readonly area: Register
  /** Does anything in the program use that? */
  wants(intrinsic: string): boolean
  /** The address of `bytes` bytes at `offset` of the frame; goes to `none` where it ends before. */
  frame(offset: Operand, bytes: number, none: Label): Register
}

class Expansion implements Writer {
  readonly code = new Code('^')
  readonly #body: IrFunction
  readonly #isEntry: boolean
  readonly #around: Surroundings
  /** Before what begins anew, the area is found where it is wanted, and the time asked there: mostly it is not. */
  #isShort = false
  #context: Register | undefined
  #area: Register | undefined

  constructor(body: IrFunction, isEntry: boolean, around: Surroundings) {
    this.#body = body
    this.#isEntry = isEntry
    this.#around = around
  }

  get context(): Register {
    assert(this.#context !== undefined, `${this.#body.name} has the context`)
    return this.#context
  }

  wants(intrinsic: string): boolean {
    return [...this.#around.signatures.values()].some(({ operations }) =>
      operations.some((one) => one.op === 'intrinsic' && one.name === intrinsic),
    )
  }

  get area(): Register {
    if (this.#isShort) return this.#findArea()
    assert(this.#area !== undefined, `${this.#body.name} has the area`)
    return this.#area
  }

  run(): IrFunction {
    const { code } = this
    const operations = fromBlocks(putLast(toBlocks(this.#body)))
    const own = Array.from({ length: this.#body.registerCount }, () => code.register())
    const parameters = this.#isEntry ? this.#enterProgram() : this.#enter(own)
    const renamed = operations.map((one) =>
      rename(
        one,
        (register) => own[register.number]!,
        (label) => label,
      ),
    )
    for (let i = 0; i < renamed.length; i++) {
      const operation = renamed[i]!
      code.moveTo(operation.origin)
      if (operation.op !== 'row' && operation.op !== 'header') this.#expand(operation)
      else if (this.#point(operation, renamed[i + 1])) i++
    }
    const finished = code.finish(this.#body, parameters)
    return this.#area === undefined ? finished : forgetInLoops(finished, this.#area)
  }

  /** What the kernel calls: finds this CPU's area and asks the time. */
  #enterProgram(): Parameter[] {
    const { code } = this
    const { target, needs } = this.#around
    if (this.#body.parameters.length > 0) {
      const message = 'the function a program begins with takes nothing but the packet'
      throw new Unfit(this.#body.origin, message, '(packet: Packet)')
    }
    this.#context = code.register()
    const parameters: Parameter[] = [{ register: this.#context, bytes: 0 }]
    const needsArea = needs.get(this.#body.name)!.area
    this.#isShort = needsArea && this.#body.operations.some(({ op }) => op === 'anew')
    if (needsArea && !this.#isShort) this.#enterArea()
    target.enter?.(this)
    return parameters
  }

  #enterArea(): void {
    const { target } = this.#around
    this.#isShort = false
    this.#area = this.#findArea()
    if (target.clock !== 'jiffies' || !this.wants('now')) return
    const value = this.#readClock()
    this.code.add({ op: 'store', bytes: 4, base: this.#area, offset: TICKS, value })
  }

  #findArea(): Register {
    const { code } = this
    const { target, area } = this.#around
    const cpu = code.register()
    code.add({ op: 'helper', helper: Helper.processor, arguments: [], to: cpu })
    const [known, unknown] = [code.label('known'), code.label('unknown')]
    const right = { ...immediate(1), symbol: CPUS }
    code.add({ op: 'branch', test: 'less', width: 64, left: cpu, right, label: known })
    code.mark(unknown)
    code.add({ op: 'return', value: immediate(target.pass) })
    code.mark(known)
    const offset = this.#alu('shl', cpu, immediate(Math.log2(area.stride)))
    return this.#alu('add', this.#address(AREA_MAP, 0), offset)
  }

  /** Ticks from jiffies, whatever the kernel's HZ: times a multiplier, shifted. */
  #readClock(): Register {
    const { code } = this
    const jiffies = code.register()
    code.add({ op: 'helper', helper: Helper.jiffies, arguments: [], to: jiffies })
    const scaled = this.#alu('multiply', jiffies, { ...immediate(1), symbol: CLOCK_MULTIPLIER })
    return this.#alu('shr', scaled, { ...immediate(1), symbol: CLOCK_SHIFT })
  }

  /** A function of ours: its pointers may be null, says the verifier. */
  #enter(own: readonly Register[]): Parameter[] {
    const { code } = this
    const { context, area } = this.#around.needs.get(this.#body.name)!
    const parameters: Parameter[] = []
    if (context) parameters.push({ register: (this.#context = code.register()), bytes: 0 })
    if (area) {
      const bytes = this.#around.area.stride
      parameters.push({ register: (this.#area = code.register()), bytes })
    }
    const placed = placeArguments(this.#body, parameters.length)
    for (const one of placed.inRegisters) {
      const parameter = this.#body.parameters[one]!
      parameters.push({ ...parameter, register: own[parameter.register.number]! })
    }
    for (const { register, bytes, isNullable } of parameters) {
      if (bytes === undefined || bytes === 0 || isNullable === true) continue
      const there = code.label('there')
      const right = immediate(0)
      code.add({ op: 'branch', test: 'unequal', width: 64, left: register, right, label: there })
      code.add({ op: 'return', value: immediate(0) })
      code.mark(there)
    }
    placed.inArea.forEach((one, i) => {
      const to = own[this.#body.parameters[one]!.register.number]!
      code.add({ op: 'load', bytes: 8, to, base: this.area, offset: argumentPlace(i) })
    })
    return parameters
  }

  #alu(operator: 'add' | 'shl' | 'shr' | 'multiply' | 'xor', left: Operand, right: Operand) {
    const to = this.code.register()
    this.code.add({ op: 'alu', operator, width: 64, to, left, right })
    return to
  }

  #address(map: string, offset: number): Register {
    const to = this.code.register()
    this.code.add({ op: 'address', to, map, offset })
    return to
  }

  /** A row or a header; was `next` the question whether there is one, and is answered? */
  #point(operation: Operation & { op: 'row' | 'header' }, next: Operation | undefined): boolean {
    const { code } = this
    const { to } = operation
    code.add({ op: 'move', to, from: immediate(0) })
    const isAsked =
      next?.op === 'branch' && next.left.number === to.number && isNumber(next.right, 0)
    const question =
      isAsked && (next.test === 'equal' || next.test === 'unequal') ? next : undefined
    const none = question?.test === 'equal' ? question.label : code.label('none')
    const found =
      operation.op === 'row'
        ? this.#row(operation.table, operation.index, none)
        : this.frame(operation.offset, operation.bytes, none)
    code.add({ op: 'move', to, from: found })
    if (question?.test === 'unequal') code.jump(question.label)
    if (question?.test !== 'equal') code.mark(none)
    return question !== undefined
  }

  #row(table: string, index: Operand, none: Label): Register {
    const { code } = this
    const known = this.#around.tables.get(table)
    assert(known !== undefined, `there is a table ${table}`)
    const { rowBytes, rows = 1 } = known
    if (isConstant(index)) {
      const { value } = index
      if (value >= 0 && value < rows) {
        // Taken for granted: whoever loads the program sees to it.
        const { least } = this.#around
        least.set(table, Math.max(least.get(table) ?? 1, value + 1))
        return this.#address(table, value * rowBytes)
      }
      return this.#row(table, code.copy(index), none)
    }
    assert(index.kind === 'register', 'no index is a symbol')
    const right = { ...immediate(1), symbol: capacityOf(table) }
    const label = none
    code.add({ op: 'branch', test: 'greaterOrEqual', width: 64, left: index, right, label })
    const offset = this.#scaled(index, rowBytes, table)
    return this.#alu('add', this.#address(table, 0), offset)
  }

  /** The verifier knows its bound only if it is reckoned behind the comparison with this table's rows. */
  #scaled(index: Register, rowBytes: number, table: string): Register {
    if (rowBytes === 1) return index
    const { code } = this
    const to = code.register()
    const below = capacityOf(table)
    const right = immediate(rowBytes)
    code.add({ op: 'alu', operator: 'multiply', width: 64, to, left: index, right, below })
    return to
  }

  frame(offset: Operand, bytes: number, none: Label): Register {
    const { code } = this
    const { data, dataEnd } = this.#around.target
    const most = HEADER_OFFSET_MAX
    if (offset.kind === 'immediate' && (offset.value < 0 || offset.value > most)) {
      code.jump(none)
      return code.copy(immediate(0))
    }
    if (offset.kind === 'register') {
      const right = immediate(most)
      code.add({ op: 'branch', test: 'greater', width: 64, left: offset, right, label: none })
    }
    const [first, end] = [code.register(), code.register()]
    code.add({ op: 'context', bytes: 4, to: first, context: this.context, offset: data })
    code.add({ op: 'context', bytes: 4, to: end, context: this.context, offset: dataEnd })
    const at = this.#alu('add', first, offset)
    const behind =
      offset.kind === 'immediate'
        ? this.#alu('add', first, immediate(offset.value + bytes))
        : this.#alu('add', at, immediate(bytes))
    code.add({ op: 'branch', test: 'greater', width: 64, left: behind, right: end, label: none })
    return at
  }

  #expand(operation: Located): void {
    const { code } = this
    switch (operation.op) {
      case 'local': {
        const place = this.#around.area.places.get(operation.name)!
        const from = this.area
        const right = immediate(place)
        const { to } = operation
        code.add({ op: 'alu', operator: 'add', width: 64, to, left: from, right })
        return
      }
      case 'intrinsic':
        return this.#intrinsic(operation)
      case 'call':
        return this.#call(operation)
      case 'anew':
        code.add(operation)
        if (this.#isShort) this.#enterArea()
        return
      default:
        code.add(operation)
    }
  }

  #call({ name, arguments: values, to }: Operation & { op: 'call' }): void {
    const { context, area } = this.#around.needs.get(name)!
    const first: Operand[] = []
    if (context) first.push(this.context)
    if (area) first.push(this.area)
    const placed = placeArguments(this.#around.signatures.get(name)!, first.length)
    placed.inArea.forEach((one, i) => {
      const value = values[one]!
      this.code.add({ op: 'store', bytes: 8, base: this.area, offset: argumentPlace(i), value })
    })
    const inRegisters = [...first, ...placed.inRegisters.map((one) => values[one]!)]
    this.code.add({ op: 'call', name, arguments: inRegisters, to })
  }

  #intrinsic({ name, arguments: values, to }: Operation & { op: 'intrinsic' }): void {
    const { code } = this
    const result = to ?? code.register()
    const give = (from: Operand) => code.add({ op: 'move', to: result, from })
    switch (name) {
      case 'now':
        if (this.#isShort && this.#around.target.clock === 'jiffies') return give(this.#readClock())
        code.add({ op: 'load', bytes: 4, to: result, base: this.area, offset: TICKS })
        return
      case 'random':
        return give(this.#random())
      case 'noteReason':
        if (this.#around.target.clock !== 'set') return
        code.add({ op: 'store', bytes: 4, base: this.area, offset: REASON, value: values[0]! })
        return
      default:
        return give(this.#around.target.expand(this, name, values))
    }
  }

  /** xorshift32, as src/subset/clock.ts has it. */
  #random(): Register {
    const { code } = this
    let x = code.register()
    code.add({ op: 'load', bytes: 4, to: x, base: this.area, offset: SEED })
    for (const [operator, count] of [
      ['shl', 13],
      ['shr', 17],
      ['shl', 5],
    ] as const) {
      const shifted = code.register()
      const right = immediate(count)
      code.add({ op: 'alu', operator, width: 32, to: shifted, left: x, right })
      const next = code.register()
      code.add({ op: 'alu', operator: 'xor', width: 32, to: next, left: x, right: shifted })
      x = next
    }
    code.add({ op: 'store', bytes: 4, base: this.area, offset: SEED, value: x })
    return x
  }
}
