/**
 * The check of one function: its head, its statements, and the places where a value gets a width.
 *
 * check-expression.ts says what each expression is; here it must fit where it goes.
 */
import type { CallSite } from './check.ts'
import { diagnose, type Diagnostic } from './diagnostics.ts'
import { ExpressionCheck, type Local } from './check-expression.ts'
import { NUMBER_TYPES, type Program, type ProgramFile, type Type } from './program.ts'
import { intersection, isWithin, rangeOf, type Range } from './range.ts'
import { REFUSALS } from './refusals.ts'
import type * as tree from './tree.ts'

const UNKNOWN: Type = { kind: 'unknown' }
/** Of a list that is gone through: the body is written once for each. */
const LIST_MAX = 64
const NO_LIST = 'something that is no constant of the top level'

export class BodyCheck {
  readonly diagnostics: Diagnostic[] = []
  readonly calls: CallSite[] = []
  readonly #program: Program
  readonly #file: ProgramFile
  readonly #function: tree.FunctionDeclaration
  readonly #expressions: ExpressionCheck
  /** Innermost last. */
  readonly #scopes: Map<string, Local>[] = [new Map()]
  #returns: Type = UNKNOWN
  /** How many stand around the statement. */
  #loops = 0

  constructor(program: Program, file: ProgramFile, declared: tree.FunctionDeclaration) {
    this.#program = program
    this.#file = file
    this.#function = declared
    this.#expressions = new ExpressionCheck(program, file, {
      report: (place, message, instead) => this.#report(place, message, instead),
      findLocal: (name) => this.#findLocal(name),
      fit: (place, value, into) => this.#fit(place, value, into),
      call: (site) => this.calls.push(site),
    })
  }

  #findLocal(name: string): Local | undefined {
    return this.#scopes.findLast((scope) => scope.has(name))?.get(name)
  }

  /** Of every expression, once it ran. */
  get types(): ReadonlyMap<tree.Expression, Type> {
    return this.#expressions.types
  }

  run(): void {
    const { parameters, returns, body, refused } = this.#function
    for (const each of refused) this.#refuse(each)
    for (const { name, type, ...place } of parameters) {
      this.#declareLocal(name, { type: this.#annotated(place, type, name), isConst: false })
    }
    if (returns === undefined) {
      this.#report(this.#function, 'a function that does not say what it returns', '): u32 {')
    } else {
      this.#returns = this.#annotated(returns, returns, 'the result')
      if (this.#returns.kind === 'view' || this.#returns.kind === 'packet') {
        const instead = 'an index, or fill a struct that the caller hands in;'
        this.#report(returns, 'a view that is returned: the next call would move it', instead)
      }
    }
    this.#block(body)
  }

  #report(place: tree.Place, message: string, instead: string): void {
    const { path, text } = this.#file
    this.diagnostics.push(diagnose(path, text, place, message, instead))
  }

  #refuse(refused: tree.Refused): void {
    const { message, instead } = REFUSALS[refused.what]
    this.#report(refused, message, instead)
  }

  #declareLocal(name: string, local: Local): void {
    this.#scopes.at(-1)!.set(name, local)
  }

  /** What an annotation says; reports one that says nothing. */
  #annotated(place: tree.Place, type: tree.TypeName | undefined, name: string): Type {
    const found = type && this.#program.typeOf(this.#file, type)
    if (found !== undefined) return found
    const message =
      type === undefined
        ? `${name} has no width`
        : `the data-plane language has no type ${type.name}`
    this.#report(type ?? place, message, 'u8, u16, u32, boolean, Packet or a struct’s view')
    return UNKNOWN
  }

  #block({ statements }: tree.Block): void {
    this.#scopes.push(new Map())
    for (const statement of statements) this.#statement(statement)
    this.#scopes.pop()
  }

  #statement(statement: tree.Statement): void {
    switch (statement.kind) {
      case 'refused':
        return this.#refuse(statement)
      case 'block':
        return this.#block(statement)
      case 'declare':
        return this.#declare(statement)
      case 'assign':
        return this.#assign(statement)
      case 'evaluate':
        return this.#evaluate(statement)
      case 'if':
        return this.#if(statement)
      case 'count':
        return this.#count(statement)
      case 'each':
        return this.#each(statement)
      case 'return':
        return this.#return(statement)
      case 'break':
      case 'continue':
        if (this.#loops > 0) return
        return this.#report(statement, `a ${statement.kind} that is in no loop`, 'return')
    }
  }

  #declare({ name, isConst, type, value, ...place }: tree.Declare): void {
    if (value === undefined) {
      this.#report(place, `${name} has no value yet`, `let ${name}: u32 = 0`)
    }
    const found = value === undefined ? UNKNOWN : this.#expressions.typeOf(value)
    if (type === undefined) {
      const isView = found.kind === 'view' || found.kind === 'unknown'
      if (!isConst && !isView) this.#report(place, `${name} has no width`, `let ${name}: u32`)
      else this.#finish(value ?? place, found)
      this.#declareLocal(name, { type: found, isConst })
      return
    }
    const wanted = this.#annotated(place, type, name)
    this.#fit(value ?? place, found, wanted)
    this.#declareLocal(name, { type: isConst ? narrower(wanted, found) : wanted, isConst })
  }

  /** A value kept as it is: a number must be one. */
  #finish(place: tree.Place, type: Type): void {
    if (type.kind === 'number' && type.range.isRaw) this.#reportRaw(place)
    if (type.kind === 'void') this.#report(place, 'a call that returns nothing', 'a statement')
  }

  #assign({ target, value, ...place }: tree.Assign): void {
    const found = this.#expressions.typeOf(value)
    if (target.kind === 'name') {
      const local = this.#scopes.findLast((scope) => scope.has(target.name))?.get(target.name)
      if (local === undefined) {
        const message = `${target.name} is no variable of this function`
        return this.#report(target, message, 'a let, or a field of a struct')
      }
      if (local.isConst) {
        const message = `${target.name} does not change: it is a constant or counts a loop`
        return this.#report(place, message, 'a let of its own')
      }
      return this.#fit(value, found, local.type)
    }
    if (target.kind === 'member') return this.#fit(value, found, this.#expressions.assigned(target))
    if (target.kind === 'refused') return this.#refuse(target)
    this.#report(target, 'only a field of a struct can be assigned to', 'a let, or a field')
  }

  #evaluate({ expression, ...place }: tree.Evaluate): void {
    this.#expressions.typeOf(expression)
    if (expression.kind === 'call' || expression.kind === 'refused') return
    this.#report(place, 'an expression whose value nobody uses', 'a call or an assignment')
  }

  #if({ condition, whenTrue, whenFalse }: tree.If): void {
    this.#expressions.condition(condition)
    this.#statement(whenTrue)
    if (whenFalse !== undefined) this.#statement(whenFalse)
  }

  #count({ name, type, from, below, step, body, ...place }: tree.Count): void {
    const first = this.#expressions.constant(from, 'where a loop begins')
    const bound = this.#expressions.constant(below, 'the bound of a loop')
    const stride = this.#expressions.constant(step, 'the step of a loop')
    if (stride.min < 1 && stride.min === stride.max) {
      this.#report(step, 'a loop that does not advance', 'i++')
    }
    const wanted = this.#annotated(place, type, name)
    const range = rangeOf(first.min, Math.max(first.min, bound.max - 1))
    this.#fit(below, { kind: 'number', range: bound }, wanted)
    this.#scopes.push(new Map())
    this.#declareLocal(name, { type: { kind: 'number', range }, isConst: true })
    this.#loops++
    this.#statement(body)
    this.#loops--
    this.#scopes.pop()
  }

  #each({ name, list, body }: tree.Each): void {
    const type = this.#itemsOf(list)
    this.#scopes.push(new Map())
    this.#declareLocal(name, { type, isConst: true })
    this.#loops++
    this.#statement(body)
    this.#loops--
    this.#scopes.pop()
  }

  /** What a list is made of; reports one that cannot be gone through. */
  #itemsOf(list: tree.Expression): Type {
    if (list.kind === 'refused') {
      this.#refuse(list)
      return UNKNOWN
    }
    const isLocal = list.kind === 'name' && this.#findLocal(list.name) !== undefined
    const entity = isLocal ? undefined : this.#program.entityOf(this.#file, list)
    if (entity?.kind !== 'list') {
      const isOpaque = entity?.kind === 'opaque'
      const what = isOpaque ? 'a list that only running the file could tell' : NO_LIST
      this.#report(list, `a loop over ${what}`, 'constant numbers in an array at the top level')
      return UNKNOWN
    }
    const { values } = entity
    if (values.length > LIST_MAX) {
      const message = `a loop over ${values.length} numbers, each with a body of its own`
      this.#report(list, message, `a table and a loop that counts, or ${LIST_MAX} numbers`)
    }
    const isEmpty = values.length === 0
    const range = isEmpty ? rangeOf(0, 0) : rangeOf(Math.min(...values), Math.max(...values))
    return { kind: 'number', range }
  }

  #return({ value, ...place }: tree.Return): void {
    if (value !== undefined) {
      this.#fit(value, this.#expressions.typeOf(value), this.#returns)
    } else if (this.#returns.kind !== 'void' && this.#returns.kind !== 'unknown') {
      this.#report(place, 'a return without the result', 'return …')
    }
  }

  /** Does `value` fit where `into` is expected? Kinds are tsc's to compare; widths are ours. */
  #fit(place: tree.Place, value: Type, into: Type): void {
    if (value.kind !== 'number' || into.kind !== 'number') return
    if (value.range.isRaw) return this.#reportRaw(place)
    if (isWithin(value.range, into.range)) return
    const { min, max } = value.range
    const width = widthOf(into.range)
    const expected = width ?? 'nothing negative'
    const message = `may be ${min} … ${max}, and ${expected} is expected`
    this.#report(place, message, `${width ?? 'u32'}(…)`)
  }

  #reportRaw(place: tree.Place): void {
    this.#report(place, 'may come out negative in JavaScript', 'u32(…)')
  }
}

/** What a constant with this annotation is known to be. */
function narrower(wanted: Type, found: Type): Type {
  if (wanted.kind !== 'number' || found.kind !== 'number' || found.range.isRaw) return wanted
  return { kind: 'number', range: intersection(wanted.range, found.range) }
}

/** The narrowest annotation that holds the range; undefined for positions, which have none. */
function widthOf(range: Range): string | undefined {
  return [...NUMBER_TYPES].find(([, width]) => isWithin(range, width))?.[0]
}
