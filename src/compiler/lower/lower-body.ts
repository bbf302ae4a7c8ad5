/**
 * Lowering of statements: one function's body.
 */
import { assert } from '../../base/assert.ts'
import type { CheckedFunction } from '../language/check.ts'
import type { Code } from './code.ts'
import { immediate, type Label, type Operand } from '../ir/ir.ts'
import type { Lowering } from './lower.ts'
import { ValueLowering } from './lower-value.ts'
import type { Program } from '../language/program.ts'
import type * as tree from '../language/tree.ts'

interface Loop {
  readonly next: Label
  readonly end: Label
}

export class BodyLowering {
  readonly #checked: CheckedFunction
  readonly #code: Code
  readonly #program: Program
  readonly #values: ValueLowering
  /** Innermost last. */
  readonly #scopes: Map<string, Operand>[]
  readonly #loops: Loop[] = []

  constructor(
    lowering: Lowering,
    checked: CheckedFunction,
    code: Code,
    parameters: Map<string, Operand>,
  ) {
    this.#checked = checked
    this.#code = code
    this.#program = lowering.checked.program
    // The packet is a local without a value: nobody asks for it, but it hides what the top level has of that name.
    for (const { name, type } of checked.declared.parameters) {
      if (type?.name === 'Packet') parameters.set(name, immediate(0))
    }
    this.#scopes = [parameters]
    this.#values = new ValueLowering({
      code,
      program: this.#program,
      checked,
      findLocal: (name) => this.#scopes.findLast((scope) => scope.has(name))?.get(name),
      settledField: ({ name }, field) => lowering.settled[name]?.[field],
      call: (callee, values) => lowering.call(code, callee, values),
    })
  }

  run(): void {
    this.#block(this.#checked.declared.body)
    this.#code.add({ op: 'return', value: immediate(0) })
  }

  #block({ statements }: tree.Block): void {
    this.#scopes.push(new Map())
    for (const statement of statements) this.#statement(statement)
    this.#scopes.pop()
  }

  #statement(statement: tree.Statement): void {
    const { start, end } = statement
    const before = this.#code.moveTo({ file: this.#checked.file.path, start, end })
    this.#lower(statement)
    this.#code.moveTo(before)
  }

  #lower(statement: tree.Statement): void {
    switch (statement.kind) {
      case 'block':
        return this.#block(statement)
      case 'declare':
        return this.#declare(statement)
      case 'assign':
        return this.#assign(statement)
      case 'evaluate':
        return this.#values.evaluate(statement.expression)
      case 'if':
        return this.#if(statement)
      case 'count':
        return this.#count(statement)
      case 'return':
        return this.#return(statement)
      case 'break':
        return this.#code.jump(this.#loops.at(-1)!.end)
      case 'continue':
        return this.#code.jump(this.#loops.at(-1)!.next)
      case 'each':
        return this.#each(statement)
      case 'refused':
        throw new Error('the check lets nothing refused through')
    }
  }

  /** A register of its own: what it is made of may change. */
  #declare({ name, value }: tree.Declare): void {
    assert(value !== undefined, 'the check wants a value')
    this.#scopes.at(-1)!.set(name, this.#code.copy(this.#values.value(value)))
  }

  #assign({ target, value }: tree.Assign): void {
    const from = this.#values.value(value)
    if (target.kind === 'member') return this.#values.store(target, from)
    assert(target.kind === 'name', 'a name or a field is assigned to')
    const to = this.#scopes.findLast((scope) => scope.has(target.name))?.get(target.name)
    assert(to?.kind === 'register', `${target.name} is a variable`)
    this.#code.add({ op: 'move', to, from })
  }

  #if({ condition, whenTrue, whenFalse }: tree.If): void {
    const code = this.#code
    const [yes, no] = [code.label('then'), code.label('else')]
    this.#values.branch(condition, yes, no)
    code.mark(yes)
    this.#statement(whenTrue)
    if (whenFalse === undefined) return code.mark(no)
    const end = code.label('end')
    code.jump(end)
    code.mark(no)
    this.#statement(whenFalse)
    code.mark(end)
  }

  #count({ name, from, below, step, body }: tree.Count): void {
    const code = this.#code
    const counter = code.copy(this.#values.value(from))
    const loop = { next: code.label('next'), end: code.label('end') }
    const again = code.label('loop')
    const bound = this.#values.value(below)
    code.mark(again)
    code.add({ op: 'loop', times: this.#times(from, below, step) })
    code.add({
      op: 'branch',
      test: 'greaterOrEqual',
      width: 64,
      left: counter,
      right: bound,
      label: loop.end,
    })
    this.#scopes.push(new Map([[name, counter]]))
    this.#loops.push(loop)
    this.#statement(body)
    this.#loops.pop()
    this.#scopes.pop()
    code.mark(loop.next)
    const right = this.#values.value(step)
    code.add({ op: 'alu', operator: 'add', width: 64, to: counter, left: counter, right })
    code.jump(again)
    code.mark(loop.end)
  }

  /** The body once for each number, which is a constant there. */
  #each({ name, list, body }: tree.Each): void {
    const code = this.#code
    const entity = this.#program.entityOf(this.#checked.file, list)
    assert(entity?.kind === 'list', 'the check wants a list')
    const end = code.label('end')
    for (const value of entity.values) {
      const next = code.label('next')
      this.#scopes.push(new Map([[name, code.copy(immediate(value))]]))
      this.#loops.push({ next, end })
      this.#statement(body)
      this.#loops.pop()
      this.#scopes.pop()
      code.mark(next)
    }
    code.mark(end)
  }

  #times(...expressions: readonly [tree.Expression, tree.Expression, tree.Expression]): number {
    const { file } = this.#checked
    const [from, below, step] = expressions.map((one) => this.#program.evaluate(file, one))
    if (from === undefined || below === undefined || step === undefined) return Infinity
    return Math.ceil((below - from) / step)
  }

  #return({ value }: tree.Return): void {
    const result = value === undefined ? immediate(0) : this.#values.value(value)
    this.#code.add({ op: 'return', value: result })
  }
}
