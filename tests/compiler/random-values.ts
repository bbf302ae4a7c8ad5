/**
 * Random expressions for random programs, each with its range as the check sees it.
 */
import type { Random } from '../../src/base/random.ts'
import * as range from '../../src/compiler/language/range.ts'
import type { Range } from '../../src/compiler/language/range.ts'

export type NumberType = 'u8' | 'u16' | 'u32'
export type ReturnType = NumberType | 'boolean' | 'void'

export interface ScopeLocal {
  readonly name: string
  /** 'maybe': a row's view that may be missing. */
  readonly kind: 'number' | 'boolean' | 'row' | 'header' | 'maybe'
  readonly isConst: boolean
  readonly type?: NumberType
  readonly range?: Range
}

export interface Scope {
  readonly locals: ScopeLocal[]
  readonly hasPacket: boolean
  readonly returns: ReturnType
}

export interface Value {
  readonly text: string
  readonly range: Range
}

interface Declared {
  readonly name: string
  readonly hasPacket: boolean
  readonly types: readonly string[]
  readonly returns: ReturnType
}

const WIDTHS: Readonly<Record<NumberType, Range>> = { u8: range.U8, u16: range.U16, u32: range.U32 }
const FIELDS: Readonly<Record<'row' | 'header', Readonly<Record<string, NumberType>>>> = {
  row: {
    a: 'u32',
    b: 'u32',
    c: 'u16',
    d: 'u16',
    e: 'u8',
    f: 'u8',
    g: 'u16',
    h: 'u32',
    total: 'u32',
  },
  header: { a: 'u32', b: 'u16', c: 'u8', d: 'u32' },
}
const LITERALS = [
  0, 1, 2, 3, 7, 8, 31, 100, 127, 128, 255, 256, 1000, 32767, 65535, 65536, 0x7fffffff, 0x80000000,
  0xfffffffe, 0xffffffff,
]
const NAMED: Readonly<Record<string, number>> = {
  HIGH: 0x80000000,
  'Kind.small': 3,
  'Kind.large': 0xfffffff0,
}
/** How deep an expression is, at most. */
const DEPTH = 3
/** Within expressions. */
const CALLS_MAX = 6

export class RandomValues {
  /** Which may be called. */
  readonly functions: Declared[] = []
  readonly #random: Random
  #calls = 0

  constructor(random: Random) {
    this.#random = random
  }

  local(name: string, type: NumberType | 'boolean', isConst: boolean, found?: Range): ScopeLocal {
    if (type === 'boolean') return { name, kind: 'boolean', isConst }
    const width = WIDTHS[type]
    const known = isConst && found !== undefined ? range.intersection(width, found) : width
    return { name, kind: 'number', isConst, type, range: known }
  }

  counter(name: string, first: number, last: number): ScopeLocal {
    const type = 'u32'
    return { name, kind: 'number', isConst: true, type, range: range.rangeOf(first, last) }
  }

  /** A local that fits as it is. */
  someLocal(scope: Scope, type: NumberType): Value | undefined {
    const fits = scope.locals.filter(
      (one) => one.range !== undefined && range.isWithin(one.range, WIDTHS[type]),
    )
    if (fits.length === 0) return undefined
    const one = this.#random.pick(fits)
    return { text: one.name, range: one.range! }
  }

  fitting(scope: Scope, type: Exclude<ReturnType, 'void'>): string {
    if (type === 'boolean') return this.condition(scope, 2)
    return this.fittingWithRange(scope, type).text
  }

  fittingWithRange(scope: Scope, type: NumberType, depth = DEPTH): Value {
    return this.#wrap(this.#number(scope, depth), type)
  }

  /** As it is where it fits, and now and then wrapped all the same. */
  #wrap(value: Value, type: NumberType): Value {
    const width = WIDTHS[type]
    const fits = !value.range.isRaw && range.isWithin(value.range, width)
    if (fits && !this.#random.oneIn(6)) return value
    return { text: `${type}(${value.text})`, range: fits ? value.range : width }
  }

  /** A number whose value may be used. */
  #exact(scope: Scope, depth: number): Value {
    const value = this.#number(scope, depth)
    return value.range.isRaw ? { text: `u32(${value.text})`, range: range.U32 } : value
  }

  #number(scope: Scope, depth: number): Value {
    const random = this.#random
    if (depth <= 0) return this.#leaf(scope)
    switch (random.below(12)) {
      case 0:
      case 1:
      case 2:
        return this.#leaf(scope)
      case 3:
      case 4:
        return this.#arithmetic(scope, depth)
      case 5:
      case 6:
        return this.#bits(scope, depth)
      case 7:
        return this.#shift(scope, depth)
      case 8:
        return this.#special(scope, depth)
      case 9: {
        const [a, b] = [this.#number(scope, depth - 1), this.#number(scope, depth - 1)]
        const text = `(${this.condition(scope, depth - 1)} ? ${a.text} : ${b.text})`
        return { text, range: range.union(a.range, b.range) }
      }
      case 10:
        return this.#call(scope) ?? this.#leaf(scope)
      default:
        return this.#wrap(this.#number(scope, depth - 1), random.pick(['u8', 'u16', 'u32']))
    }
  }

  #leaf(scope: Scope): Value {
    const random = this.#random
    const choice = random.below(8)
    if (choice < 4) {
      const local = this.someLocal(scope, 'u32')
      if (local !== undefined) return local
    }
    if (choice < 6) {
      const field = this.#field(scope)
      return { text: field.text, range: WIDTHS[field.type] }
    }
    if (choice === 6 && random.oneIn(3)) {
      const text = random.pick(['now()', 'random()', ...(scope.hasPacket ? ['packet.length'] : [])])
      return { text, range: range.U32 }
    }
    if (random.oneIn(12)) return { text: `u32(${this.#row(scope)}.wide)`, range: range.U32 }
    if (random.oneIn(4)) {
      const name = random.pick(Object.keys(NAMED))
      return { text: name, range: range.rangeOf(NAMED[name]!, NAMED[name]!) }
    }
    const value = random.oneIn(2) ? random.pick(LITERALS) : random.below(64)
    return { text: String(value), range: range.rangeOf(value, value) }
  }

  #field(scope: Scope): { text: string; type: NumberType } {
    const random = this.#random
    const views = scope.locals.filter(({ kind }) => kind === 'row' || kind === 'header')
    const view =
      views.length === 0 || random.oneIn(4)
        ? { name: random.pick(['own', 'spare']), kind: 'row' as const }
        : random.pick(views)
    const fields = FIELDS[view.kind === 'header' ? 'header' : 'row']
    const name = random.pick(Object.keys(fields))
    return { text: `${view.name}.${name}`, type: fields[name]! }
  }

  #arithmetic(scope: Scope, depth: number): Value {
    const random = this.#random
    const operator = random.pick(['+', '+', '-', '-', '*', '%', 'negate'])
    const a = this.#exact(scope, depth - 1)
    if (operator === 'negate') {
      return { text: `(-${paren(a.text)})`, range: range.subtract(range.rangeOf(0, 0), a.range) }
    }
    if (operator === '%') {
      const by = random.pick([1, 2, 3, 10, 256, 65536, 0x80000000])
      const left = a.range.min < 0 ? this.#forced(a) : a
      return {
        text: `(${left.text} % ${by})`,
        range: range.remainder(left.range, range.rangeOf(by, by)),
      }
    }
    const b = this.#exact(scope, depth - 1)
    const reckon = { '+': range.add, '-': range.subtract, '*': range.multiply }[operator]!
    const found = reckon(a.range, b.range)
    if (range.isWithin(found, range.EXACT))
      return { text: `(${a.text} ${operator} ${b.text})`, range: found }
    const [x, y] = [this.#forced(a), this.#forced(b)]
    return operator === '*'
      ? { text: `mul32(${x.text}, ${y.text})`, range: range.U32 }
      : { text: `(${x.text} ${operator} ${y.text})`, range: reckon(x.range, y.range) }
  }

  /** Within 32 bits. */
  #forced(value: Value): Value {
    if (!value.range.isRaw && range.isWithin(value.range, range.U32)) return value
    return { text: `u32(${value.text})`, range: range.U32 }
  }

  #bits(scope: Scope, depth: number): Value {
    const a = this.#number(scope, depth - 1)
    const operator = this.#random.pick(['&', '&', '|', '^', '~'])
    if (operator === '~') return { text: `(~${paren(a.text)})`, range: range.not() }
    const b = this.#number(scope, depth - 1)
    const reckon = operator === '&' ? range.and : range.or
    return { text: `(${a.text} ${operator} ${b.text})`, range: reckon(a.range, b.range) }
  }

  #shift(scope: Scope, depth: number): Value {
    const random = this.#random
    const a = this.#number(scope, depth - 1)
    const by: Value = random.oneIn(2)
      ? literal(random.below(32))
      : { text: `(${this.#leaf(scope).text} & 31)`, range: range.rangeOf(0, 31) }
    return random.oneIn(2)
      ? { text: `(${a.text} << ${by.text})`, range: range.shiftLeft(a.range, by.range) }
      : { text: `(${a.text} >>> ${by.text})`, range: range.shiftRight(a.range, by.range) }
  }

  #special(scope: Scope, depth: number): Value {
    const a = this.fittingWithRange(scope, 'u32', depth - 1)
    const b = this.fittingWithRange(scope, 'u32', depth - 1)
    switch (this.#random.below(4)) {
      case 0:
        return { text: `mul32(${a.text}, ${b.text})`, range: range.U32 }
      case 1:
        return { text: `div(${a.text}, u32(${b.text} | 1))`, range: range.U32 }
      case 2:
        return { text: `modulo(${a.text}, u32(${b.text} | 1))`, range: range.U32 }
      default:
        return { text: `${this.#row(scope)}.addTotal(${a.text})`, range: range.U32 }
    }
  }

  /** A row that is there. */
  #row(scope: Scope): string {
    const rows = scope.locals.filter(({ kind }) => kind === 'row')
    return rows.length === 0 || this.#random.oneIn(4)
      ? this.#random.pick(['own', 'spare'])
      : this.#random.pick(rows).name
  }

  condition(scope: Scope, depth: number): string {
    const random = this.#random
    const booleans = scope.locals.filter(({ kind }) => kind === 'boolean')
    switch (depth <= 0 ? random.below(4) : random.below(10)) {
      case 0:
        if (booleans.length > 0) return random.pick(booleans).name
        return this.#comparison(scope, depth)
      case 4:
        return `!${this.condition(scope, depth - 1)}`
      case 5:
        return `(${this.condition(scope, depth - 1)} && ${this.condition(scope, depth - 1)})`
      case 6:
        return `(${this.condition(scope, depth - 1)} || ${this.condition(scope, depth - 1)})`
      case 7:
        return this.#question(scope)
      case 8: {
        const maybes = scope.locals.filter(({ kind }) => kind === 'maybe')
        if (maybes.length === 0) return this.#comparison(scope, depth)
        return `(${random.pick(maybes).name} ${random.pick(['===', '!=='])} null)`
      }
      default:
        return this.#comparison(scope, depth)
    }
  }

  #comparison(scope: Scope, depth: number): string {
    const [a, b] = [this.#exact(scope, depth), this.#exact(scope, depth)]
    const operator = this.#random.pick(['===', '!==', '<', '<=', '>', '>='])
    // TypeScript's parser takes `f(x) < (a > (b))` for type arguments.
    const isTaken = operator === '>' && b.text.startsWith('(')
    return isTaken ? `(${b.text} < ${a.text})` : `(${a.text} ${operator} ${b.text})`
  }

  #question(scope: Scope): string {
    const value = () => this.fittingWithRange(scope, 'u32', 1).text
    switch (this.#random.below(3)) {
      case 0:
        return `isAtOrAfter(${value()}, ${value()})`
      case 1:
        return `isProductGreater(${value()}, ${value()}, ${value()}, ${value()})`
      default:
        return `${this.#row(scope)}.swapTotal(${value()}, ${value()})`
    }
  }

  /** A statement that changes a struct. */
  change(scope: Scope): string {
    const random = this.#random
    if (random.oneIn(4)) return `${this.#row(scope)}.addWide(${this.fitting(scope, 'u32')})`
    if (random.oneIn(6)) return `${this.#row(scope)}.addTotal(${this.fitting(scope, 'u32')})`
    if (random.oneIn(8)) {
      const [a, b] = [this.fitting(scope, 'u32'), random.below(0x100000)]
      return `${this.#row(scope)}.wide = ${paren(a)} * ${b}`
    }
    const { text, type } = this.#field(scope)
    return `${text} = ${this.fitting(scope, type)}`
  }

  callStatement(scope: Scope): string | undefined {
    const callable = this.functions.filter((one) => scope.hasPacket || !one.hasPacket)
    if (callable.length === 0) return undefined
    return this.#callOf(scope, this.#random.pick(callable))
  }

  #call(scope: Scope): Value | undefined {
    const callable = this.functions.filter(
      ({ hasPacket, returns }) =>
        (scope.hasPacket || !hasPacket) && (returns === 'u32' || returns === 'u16'),
    )
    // Written where they are called, and calls in them, too: few are many.
    if (callable.length === 0 || this.#calls++ >= CALLS_MAX) return undefined
    const one = this.#random.pick(callable)
    return { text: this.#callOf(scope, one), range: WIDTHS[one.returns as NumberType] }
  }

  #callOf(scope: Scope, { name, hasPacket, types }: Declared): string {
    const values = types.map((type) => {
      if (type === 'row') return this.#row(scope)
      if (type === 'maybe') return this.#maybe(scope)
      return type === 'boolean'
        ? this.condition(scope, 0)
        : this.fittingWithRange(scope, type as NumberType, 0).text
    })
    return `${name}(${[...(hasPacket ? ['packet'] : []), ...values].join(', ')})`
  }

  #maybe(scope: Scope): string {
    const maybes = scope.locals.filter(({ kind }) => kind === 'maybe')
    if (this.#random.oneIn(4)) return 'null'
    return maybes.length === 0 ? this.#row(scope) : this.#random.pick(maybes).name
  }

  /** Of a header: mostly within the frame. */
  offset(scope: Scope): string {
    const random = this.#random
    if (random.oneIn(3)) return String(14 + random.below(40))
    const value = this.fittingWithRange(scope, 'u32', 1).text
    if (random.oneIn(6)) return value
    return `14 + (${value} & ${random.pick([3, 15, 63])})`
  }

  index(scope: Scope, rows: number): string {
    const random = this.#random
    if (random.oneIn(3)) return String(random.below(rows))
    const value = this.fittingWithRange(scope, 'u32', 1).text
    return random.oneIn(6) ? value : `(${value} & 7)`
  }
}

function literal(value: number): Value {
  return { text: String(value), range: range.rangeOf(value, value) }
}

/** `- -x` and `(-x) * y` need it; names do not. */
function paren(text: string): string {
  return /^[\w.]+$/.test(text) ? text : `(${text})`
}
