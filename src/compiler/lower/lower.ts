/**
 * From the checked tree to linear code (ir.ts): the second pass.
 *
 * A function of the program becomes a function of the IR; inline.ts writes most of them where they are called. The
 * packet is no value: there is only one.
 */
import { assert } from '../../base/assert.ts'
import type { CheckedFunction, CheckedProgram } from '../language/check.ts'
import { Code } from './code.ts'
import type { IrFunction, IrProgram, IrTable, LocalStruct, Operand, Register } from '../ir/ir.ts'
import { sizeOf } from '../language/layout.ts'
import { BodyLowering } from './lower-body.ts'
import type { Entity, ProgramFile } from '../language/program.ts'
import type { FunctionDeclaration } from '../language/tree.ts'

/** Fields, by struct, that have one value wherever the program is to run: read as that, and never written. */
export type SettledFields = Readonly<Record<string, Readonly<Record<string, number>>>>

/** The program that begins with function `name` of the file at `path`. Its check found nothing wrong. */
export function lowerProgram(
  checked: CheckedProgram,
  path: string,
  name: string,
  settled: SettledFields = {},
): IrProgram {
  assert(checked.diagnostics.length === 0, 'only what is right is compiled')
  return new Lowering(checked, settled).run(path, name)
}

export class Lowering {
  readonly checked: CheckedProgram
  readonly settled: SettledFields
  readonly #names = new Map<FunctionDeclaration, string>()
  readonly #waiting: CheckedFunction[] = []
  readonly #tables = new Map<string, IrTable>()
  readonly #locals = new Map<string, LocalStruct>()

  constructor(checked: CheckedProgram, settled: SettledFields) {
    this.checked = checked
    this.settled = settled
  }

  run(path: string, name: string): IrProgram {
    const file = this.checked.program.files().find((one) => one.path === path)
    const entity = file && this.checked.program.resolve(file, name)
    assert(entity?.kind === 'function', `${path} has a function ${name}`)
    this.#want(entity.declared)
    const functions: IrFunction[] = []
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      functions.push(this.#lower(next))
    }
    this.#note(functions)
    return {
      functions,
      tables: [...this.#tables.values()],
      locals: [...this.#locals.values()],
    }
  }

  checkedOf(declared: FunctionDeclaration): CheckedFunction {
    const checked = this.checked.functions.get(declared)
    assert(checked !== undefined, `${declared.name} was checked`)
    return checked
  }

  /** The name under which the function can be called: its own, and a number if another file has one so called. */
  #want(declared: FunctionDeclaration): string {
    const known = this.#names.get(declared)
    if (known !== undefined) return known
    const taken = [...this.#names.keys()].filter(({ name }) => name === declared.name).length
    const name = taken === 0 ? declared.name : `${declared.name}.${taken + 1}`
    this.#names.set(declared, name)
    this.#waiting.push(this.checkedOf(declared))
    return name
  }

  #lower(checked: CheckedFunction): IrFunction {
    const code = new Code()
    const { declared, file } = checked
    const names = declared.parameters.filter(({ type }) => type?.name !== 'Packet')
    const parameters = names.map(({ type }) => {
      const view = type && this.checked.program.typeOf(file, type)
      const bytes = view?.kind === 'view' ? sizeOf(view.struct) : undefined
      const isNullable = type?.isNullable === true ? { isNullable: true } : {}
      return { register: code.register(), bytes, ...isNullable }
    })
    const values = new Map<string, Operand>(
      names.map(({ name }, i) => [name, parameters[i]!.register]),
    )
    new BodyLowering(this, checked, code, values).run()
    const { isApart, start, end } = declared
    const origin = { file: file.path, start, end }
    return code.finish({ name: this.#names.get(declared)!, isApart, origin }, parameters)
  }

  call(
    code: Code,
    { declared }: Entity & { readonly kind: 'function' },
    values: readonly Operand[],
  ): Operand | undefined {
    const isVoid = declared.returns?.name === 'void'
    const to: Register | undefined = isVoid ? undefined : code.register()
    code.add({ op: 'call', name: this.#want(declared), arguments: values, to })
    return to
  }

  /** Which tables and structs of their own the functions use. */
  #note(functions: readonly IrFunction[]): void {
    const used = new Set(
      functions.flatMap(({ operations }) =>
        operations.flatMap((one) => (one.op === 'row' ? one.table : [])),
      ),
    )
    const locals = new Set(
      functions.flatMap(({ operations }) =>
        operations.flatMap((one) => (one.op === 'local' ? one.name : [])),
      ),
    )
    for (const file of this.checked.program.files()) this.#noteFile(file, used, locals)
  }

  #noteFile(file: ProgramFile, tables: ReadonlySet<string>, locals: ReadonlySet<string>): void {
    for (const { name } of file.tree.constants) {
      const entity = this.checked.program.resolve(file, name)
      if (entity?.kind === 'table' && tables.has(entity.name)) {
        const { name: table, struct, rows } = entity
        const size = rows === undefined ? {} : { rows }
        this.#tables.set(table, { name: table, rowBytes: sizeOf(struct), ...size })
      }
      if (entity?.kind !== 'value' || entity.local === undefined) continue
      if (!locals.has(entity.local) || entity.type.kind !== 'view') continue
      const bytes = sizeOf(entity.type.struct)
      this.#locals.set(entity.local, { name: entity.local, bytes })
    }
  }
}
