/**
 * Lowering of expressions: what a value is in registers, and how a condition branches.
 *
 * A number is a 64-bit integer with JavaScript's value. Bit operations work on 32 bits, as JavaScript's do, and leave
 * the upper half zero: where that differs from JavaScript, which would come out negative, the check has seen to it that
 * only further bit operations look (range.ts, `isRaw`).
 */
import { assert } from '../../base/assert.ts'
import type { CheckedFunction } from '../language/check.ts'
import type { Code } from './code.ts'
import { immediate, type Label, type Operand, type Register, type Test } from '../ir/ir.ts'
import { placeOf, sizeOf } from '../language/layout.ts'
import {
  RUNTIME_FOLDER,
  type Entity,
  type Program,
  type Struct,
  type Type,
} from '../language/program.ts'
import { isWithin, U32, type Range } from '../language/range.ts'
import { lowerRuntimeCall } from './lower-runtime.ts'
import type * as tree from '../language/tree.ts'
import { Unfit } from '../target/unfit.ts'

/** What the lowering of a value asks of the function around it. */
export interface Frame {
  readonly code: Code
  readonly program: Program
  readonly checked: CheckedFunction
  /** The register of a parameter, let or const; undefined: no local of that name. */
  findLocal(name: string): Operand | undefined
  /** What a field of a struct always is, if that is settled. */
  settledField(struct: Struct, field: string): number | undefined
  /** Calls a function of the program; its result, if it has one. */
  call(
    callee: Entity & { readonly kind: 'function' },
    values: readonly Operand[],
  ): Operand | undefined
}

const COMPARE: Readonly<Record<tree.CompareOperator, readonly [Test, Test]>> = {
  '===': ['equal', 'equal'],
  '!==': ['unequal', 'unequal'],
  '<': ['less', 'signedLess'],
  '<=': ['lessOrEqual', 'signedLessOrEqual'],
  '>': ['greater', 'signedGreater'],
  '>=': ['greaterOrEqual', 'signedGreaterOrEqual'],
}

const INT31_MAX = 0x7fffffff

export class ValueLowering {
  readonly #frame: Frame

  constructor(frame: Frame) {
    this.#frame = frame
  }

  /** The value of an expression that has one. */
  value(expression: tree.Expression): Operand {
    const value = this.#lower(expression)
    assert(value !== undefined, 'an expression has a value')
    return value
  }

  /** A call whose result nobody wants. */
  evaluate(expression: tree.Expression): void {
    this.#lower(expression)
  }

  #lower(expression: tree.Expression): Operand | undefined {
    switch (expression.kind) {
      case 'number':
        return immediate(expression.value)
      case 'boolean':
        return immediate(expression.value ? 1 : 0)
      case 'null':
        return immediate(0)
      case 'name':
        return this.#frame.findLocal(expression.name) ?? this.#constant(expression)
      case 'member':
        return this.#member(expression)
      case 'call':
        return this.#call(expression)
      case 'unary':
        return expression.operator === '!' ? this.#truth(expression) : this.#unary(expression)
      case 'binary':
        return this.#binary(expression)
      case 'conditional':
        return this.#conditional(expression)
      default:
        throw new Error(`the check lets no ${expression.kind} through`)
    }
  }

  #typeOf(expression: tree.Expression): Type {
    const type = this.#frame.checked.types.get(expression)
    assert(type !== undefined, 'the check has typed every expression')
    return type
  }

  #rangeOf(expression: tree.Expression): Range | undefined {
    const type = this.#typeOf(expression)
    return type.kind === 'number' ? type.range : undefined
  }

  #entityOf(expression: tree.Expression): Entity | undefined {
    const { program, checked } = this.#frame
    const isLocal = expression.kind === 'name' && this.#frame.findLocal(expression.name)
    return isLocal ? undefined : program.entityOf(checked.file, expression)
  }

  /** A constant of a top level: a number, a boolean, or a struct of the program's own. */
  #constant(expression: tree.Expression): Operand {
    const { program, checked, code } = this.#frame
    const entity = this.#entityOf(expression)
    if (entity?.kind === 'value' && entity.local !== undefined) {
      const to = code.register()
      code.add({ op: 'local', to, name: entity.local })
      return to
    }
    const number = program.evaluate(checked.file, expression)
    if (number !== undefined) return immediate(number)
    const truth = entity?.kind === 'value' ? entity.truth : undefined
    if (truth === undefined) {
      const { start, end } = expression
      const message = 'a constant that only running the file could tell'
      const instead = 'a number, or arithmetic of numbers, at the top level'
      throw new Unfit({ file: checked.file.path, start, end }, message, instead)
    }
    return immediate(truth ? 1 : 0)
  }

  #member(member: tree.Member): Operand {
    const { code } = this.#frame
    if (this.#entityOf(member) !== undefined) return this.#constant(member)
    const owner = this.#typeOf(member.object)
    if (owner.kind === 'packet') {
      const to = code.register()
      code.add({ op: 'intrinsic', name: `packet.${member.name}`, arguments: [], to })
      return to
    }
    assert(owner.kind === 'view', 'a member is of a packet or a view')
    const settled = this.#frame.settledField(owner.struct, member.name)
    if (settled !== undefined) return immediate(settled)
    const base = code.inRegister(this.value(member.object))
    return this.#load(base, owner.struct, member.name)
  }

  #load(base: Register, struct: Struct, field: string): Register {
    const { code } = this.#frame
    const { offset, bytes } = placeOf(struct, field)
    const raw = code.register()
    code.add({ op: 'load', bytes, to: raw, base, offset })
    if (!struct.isHeader || bytes === 1) return raw
    const to = code.register()
    code.add({ op: 'swap', bits: swapBits(bytes), to, from: raw })
    return to
  }

  /** `view.field = value` */
  store(target: tree.Member, value: Operand): void {
    const { code } = this.#frame
    const owner = this.#typeOf(target.object)
    assert(owner.kind === 'view', 'only fields of views are assigned to')
    if (this.#frame.settledField(owner.struct, target.name) !== undefined) return
    const base = code.inRegister(this.value(target.object))
    const { offset, bytes } = placeOf(owner.struct, target.name)
    let stored = value
    if (owner.struct.isHeader && bytes > 1) {
      stored = code.register()
      code.add({ op: 'swap', bits: swapBits(bytes), to: stored, from: value })
    }
    code.add({ op: 'store', bytes, base, offset, value: stored })
  }

  #call(call: tree.Call): Operand | undefined {
    const { callee } = call
    const entity = this.#entityOf(callee)
    if (entity?.kind === 'function') {
      const isRuntime = entity.file.path.startsWith(RUNTIME_FOLDER)
      const values = this.#values(call, entity)
      if (!isRuntime) return this.#frame.call(entity, values)
      const [first] = call.arguments
      const range = first === undefined ? undefined : this.#rangeOf(first)
      return lowerRuntimeCall(this.#frame.code, entity.declared.name, values, range)
    }
    assert(callee.kind === 'member', 'a call is of a function, a cursor, a view or the packet')
    const cursor = this.#entityOf(callee.object)
    if (cursor?.kind === 'cursor') return this.#point(call, cursor)
    const owner = this.#typeOf(callee.object)
    if (owner.kind === 'packet') return this.#packetMethod(call, callee.name)
    assert(owner.kind === 'view', 'a method is of a view')
    return this.#viewMethod(call, callee, owner.struct)
  }

  /** Arguments, without the packet: there is only one. */
  #values(call: tree.Call, { declared }: Entity & { kind: 'function' }): Operand[] {
    return call.arguments.flatMap((argument, i) =>
      declared.parameters[i]?.type?.name === 'Packet' ? [] : [this.value(argument)],
    )
  }

  #point(call: tree.Call, { struct, table }: Entity & { kind: 'cursor' }): Register {
    const { code } = this.#frame
    const to = code.register()
    if (table === undefined) {
      const offset = this.value(call.arguments[1]!)
      code.add({ op: 'header', to, offset, bytes: sizeOf(struct) })
      return to
    }
    const index = this.value(call.arguments[0]!)
    code.add({ op: 'row', to, table, index })
    return to
  }

  #packetMethod(call: tree.Call, name: string): Register {
    const { code } = this.#frame
    const values = call.arguments.map((argument) => this.value(argument))
    const to = code.register()
    code.add({ op: 'intrinsic', name: `packet.${name}`, arguments: values, to })
    return to
  }

  /** `view.addField(n)`, `view.swapField(was, is)` */
  #viewMethod(call: tree.Call, callee: tree.Member, struct: Struct): Register {
    const { code } = this.#frame
    const [first, second] = call.arguments.map((argument) => this.value(argument))
    const base = code.inRegister(this.value(callee.object))
    const [, verb, title] = /^(add|swap)(\w+)$/.exec(callee.name)!
    const field = title![0]!.toLowerCase() + title!.slice(1)
    const { offset, bytes } = placeOf(struct, field)
    assert(bytes === 4 || bytes === 8, 'atomic fields have four or eight bytes')
    const to = code.register()
    if (verb === 'add') {
      code.add({ op: 'atomicAdd', bytes, base, offset, value: first!, to })
      return to
    }
    const expected = code.copy(first!)
    code.add({ op: 'compareSwap', bytes, base, offset, expected, value: second!, to })
    return code.truth((yes, no) => {
      code.add({ op: 'branch', test: 'equal', width: 32, left: to, right: expected, label: yes })
      code.jump(no)
    })
  }

  #unary({ operator, operand }: tree.Unary): Register {
    const { code } = this.#frame
    const value = this.value(operand)
    const to = code.register()
    if (operator === '-') {
      const zero = code.copy(immediate(0))
      code.add({ op: 'alu', operator: 'subtract', width: 64, to, left: zero, right: value })
    } else {
      const left = code.inRegister(value)
      code.add({ op: 'alu', operator: 'xor', width: 32, to, left, right: immediate(-1) })
    }
    return to
  }

  #binary(binary: tree.Binary): Operand {
    const { operator, left, right } = binary
    const [alu, width] = ALU[operator] ?? []
    if (alu === undefined || width === undefined) return this.#truth(binary)
    const { code } = this.#frame
    // A register may be a let's; nothing on the right can change it, for an expression assigns nothing.
    const a = this.value(left)
    const b = this.value(right)
    const to = code.register()
    code.add({ op: 'alu', operator: alu, width, to, left: a, right: b })
    return to
  }

  #conditional({ condition, whenTrue, whenFalse }: tree.Conditional): Register {
    const { code } = this.#frame
    const to = code.register()
    const [yes, no, end] = [code.label('then'), code.label('else'), code.label('end')]
    this.branch(condition, yes, no)
    code.mark(yes)
    code.add({ op: 'move', to, from: this.value(whenTrue) })
    code.jump(end)
    code.mark(no)
    code.add({ op: 'move', to, from: this.value(whenFalse) })
    code.mark(end)
    return to
  }

  #truth(expression: tree.Expression): Register {
    return this.#frame.code.truth((yes, no) => this.branch(expression, yes, no))
  }

  /** Goes to one label or the other. */
  branch(condition: tree.Expression, yes: Label, no: Label): void {
    const { code } = this.#frame
    if (condition.kind === 'boolean') return code.jump(condition.value ? yes : no)
    if (condition.kind === 'unary' && condition.operator === '!') {
      return this.branch(condition.operand, no, yes)
    }
    if (condition.kind === 'binary') {
      const { operator, left, right } = condition
      if (operator === '&&' || operator === '||') {
        const next = code.label(operator === '&&' ? 'and' : 'or')
        this.branch(left, operator === '&&' ? next : yes, operator === '&&' ? no : next)
        code.mark(next)
        return this.branch(right, yes, no)
      }
      if (operator in COMPARE) {
        this.#compare(operator as tree.CompareOperator, left, right, yes)
        return code.jump(no)
      }
    }
    const left = code.inRegister(this.value(condition))
    code.add({ op: 'branch', test: 'unequal', width: 64, left, right: immediate(0), label: yes })
    code.jump(no)
  }

  #compare(
    operator: tree.CompareOperator,
    leftSide: tree.Expression,
    rightSide: tree.Expression,
    label: Label,
  ): void {
    const { code } = this.#frame
    const ranges = [this.#rangeOf(leftSide), this.#rangeOf(rightSide)]
    const mayBeNegative = ranges.some((range) => range !== undefined && range.min < 0)
    const isSmall = ranges.every((range) => range !== undefined && isWithin(range, U32))
    const left = code.inRegister(this.value(leftSide))
    const right = this.value(rightSide)
    const isLarge = right.kind === 'immediate' && right.value > INT31_MAX
    // An instruction's 64-bit compare extends its constant's sign; a constant with bit 31 needs the 32-bit one.
    const width = isLarge && isSmall ? 32 : 64
    const operand = isLarge && !isSmall ? code.copy(right) : right
    const test = COMPARE[operator][mayBeNegative ? 1 : 0]
    code.add({ op: 'branch', test, width, left, right: operand, label })
  }
}

type Alu = readonly [
  'add' | 'subtract' | 'multiply' | 'modulo' | 'and' | 'or' | 'xor' | 'shl' | 'shr',
  32 | 64,
]
const ALU: Readonly<Partial<Record<tree.BinaryOperator, Alu>>> = {
  '+': ['add', 64],
  '-': ['subtract', 64],
  '*': ['multiply', 64],
  '%': ['modulo', 64],
  '&': ['and', 32],
  '|': ['or', 32],
  '^': ['xor', 32],
  '<<': ['shl', 32],
  '>>>': ['shr', 32],
}

function swapBits(bytes: number): 16 | 32 | 64 {
  return bytes === 2 ? 16 : bytes === 4 ? 32 : 64
}
