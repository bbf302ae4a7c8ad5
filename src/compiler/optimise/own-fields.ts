/**
 * What functions do to the fields of the program's own structs (`X.local()`): which they look at, which they hand on.
 */
import {
  readBy,
  writtenBy,
  type Bytes,
  type IrFunction,
  type IrProgram,
  type Operation,
  type Register,
} from '../ir/ir.ts'

export interface Field {
  readonly struct: string
  readonly offset: number
  readonly bytes: Bytes
}
/** By name: `struct+offset`. */
export type Fields = ReadonlyMap<string, Field>

export interface OwnFields {
  /** Fields that are the same bytes wherever they are named, of structs whose address the first function keeps. */
  readonly kept: ReadonlySet<string>
  /** Of each function but the first: what it may look at, and what those may that it calls. */
  readonly read: FieldsByFunction
}
export type FieldsByFunction = ReadonlyMap<string, ReadonlySet<string>>

export function ownFieldsOf({ functions }: IrProgram): OwnFields {
  const [entry, ...apart] = functions
  const uses = new Map(functions.map((one) => [one.name, usesOf(one)]))
  const { lost } = uses.get(entry!.name)!
  const kept = keepable([...uses.values()], lost)
  /** Who hands a struct's address on may have anything done to it. */
  const handedOn = (name: string): string[] => {
    const { lost: structs } = uses.get(name)!
    return [...kept].filter((field) => structs.has(structOf(field)))
  }
  const read = ofCallees(apart, (name) => [...uses.get(name)!.read, ...handedOn(name)])
  return { kept, read }
}

interface Uses {
  /** Looked at or written here. */
  readonly fields: Fields
  readonly read: ReadonlySet<string>
  /** Structs whose address goes elsewhere, or where fields overlap. */
  readonly lost: ReadonlySet<string>
}

/** The struct that a register is the address of, if it never is anything else. */
export function structsIn({
  operations,
  parameters,
}: IrFunction): (one: Register) => string | undefined {
  const makers = new Map<number, Operation | undefined>()
  for (const { register: one } of parameters) makers.set(one.number, undefined)
  for (const one of operations) {
    const to = writtenBy(one)
    if (to !== undefined) makers.set(to.number, makers.has(to.number) ? undefined : one)
  }
  const structOf = ({ number }: Register): string | undefined => {
    const maker = makers.get(number)
    if (maker?.op === 'local') return maker.name
    if (maker?.op !== 'move' || maker.from.kind !== 'register') return undefined
    return structOf(maker.from)
  }
  return structOf
}

function usesOf(body: IrFunction): Uses {
  const structOf = structsIn(body)
  const fields = new Map<string, Field>()
  const read = new Set<string>()
  const lost = new Set<string>()
  for (const one of body.operations) {
    const isAccess = one.op === 'load' || one.op === 'store'
    const struct = isAccess ? structOf(one.base) : undefined
    if (isAccess && struct !== undefined) {
      const name = `${struct}+${one.offset}`
      const known = fields.get(name)
      if (known !== undefined && known.bytes !== one.bytes) lost.add(struct)
      fields.set(name, { struct, offset: one.offset, bytes: one.bytes })
      if (one.op === 'load') read.add(name)
    }
    const isCopy = one.op === 'move' && structOf(one.to) !== undefined
    if (isCopy) continue
    for (const operand of isAccess ? readBy(one).slice(1) : readBy(one)) {
      const escaped = operand.kind === 'register' ? structOf(operand) : undefined
      if (escaped !== undefined) lost.add(escaped)
    }
  }
  return { fields, read, lost }
}

function structOf(field: string): string {
  return field.slice(0, field.lastIndexOf('+'))
}

/** Fields that are the same bytes wherever they are named, of structs whose address the function keeps to itself. */
function keepable(uses: readonly Uses[], handedOn: ReadonlySet<string>): ReadonlySet<string> {
  const lost = new Set(handedOn)
  const all = new Map<string, Field>()
  for (const { fields } of uses) {
    for (const [name, field] of fields) {
      const known = all.get(name)
      if (known !== undefined && known.bytes !== field.bytes) lost.add(field.struct)
      all.set(name, field)
    }
  }
  const byStruct = new Map<string, Field[]>()
  for (const field of all.values()) {
    byStruct.set(field.struct, [...(byStruct.get(field.struct) ?? []), field])
  }
  for (const [struct, fields] of byStruct) {
    fields.sort((a, b) => a.offset - b.offset)
    const isApart = fields.every((one, i) => one.offset >= endOf(fields[i - 1]))
    if (!isApart) lost.add(struct)
  }
  return new Set([...all].flatMap(([name, { struct }]) => (lost.has(struct) ? [] : [name])))
}

function endOf(field: Field | undefined): number {
  return field === undefined ? 0 : field.offset + field.bytes
}

/** Of each function: `fieldsOf` it and of all that it calls. */
function ofCallees(
  functions: readonly IrFunction[],
  fieldsOf: (name: string) => Iterable<string>,
): FieldsByFunction {
  const touched = new Map(functions.map(({ name }) => [name, new Set(fieldsOf(name))] as const))
  for (let isChanging = true; isChanging;) {
    isChanging = false
    for (const { name, operations } of functions) {
      const own = touched.get(name)!
      const before = own.size
      for (const one of operations) {
        if (one.op === 'call') for (const field of touched.get(one.name)!) own.add(field)
      }
      isChanging ||= own.size !== before
    }
  }
  return touched
}
