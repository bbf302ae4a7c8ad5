/**
 * Random programs of the language, right by construction: ranges are reckoned as the check does (range.ts), and
 * whatever might not fit is wrapped.
 *
 * What compilers get wrong is looked for: variables that are copies of each other, more of them than registers, values
 * that meet where branches join, loops that are cut, views that are missing, arguments beyond the registers.
 */
import type { Random } from '../../src/base/random.ts'
import { RandomValues, type Scope } from './random-values.ts'

/** A statement, with those inside; or a line of the top level. */
export interface Piece {
  readonly text: string
  /** Between `text` and a closing brace. */
  readonly body?: Piece[]
  readonly otherwise?: Piece[]
}

export interface RandomProgram {
  readonly head: string
  readonly functions: readonly Piece[]
}

export const ENTRY = 'main'

const IMPORTS = `import { div, isAtOrAfter, isProductGreater } from '../src/subset/integers.ts'
import { modulo, mul32, u8, u16, u32 } from '../src/subset/integers.ts'
import { now, random } from '../src/subset/clock.ts'
import type { Packet } from '../src/subset/packet.ts'
import { header, row, type ViewOf } from '../src/subset/struct.ts'
import { table } from '../src/subset/table.ts'

const Line = row('line', {
  a: 'u32', b: 'u32', c: 'u16', d: 'u16', e: 'u8', f: 'u8', g: 'u16', total: 'atomic', h: 'u32', wide: 'u64',
})
type Line = ViewOf<typeof Line>
const Head = header('head', { a: 'u32', b: 'u16', c: 'u8', d: 'u32', wide: 'u64' })
type Head = ViewOf<typeof Head>
const lines = table('lines', Line, 8)
const others = table('others', Line, 3)
const own = Line.local()
const spare = Line.local()
const HIGH = 0x80000000
const Kind = { small: 3, large: 0xfffffff0 } as const
`

/** Its text; `functions` may have been made smaller. */
export function formatProgram({ head, functions }: RandomProgram): string {
  return `${head}\n${functions.map((one) => format(one, '')).join('\n')}`
}

function format({ text, body, otherwise }: Piece, margin: string): string {
  if (body === undefined) return `${margin}${text}\n`
  const inside = (pieces: readonly Piece[]) =>
    pieces.map((one) => format(one, `${margin}  `)).join('')
  const rest = otherwise === undefined ? '' : ` else {\n${inside(otherwise)}${margin}}`
  return `${margin}${text} {\n${inside(body)}${margin}}${rest}\n`
}

export function randomProgram(random: Random): RandomProgram {
  return new Generator(random).run()
}

/** Statements of a program, all in all; a loop's count as often as it goes round. */
const BUDGET = 130
const LONG = 40
const LISTED = [0, 1, 2, 3, 7, 31, 255, 65535, 0x7fffffff, 0xffffffff]

class Generator {
  readonly #random: Random
  readonly #values: RandomValues
  /** Lines of the top level: cursors and lists. */
  readonly #tops: string[] = []
  #budget = BUDGET
  #names = 0
  /** Loops around the statement. */
  #depth = 0

  constructor(random: Random) {
    this.#random = random
    this.#values = new RandomValues(random)
  }

  run(): RandomProgram {
    const functions: Piece[] = []
    const count = this.#random.below(4)
    for (let i = 0; i < count; i++) functions.push(this.#function(`part${i}`))
    functions.push(this.#main())
    return { head: `${IMPORTS}${this.#tops.join('\n')}\n`, functions }
  }

  #fresh(letter: string): string {
    return `${letter}${this.#names++}`
  }

  #function(name: string): Piece {
    const random = this.#random
    const isApart = random.oneIn(2)
    const hasPacket = random.oneIn(2)
    const returns = random.pick(['u32', 'u32', 'u16', 'boolean', 'void'] as const)
    const views = random.below(3)
    const numbers = random.below(7)
    const scope: Scope = { locals: [], hasPacket, returns }
    const parameters = [
      ...Array.from({ length: views }, () => {
        const [named, isNullable] = [this.#fresh('p'), random.oneIn(3)]
        scope.locals.push({ name: named, kind: isNullable ? 'maybe' : 'row', isConst: true })
        return {
          text: `${named}: Line${isNullable ? ' | null' : ''}`,
          type: isNullable ? 'maybe' : 'row',
        }
      }),
      ...Array.from({ length: numbers }, () => {
        const named = this.#fresh('p')
        const type = random.pick(['u32', 'u32', 'u16', 'u8', 'boolean'] as const)
        scope.locals.push(this.#values.local(named, type, false))
        return { text: `${named}: ${type}`, type }
      }),
    ]
    const list = [...(hasPacket ? ['packet: Packet'] : []), ...parameters.map(({ text }) => text)]
    const budget = this.#budget
    this.#budget = 12 + random.below(24)
    const body = this.#block(scope, 4 + random.below(6))
    if (returns !== 'void') body.push({ text: `return ${this.#values.fitting(scope, returns)}` })
    this.#budget = budget
    const types = parameters.map(({ type }) => type)
    this.#values.functions.push({ name, hasPacket, types, returns })
    const mark = isApart ? '/** @apart */\n' : ''
    return { text: `${mark}function ${name}(${list.join(', ')}): ${returns}`, body }
  }

  #main(): Piece {
    const scope: Scope = { locals: [], hasPacket: true, returns: 'u32' }
    const body: Piece[] = []
    const cursor = this.#cursor('Head')
    body.push({ text: `const h = ${cursor}.at(packet, 14)` })
    body.push({ text: 'if (h === null) return 0' })
    scope.locals.push({ name: 'h', kind: 'header', isConst: true })
    for (let i = 0; i < 6; i++) body.push(this.#declareNumber(scope))
    body.push(...this.#block(scope, 10 + this.#random.below(10)))
    body.push({ text: `return ${this.#values.fitting(scope, 'u32')}` })
    return { text: `export function ${ENTRY}(packet: Packet): u32`, body }
  }

  #cursor(what: 'Head' | 'lines' | 'others'): string {
    const name = this.#fresh('at')
    this.#tops.push(`const ${name} = ${what}.cursor()`)
    return name
  }

  /** Statements with a scope of their own. */
  #block(outer: Scope, count: number): Piece[] {
    const scope: Scope = { ...outer, locals: [...outer.locals] }
    const pieces: Piece[] = []
    for (let i = 0; i < count && this.#budget > 0; i++) {
      this.#budget--
      const made = this.#statement(scope)
      pieces.push(...made)
    }
    return pieces
  }

  #statement(scope: Scope): Piece[] {
    const random = this.#random
    switch (random.below(14)) {
      case 0:
      case 1:
        return [this.#declareNumber(scope)]
      case 2:
      case 3:
      case 4:
        return [this.#assign(scope)]
      case 5:
        return [this.#declareBoolean(scope)]
      case 6:
      case 7:
        return [this.#if(scope)]
      case 8:
        return [this.#loop(scope)]
      case 9:
      case 10:
        return this.#view(scope)
      case 11:
        return [{ text: this.#values.change(scope) }]
      case 12:
        return [{ text: this.#values.callStatement(scope) ?? this.#values.change(scope) }]
      default:
        return [this.#leave(scope)]
    }
  }

  #declareNumber(scope: Scope): Piece {
    const [name, type] = [
      this.#fresh('v'),
      this.#random.pick(['u32', 'u32', 'u32', 'u16', 'u8'] as const),
    ]
    const isConst = this.#random.oneIn(3)
    // A copy of another one, as often as not.
    const copied = this.#random.oneIn(3) ? this.#values.someLocal(scope, type) : undefined
    const value = copied === undefined ? this.#values.fittingWithRange(scope, type) : copied
    scope.locals.push(this.#values.local(name, type, isConst, value.range))
    return { text: `${isConst ? 'const' : 'let'} ${name}: ${type} = ${value.text}` }
  }

  #declareBoolean(scope: Scope): Piece {
    const name = this.#fresh('is')
    const value = this.#values.condition(scope, 2)
    const isConst = this.#random.oneIn(2)
    scope.locals.push({ name, kind: 'boolean', isConst })
    return { text: `${isConst ? 'const' : 'let'} ${name}: boolean = ${value}` }
  }

  #assign(scope: Scope): Piece {
    const lets = scope.locals.filter(({ isConst }) => !isConst)
    const target = lets.length === 0 ? undefined : this.#random.pick(lets)
    if (target === undefined) return this.#declareNumber(scope)
    if (target.kind === 'boolean') {
      return { text: `${target.name} = ${this.#values.condition(scope, 2)}` }
    }
    const type = target.type!
    const copied = this.#random.oneIn(4) ? this.#values.someLocal(scope, type)?.text : undefined
    return { text: `${target.name} = ${copied ?? this.#values.fitting(scope, type)}` }
  }

  #if(scope: Scope): Piece {
    const text = `if (${this.#values.condition(scope, 2)})`
    const body = this.#block(scope, 1 + this.#random.below(4))
    if (this.#random.oneIn(2)) return { text, body }
    return { text, body, otherwise: this.#block(scope, 1 + this.#random.below(4)) }
  }

  #loop(scope: Scope): Piece {
    const random = this.#random
    if (random.oneIn(4)) return this.#each(scope)
    const isLong = this.#depth === 0 && random.oneIn(4)
    const [first, step] = [random.below(3), 1 + random.below(3)]
    const rounds = isLong ? LONG : 1 + random.below(4)
    if (this.#depth === 2 || this.#budget < 3 * rounds) return this.#if(scope)
    const name = this.#fresh('i')
    const below = first + rounds * step
    const inner: Scope = { ...scope, locals: [...scope.locals] }
    inner.locals.push(this.#values.counter(name, first, below - 1))
    const budget = this.#budget
    this.#budget = isLong ? 5 : Math.floor(budget / (2 * rounds))
    this.#depth++
    const body = this.#block(inner, 2 + random.below(4))
    this.#depth--
    this.#budget = Math.max(0, budget - (isLong ? 20 : Math.floor(budget / 2)))
    return {
      text: `for (let ${name}: u32 = ${first}; ${name} < ${below}; ${name} += ${step})`,
      body,
    }
  }

  /** Over a list of the top level. */
  #each(scope: Scope): Piece {
    const random = this.#random
    const values = Array.from({ length: 1 + random.below(4) }, () => random.pick(LISTED))
    if (this.#depth === 2 || this.#budget < 3 * values.length) return this.#if(scope)
    const [name, list] = [this.#fresh('i'), this.#fresh('LIST')]
    this.#tops.push(`const ${list} = [${values.join(', ')}]`)
    const inner: Scope = { ...scope, locals: [...scope.locals] }
    inner.locals.push(this.#values.counter(name, Math.min(...values), Math.max(...values)))
    const budget = this.#budget
    this.#budget = Math.floor(budget / (2 * values.length))
    this.#depth++
    const body = this.#block(inner, 1 + random.below(4))
    this.#depth--
    this.#budget = Math.max(0, Math.floor(budget / 2))
    return { text: `for (const ${name} of ${list})`, body }
  }

  /** A row or a header, and what to do where there is none. */
  #view(scope: Scope): Piece[] {
    const random = this.#random
    const name = this.#fresh('w')
    const isHeader = scope.hasPacket && random.oneIn(3)
    const table = random.pick(['lines', 'others'] as const)
    const kind = isHeader ? 'header' : 'row'
    const at = isHeader
      ? `${this.#cursor('Head')}.at(packet, ${this.#values.offset(scope)})`
      : `${this.#cursor(table)}.at(${this.#values.index(scope, table === 'lines' ? 8 : 3)})`
    const declared = { text: `const ${name} = ${at}` }
    if (random.oneIn(2)) {
      scope.locals.push({ name, kind, isConst: true })
      const out =
        this.#depth > 0 && random.oneIn(2)
          ? random.pick(['break', 'continue'])
          : this.#return(scope, name)
      return [declared, { text: `if (${name} === null) ${out}` }]
    }
    const inner: Scope = { ...scope, locals: [...scope.locals, { name, kind, isConst: true }] }
    const text = `if (${name} !== null && ${this.#values.condition(inner, 1)})`
    if (kind === 'row') scope.locals.push({ name, kind: 'maybe', isConst: true })
    return [declared, { text, body: this.#block(inner, 1 + random.below(3)) }]
  }

  /** `but`: a local not to be used in it. */
  #return(scope: Scope, but = ''): string {
    const known = { ...scope, locals: scope.locals.filter(({ name }) => name !== but) }
    return scope.returns === 'void'
      ? 'return'
      : `return ${this.#values.fitting(known, scope.returns)}`
  }

  #leave(scope: Scope): Piece {
    const out =
      this.#depth > 0 && !this.#random.oneIn(3)
        ? this.#random.pick(['break', 'continue'])
        : this.#return(scope)
    return { text: `if (${this.#values.condition(scope, 1)}) ${out}` }
  }
}
