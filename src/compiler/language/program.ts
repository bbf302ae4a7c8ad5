/**
 * What the names of a program mean: files, their top levels, and how one file's names lead to another's.
 *
 * The top level of a data-plane file is ordinary JavaScript and runs in V8. What function bodies may refer to
 * is read off its text: constants, structs (`row`, `header`), tables, cursors, and structs of their own
 * (`X.local()`).
 */
import { posix } from 'node:path'
import { parse } from './parse.ts'
import * as range from './range.ts'
import type { Range } from './range.ts'
import type { Constant, Expression, FileTree, FunctionDeclaration, TypeName } from './tree.ts'

/** A struct's fields, by kind as written: 'u8' … 'u64', 'atomic'. */
export interface Struct {
  readonly name: string
  readonly fields: ReadonlyMap<string, string>
  /** In a frame, big-endian; else in a table or of the program's own. */
  readonly isHeader: boolean
}

/** What an expression in a function body can be. */
export type Type =
  | { readonly kind: 'number'; readonly range: Range }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'null' }
  | { readonly kind: 'void' }
  | { readonly kind: 'packet' }
  | { readonly kind: 'view'; readonly struct: Struct }
  /** Already reported, or none of this pass's business. */
  | { readonly kind: 'unknown' }

/** What a name of the top level means. */
export type Entity =
  | {
      readonly kind: 'function'
      readonly file: ProgramFile
      readonly declared: FunctionDeclaration
    }
  /** `local`: what names it in the whole program, if it is a struct of the program's own. */
  | {
      readonly kind: 'value'
      readonly type: Type
      readonly local?: string
      readonly truth?: boolean
    }
  | { readonly kind: 'group'; readonly file: ProgramFile; readonly value: Expression }
  | { readonly kind: 'namespace'; readonly file: ProgramFile }
  /** Numbers that `for … of` goes through. */
  | { readonly kind: 'list'; readonly values: readonly number[] }
  | { readonly kind: 'struct'; readonly struct: Struct }
  /** `rows`: as declared, as far as the text tells. */
  | {
      readonly kind: 'table'
      readonly struct: Struct
      readonly name: string
      readonly rows: number | undefined
    }
  /** `table`: whose rows; undefined: over headers in a frame. */
  | { readonly kind: 'cursor'; readonly struct: Struct; readonly table: string | undefined }
  /** A constant that only running the file can tell. */
  | { readonly kind: 'opaque' }
  | { readonly kind: 'variable' }

export interface ProgramFile {
  readonly path: string
  readonly text: string
  readonly tree: FileTree
}

/** Where the language's own functions live: called by everybody, implemented by each engine. */
export const RUNTIME_FOLDER = 'src/subset/'

export class Program {
  readonly #files = new Map<string, ProgramFile>()
  readonly #entities = new Map<string, Entity | undefined>()

  /** Text by path from the repository's root. */
  constructor(texts: ReadonlyMap<string, string>) {
    for (const [path, text] of texts) {
      this.#files.set(path, { path, text, tree: parse(path, text) })
    }
  }

  files(): ProgramFile[] {
    return [...this.#files.values()]
  }

  /** What `name` means at the top level of `file`; undefined if nothing that a function body could use. */
  resolve(file: ProgramFile, name: string): Entity | undefined {
    const key = `${file.path} ${name}`
    if (!this.#entities.has(key)) {
      this.#entities.set(key, undefined) // a name that leads back to itself means nothing
      this.#entities.set(key, this.#lookUp(file, name))
    }
    return this.#entities.get(key)
  }

  #lookUp(file: ProgramFile, name: string): Entity | undefined {
    const { tree } = file
    const declared = tree.functions.find((one) => one.name === name)
    if (declared !== undefined) return { kind: 'function', file, declared }
    const constant = tree.constants.find((one) => one.name === name)
    if (constant !== undefined) return this.#constant(file, constant)
    if (tree.variables.some((one) => one.name === name)) return { kind: 'variable' }
    const imported = tree.imports.find((one) => one.local === name)
    const target = imported && this.#target(file, imported.from)
    if (imported === undefined || target === undefined) return undefined
    if (imported.imported === '*') return { kind: 'namespace', file: target }
    return this.resolve(target, imported.imported)
  }

  #target(file: ProgramFile, from: string): ProgramFile | undefined {
    return this.#files.get(posix.join(posix.dirname(file.path), from))
  }

  #constant(file: ProgramFile, { name, value }: Constant): Entity {
    if (value.kind === 'object') return { kind: 'group', file, value }
    if (value.kind === 'call') return this.#made(file, name, value) ?? { kind: 'opaque' }
    if (value.kind === 'name') return this.resolve(file, value.name) ?? { kind: 'opaque' }
    if (value.kind === 'list') return this.#list(file, value.items)
    if (value.kind === 'boolean') {
      return { kind: 'value', type: { kind: 'boolean' }, truth: value.value }
    }
    const number = this.evaluate(file, value)
    if (number === undefined) return { kind: 'opaque' }
    return { kind: 'value', type: { kind: 'number', range: range.rangeOf(number, number) } }
  }

  #list(file: ProgramFile, items: readonly Expression[]): Entity {
    const values = items.flatMap((item) => this.evaluate(file, item) ?? [])
    return values.length === items.length ? { kind: 'list', values } : { kind: 'opaque' }
  }

  /** `row('x', {…})`, `table('x', Struct, n)`, `x.cursor()`, `Struct.local()`. */
  #made(file: ProgramFile, name: string, call: Expression & { kind: 'call' }): Entity | undefined {
    const { callee } = call
    if (callee.kind === 'name' && (callee.name === 'row' || callee.name === 'header')) {
      const fields = call.arguments[1]
      if (fields?.kind !== 'object') return undefined
      const kinds = fields.entries.map(([field, kind]): [string, string] => [
        field,
        kind.kind === 'string' ? kind.value : '',
      ])
      const isHeader = callee.name === 'header'
      return { kind: 'struct', struct: { name, fields: new Map(kinds), isHeader } }
    }
    if (callee.kind === 'name' && callee.name === 'table') {
      const struct = call.arguments[1] && this.entityOf(file, call.arguments[1])
      const [title, , size] = call.arguments
      if (struct?.kind !== 'struct' || title?.kind !== 'string') return undefined
      const rows = size && this.evaluate(file, size)
      return { kind: 'table', struct: struct.struct, name: title.value, rows }
    }
    if (callee.kind !== 'member') return undefined
    const owner = this.entityOf(file, callee.object)
    if (callee.name === 'cursor' && owner?.kind === 'table') {
      return { kind: 'cursor', struct: owner.struct, table: owner.name }
    }
    if (owner?.kind !== 'struct') return undefined
    const { struct } = owner
    if (callee.name === 'cursor') return { kind: 'cursor', struct, table: undefined }
    if (callee.name === 'local') {
      return { kind: 'value', type: { kind: 'view', struct }, local: `${file.path}#${name}` }
    }
    return undefined
  }

  /** What a name, or a member of a namespace or group of constants, means. */
  entityOf(file: ProgramFile, expression: Expression): Entity | undefined {
    if (expression.kind === 'name') return this.resolve(file, expression.name)
    if (expression.kind !== 'member') return undefined
    const owner = this.entityOf(file, expression.object)
    if (owner?.kind === 'namespace') return this.resolve(owner.file, expression.name)
    if (owner?.kind === 'opaque') return owner
    if (owner?.kind !== 'group' || owner.value.kind !== 'object') return undefined
    const entry = owner.value.entries.find(([name]) => name === expression.name)
    if (entry === undefined) return undefined
    const [name, value] = entry
    return this.#constant(owner.file, { name, value, start: value.start, end: value.end })
  }

  /** The number that a constant expression of the top level has, as far as its text tells. */
  evaluate(file: ProgramFile, expression: Expression): number | undefined {
    const { kind } = expression
    if (kind === 'number') return expression.value
    if (kind === 'name' || kind === 'member') {
      const entity = this.entityOf(file, expression)
      if (entity?.kind !== 'value' || entity.type.kind !== 'number') return undefined
      const { min, max } = entity.type.range
      return min === max ? min : undefined
    }
    if (kind === 'unary') {
      const operand = this.evaluate(file, expression.operand)
      if (operand === undefined || expression.operator === '!') return undefined
      return expression.operator === '-' ? -operand : ~operand
    }
    if (kind !== 'binary') return undefined
    const left = this.evaluate(file, expression.left)
    const right = this.evaluate(file, expression.right)
    if (left === undefined || right === undefined) return undefined
    const result = COMPUTE[expression.operator]?.(left, right)
    return result !== undefined && Number.isSafeInteger(result) ? result : undefined
  }

  /** The type an annotation names; undefined if the language has none of that name. */
  typeOf(file: ProgramFile, { name }: TypeName): Type | undefined {
    const built = BUILT_IN_TYPES.get(name)
    if (built !== undefined) return built
    const struct = this.#viewStruct(file, name)
    return struct === undefined ? undefined : { kind: 'view', struct }
  }

  #viewStruct(file: ProgramFile, view: string): Struct | undefined {
    const name = file.tree.views.get(view)
    if (name !== undefined) {
      const entity = this.resolve(file, name)
      return entity?.kind === 'struct' ? entity.struct : undefined
    }
    const imported = file.tree.imports.find((one) => one.local === view)
    const target = imported && this.#target(file, imported.from)
    return target && this.#viewStruct(target, imported.imported)
  }
}

export const NUMBER_TYPES: ReadonlyMap<string, Range> = new Map([
  ['u8', range.U8],
  ['u16', range.U16],
  ['u32', range.U32],
])

const BUILT_IN_TYPES: ReadonlyMap<string, Type> = new Map<string, Type>([
  ...[...NUMBER_TYPES].map(([name, each]): [string, Type] => [
    name,
    { kind: 'number', range: each },
  ]),
  ['boolean', { kind: 'boolean' }],
  ['void', { kind: 'void' }],
  ['Packet', { kind: 'packet' }],
])

/** What a field of each kind reads as. */
export const FIELD_RANGES: ReadonlyMap<string, Range> = new Map([
  ...NUMBER_TYPES,
  ['atomic', range.U32],
  ['u64', range.rangeOf(0, Number.MAX_SAFE_INTEGER)],
])

type Compute = (a: number, b: number) => number
const COMPUTE: Readonly<Partial<Record<string, Compute>>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
  '&': (a, b) => a & b,
  '|': (a, b) => a | b,
  '^': (a, b) => a ^ b,
  '<<': (a, b) => a << b,
  '>>>': (a, b) => a >>> b,
}
