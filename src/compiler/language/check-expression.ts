/**
 * What an expression of the packet path is, and within which range: names, members, calls and arithmetic.
 */
import type { CallSite } from './check.ts'
import { isRuntimeFunction } from '../lower/lower-runtime.ts'
import {
  FIELD_RANGES,
  NUMBER_TYPES,
  RUNTIME_FOLDER,
  type Entity,
  type Program,
  type ProgramFile,
  type Struct,
  type Type,
} from './program.ts'
import * as range from './range.ts'
import type { Range } from './range.ts'
import { REFUSALS } from './refusals.ts'
import type * as tree from './tree.ts'

/** A parameter, let, const or loop counter. */
export interface Local {
  readonly type: Type
  readonly isConst: boolean
}

/** What an expression needs of the function around it. */
export interface Surroundings {
  report(place: tree.Place, message: string, instead: string): void
  findLocal(name: string): Local | undefined
  /** Reports a value that does not fit where it goes. */
  fit(place: tree.Place, value: Type, into: Type): void
  call(site: CallSite): void
}

const UNKNOWN: Type = { kind: 'unknown' }
const BOOLEAN: Type = { kind: 'boolean' }
const numberType = (values: Range): Type => ({ kind: 'number', range: values })

/** What the packet path may read of a Packet (src/subset/packet.ts). */
const PACKET_FIELDS: ReadonlyMap<string, Type> = new Map([
  ['length', numberType(range.U32)],
  ['ingress', numberType(range.U32)],
  ['segmentSize', numberType(range.U32)],
  ['hasPartialChecksum', BOOLEAN],
])
const PACKET_METHODS = ['encapsulate', 'decapsulate', 'adjustTail', 'makeReadable', 'askChecksum']
const WRAPPING = [...NUMBER_TYPES.keys()]
const SHIFTS = range.rangeOf(0, 31)
/** An index or an offset: too large finds nothing, negative would read before the beginning. */
const POSITION = numberType(range.rangeOf(0, Number.MAX_SAFE_INTEGER))

export class ExpressionCheck {
  /** What was found out, for the passes behind. */
  readonly types = new Map<tree.Expression, Type>()
  readonly #program: Program
  readonly #file: ProgramFile
  readonly #around: Surroundings

  constructor(program: Program, file: ProgramFile, around: Surroundings) {
    this.#program = program
    this.#file = file
    this.#around = around
  }

  /** The type of an expression; reports what is wrong in it. */
  typeOf(expression: tree.Expression): Type {
    const type = this.#find(expression)
    this.types.set(expression, type)
    return type
  }

  #find(expression: tree.Expression): Type {
    switch (expression.kind) {
      case 'number':
        return numberType(range.rangeOf(expression.value, expression.value))
      case 'boolean':
        return BOOLEAN
      case 'null':
        return { kind: 'null' }
      case 'name':
        return this.#name(expression)
      case 'member':
        return this.#member(expression)
      case 'call':
        return this.#call(expression)
      case 'unary':
        return this.#unary(expression)
      case 'binary':
        return this.#binary(expression)
      case 'conditional':
        return this.#conditional(expression)
      case 'refused':
        this.#report(
          expression,
          REFUSALS[expression.what].message,
          REFUSALS[expression.what].instead,
        )
        return UNKNOWN
      case 'object':
      case 'list':
      case 'string':
      case 'opaque':
        return UNKNOWN // the parser makes them at the top level only
    }
  }

  /** The condition of an if, `!`, `&&`, `||` or `? :`. */
  condition(expression: tree.Expression): void {
    const { kind } = this.typeOf(expression)
    if (kind === 'boolean' || kind === 'unknown') return
    this.#report(expression, 'a condition that is no boolean', '… !== 0 or … !== null')
  }

  /** The range of something that must be constant; `what` says what it is for. */
  constant(expression: tree.Expression, what: string): Range {
    if (expression.kind === 'refused') this.typeOf(expression)
    else if (!this.#isLocal(expression)) {
      const value = this.#program.evaluate(this.#file, expression)
      if (value !== undefined) return range.rangeOf(value, value)
      if (this.#program.entityOf(this.#file, expression)?.kind === 'opaque') return range.U32
    }
    if (expression.kind !== 'refused') {
      this.#report(expression, `${what} is not constant`, 'a constant of the top level')
    }
    return range.U32
  }

  /** The type of a member that is assigned to. */
  assigned(target: tree.Member): Type {
    const owner = this.#isLocal(target.object)
      ? undefined
      : this.#program.entityOf(this.#file, target.object)
    if (owner === undefined || owner.kind === 'value') {
      const view = this.#owner(target)
      if (view.kind === 'view') return this.#field(target, view.struct)
      if (view.kind === 'unknown') return UNKNOWN
    }
    this.#report(target, 'only a field of a struct can be assigned to', 'a let, or a field')
    return UNKNOWN
  }

  #report(place: tree.Place, message: string, instead: string): void {
    this.#around.report(place, message, instead)
  }

  #name(name: tree.Name): Type {
    const local = this.#around.findLocal(name.name)
    if (local !== undefined) return local.type
    return this.#entity(name, name.name, this.#program.resolve(this.#file, name.name))
  }

  /** A name of the top level, used as a value. */
  #entity(place: tree.Place, name: string, entity: Entity | undefined): Type {
    if (entity === undefined) {
      this.#report(place, `the packet path does not know ${name}`, 'what src/subset offers')
      return UNKNOWN
    }
    switch (entity.kind) {
      case 'value':
        return entity.type
      case 'opaque':
        return numberType(range.U32)
      case 'variable':
        this.#report(place, `${name} is a variable that outlives the packet`, 'a row of a table')
        return UNKNOWN
      default:
        this.#report(place, `a ${entity.kind} is no value`, 'a number, a view or a constant')
        return UNKNOWN
    }
  }

  #member(member: tree.Member): Type {
    const entity = this.#isLocal(member.object)
      ? undefined
      : this.#program.entityOf(this.#file, member)
    if (entity !== undefined) return this.#entity(member, member.name, entity)
    const owner = this.#owner(member)
    if (owner.kind === 'view') return this.#field(member, owner.struct)
    if (owner.kind === 'packet') {
      const field = PACKET_FIELDS.get(member.name)
      if (field !== undefined) return field
      this.#report(member, `the packet path cannot see packet.${member.name}`, 'a header’s cursor')
      return UNKNOWN
    }
    if (owner.kind !== 'unknown') this.#report(member, 'a member of no struct', 'a field of a view')
    return UNKNOWN
  }

  /** The type of what stands before the dot. A group without that member is reported here. */
  #owner({ object, name }: tree.Member): Type {
    if (object.kind === 'name' && !this.#isLocal(object)) {
      const entity = this.#program.resolve(this.#file, object.name)
      if (entity?.kind === 'group' || entity?.kind === 'namespace') {
        const message = `${object.name} has no ${name} that is known before the program runs`
        this.#report(object, message, 'a constant number')
        return UNKNOWN
      }
    }
    return this.typeOf(object)
  }

  #field(member: tree.Member, struct: Struct): Type {
    const values = FIELD_RANGES.get(struct.fields.get(member.name) ?? '')
    if (values !== undefined) return numberType(values)
    this.#report(member, `${struct.name} has no field ${member.name}`, 'one of its fields')
    return UNKNOWN
  }

  #isLocal(expression: tree.Expression): boolean {
    return expression.kind === 'name' && this.#around.findLocal(expression.name) !== undefined
  }

  #call(call: tree.Call): Type {
    const { callee } = call
    const entity = this.#isLocal(callee) ? undefined : this.#program.entityOf(this.#file, callee)
    if (entity?.kind === 'function') return this.#callFunction(call, entity)
    if (callee.kind === 'member') {
      const cursor = this.#isLocal(callee.object)
        ? undefined
        : this.#program.entityOf(this.#file, callee.object)
      if (cursor?.kind === 'cursor' && callee.name === 'at') return this.#point(call, cursor)
      if (cursor === undefined || cursor.kind === 'value') return this.#callMethod(call, callee)
    }
    for (const argument of call.arguments) this.typeOf(argument)
    if (callee.kind === 'refused') return this.typeOf(callee)
    return this.#reportCall(callee)
  }

  #reportCall(callee: tree.Expression): Type {
    const message = 'a call to what is no function of the packet path'
    this.#report(callee, message, 'a function of dataplane, wire or subset')
    return UNKNOWN
  }

  #callFunction(call: tree.Call, { file, declared }: Entity & { kind: 'function' }): Type {
    const isRuntime = file.path.startsWith(RUNTIME_FOLDER)
    if (isRuntime && WRAPPING.includes(declared.name)) return this.#wrap(call, declared.name)
    if (isRuntime && !isRuntimeFunction(declared.name)) return this.#reportCall(call.callee)
    call.arguments.forEach((argument, index) => {
      const found = this.typeOf(argument)
      const type = declared.parameters[index]?.type
      const wanted = type && this.#program.typeOf(file, type)
      if (wanted !== undefined) this.#around.fit(argument, found, wanted)
    })
    if (!isRuntime) {
      if (declared.isControl || file.tree.isControl) {
        const message = `${declared.name} is marked @control: it is no part of the packet path`
        this.#report(call.callee, message, 'a function without that mark')
        return UNKNOWN
      }
      this.#around.call({ call, file, callee: declared })
    }
    return (declared.returns && this.#program.typeOf(file, declared.returns)) ?? UNKNOWN
  }

  /** `u32(x)`: any bits will do, and what fits stays what it is. */
  #wrap(call: tree.Call, name: string): Type {
    const width = NUMBER_TYPES.get(name) ?? range.U32
    const [found] = call.arguments.map((argument) => this.typeOf(argument))
    const fits =
      found?.kind === 'number' && !found.range.isRaw && range.isWithin(found.range, width)
    return fits ? found : numberType(width)
  }

  /** `cursor.at(packet, offset)`, `cursor.at(index)`. */
  #point(call: tree.Call, cursor: Entity & { kind: 'cursor' }): Type {
    const types = call.arguments.map((argument) => this.typeOf(argument))
    const position = cursor.struct.isHeader ? 1 : 0
    const argument = call.arguments[position]
    if (argument !== undefined) this.#around.fit(argument, types[position]!, POSITION)
    return { kind: 'view', struct: cursor.struct }
  }

  /** `view.addField(n)`, `view.swapField(was, is)`, `packet.adjustTail(n)`. */
  #callMethod(call: tree.Call, callee: tree.Member): Type {
    const owner = this.#owner(callee)
    const types = call.arguments.map((argument) => this.typeOf(argument))
    if (owner.kind === 'unknown') return UNKNOWN
    if (owner.kind === 'packet' && PACKET_METHODS.includes(callee.name)) {
      call.arguments.forEach((argument, index) => this.#exact(argument, types[index]!))
      return BOOLEAN
    }
    const match = /^(add|swap)([A-Z]\w*)$/.exec(callee.name)
    if (owner.kind !== 'view' || match === null) return this.#reportCall(callee)
    const field = match[2]![0]!.toLowerCase() + match[2]!.slice(1)
    const kind = owner.struct.fields.get(field)
    if (kind !== 'atomic' && !(kind === 'u64' && match[1] === 'add'))
      return this.#reportCall(callee)
    call.arguments.forEach((argument, index) => {
      this.#around.fit(argument, types[index]!, numberType(range.U32))
    })
    return match[1] === 'swap' ? BOOLEAN : numberType(range.U32)
  }

  #unary({ operator, operand }: tree.Unary): Type {
    if (operator === '!') {
      this.condition(operand)
      return BOOLEAN
    }
    const found = this.typeOf(operand)
    if (found.kind !== 'number') return UNKNOWN
    if (operator === '~') return numberType(range.not())
    this.#exact(operand, found)
    return numberType(range.subtract(range.rangeOf(0, 0), found.range))
  }

  #conditional({ condition, whenTrue, whenFalse }: tree.Conditional): Type {
    this.condition(condition)
    const a = this.typeOf(whenTrue)
    const b = this.typeOf(whenFalse)
    if (a.kind === 'number' && b.kind === 'number') return numberType(range.union(a.range, b.range))
    return a.kind === 'null' || a.kind === 'unknown' ? b : a
  }

  #binary(binary: tree.Binary): Type {
    const { operator, left, right } = binary
    if (operator === '&&' || operator === '||') {
      this.condition(left)
      this.condition(right)
      return BOOLEAN
    }
    const a = this.typeOf(left)
    const b = this.typeOf(right)
    const isBits = ['&', '|', '^', '<<', '>>>'].includes(operator)
    if (!isBits) {
      this.#exact(left, a)
      this.#exact(right, b)
    }
    if (['===', '!==', '<', '<=', '>', '>='].includes(operator)) return BOOLEAN
    if (a.kind !== 'number' || b.kind !== 'number') return UNKNOWN
    return numberType(this.#compute(binary, a.range, b.range))
  }

  #compute(binary: tree.Binary, a: Range, b: Range): Range {
    switch (binary.operator) {
      case '+':
        return this.#exactRange(binary, range.add(a, b), 'u32(…) around its parts')
      case '-':
        return this.#exactRange(binary, range.subtract(a, b), 'u32(…) around its parts')
      case '*':
        return this.#exactRange(
          binary,
          range.multiply(a, b),
          'mul32(a, b), or u16(…) around a part',
        )
      case '/':
        this.#report(binary, 'a division that makes fractions', 'div(a, b)')
        return range.U32
      case '%':
        return this.#remainder(binary, a, b)
      case '&':
        return range.and(a, b)
      case '|':
      case '^':
        return range.or(a, b)
      case '<<':
        return range.shiftLeft(a, this.#shift(binary.right, b))
      case '>>>':
        return range.shiftRight(a, this.#shift(binary.right, b))
      default:
        return range.U32
    }
  }

  #shift(place: tree.Place, amount: Range): Range {
    if (!amount.isRaw && range.isWithin(amount, SHIFTS)) return amount
    this.#report(place, 'a shift by more than 31 bits, or by fewer than none', '(… & 31)')
    return SHIFTS
  }

  #remainder({ left, right }: tree.Binary, a: Range, b: Range): Range {
    const divisor = this.constant(right, 'the right side of %')
    if (divisor.min < 1 && divisor.min === divisor.max) {
      this.#report(right, 'a remainder by zero or less', 'a constant of at least 1')
      return range.U32
    }
    if (a.min < 0) this.#report(left, 'a remainder of what may be negative', 'u32(…) around it')
    return range.remainder(a, b)
  }

  /** A number whose value is used, not only its bits. */
  #exact(place: tree.Place, type: Type): void {
    if (type.kind !== 'number' || !type.range.isRaw) return
    this.#report(place, 'may come out negative in JavaScript', 'u32(…)')
  }

  /** JavaScript and the kernel agree on numbers up to 2^53. */
  #exactRange(place: tree.Place, values: Range, instead: string): Range {
    if (range.isWithin(values, range.EXACT)) return values
    this.#report(place, 'may exceed 2^53, where JavaScript loses bits', instead)
    return range.U32
  }
}
