/**
 * Fixed structs: how bytes in a frame and in a table get names.
 *
 * A struct is declared once, at the top level of a module:
 *
 *     export const Udp = header('udp', { sourcePort: 'u16', destinationPort: 'u16', length: 'u16', checksum: 'u16' })
 *     export const Server = row('server', { weight: 'u32', active: 'atomic', inBytes: 'u64' })
 *
 * `header` lies in a frame: fields follow each other without gaps and are big-endian there; `row` lies in a
 * table: fields are naturally aligned (declaring one out of alignment throws) and little-endian, the byte
 * order of every machine this runs on. Either way a field reads and writes as a plain unsigned number.
 *
 *   field kind      reads as           also
 *   u8 u16 u32      number
 *   atomic (u32)    number             addName(n): the value before;  swapName(expected, next): did it?
 *   u64             number (< 2^53)    addName(n). The packet path only adds; the control plane reads.
 *
 * **Cursors.** The packet path may not allocate, so it reads through a cursor: one object, made at the top
 * level, that `at` points at a place:
 *
 *     const udpAt = Udp.cursor()
 *     const udp = udpAt.at(packet, offset)
 *     if (udp === null) return …          // the bounds check the kernel's verifier wants, too
 *
 * Two rules make this as safe as fresh objects, and `tests/tidy.test.ts` checks the first: each cursor is
 * pointed at exactly one place in the source, and a view is never returned nor kept. (A function never calls
 * itself, so a view in use is never moved by anybody else.)
 *
 * The accessor classes are generated as source text, once a struct, so that V8 sees constants for offsets
 * and sizes and inlines every access to one load. That is this file's reason to exist.
 */
import type { Packet } from './packet.ts'

export type FieldKind = 'u8' | 'u16' | 'u32' | 'atomic' | 'u64'
export type Fields = Record<string, FieldKind>

type Plain<F extends Fields> = {
  -readonly [K in keyof F]: number
}
type Adders<F extends Fields> = {
  [K in keyof F as F[K] extends 'atomic' | 'u64' ? `add${Capitalize<K & string>}` : never]: (
    n: number,
  ) => number
}
type Swappers<F extends Fields> = {
  [K in keyof F as F[K] extends 'atomic' ? `swap${Capitalize<K & string>}` : never]: (
    expected: number,
    next: number,
  ) => boolean
}

/** Named access to one struct at one place. */
export type View<F extends Fields> = Plain<F> & Adders<F> & Swappers<F>
/** The view type of a declared struct: `type Connection = ViewOf<typeof Connection>`. */
export type ViewOf<S extends { readonly fields: Fields }> = View<S['fields']>

/** Where a table's bytes are; see table.ts. */
export interface Memory {
  readonly capacity: number
  readonly bytes: DataView
  readonly base: number
}
export interface TableBinding {
  memory: Memory
}

export interface HeaderCursor<F extends Fields> {
  /** The header at `offset` bytes into the frame, or null if it would reach past the frame's end. */
  at(packet: Packet, offset: number): View<F> | null
}
export interface RowCursor<F extends Fields> {
  /** Row `index`, or null if the table has no such row. */
  at(index: number): View<F> | null
}

interface Layout<F extends Fields> {
  readonly name: string
  readonly fields: F
  /** Byte offset of each field. */
  readonly offsets: Readonly<Record<keyof F & string, number>>
  /** Bytes. */
  readonly size: number
}

export interface Header<F extends Fields> extends Layout<F> {
  readonly kind: 'header'
  cursor(): HeaderCursor<F>
  /** A view of its own over any bytes, for control plane and tests. */
  view(bytes: DataView, base: number): View<F>
}
export interface Row<F extends Fields> extends Layout<F> {
  readonly kind: 'row'
  /** A cursor over the rows of the table that `binding` names at the time of each `at`. */
  cursor(binding: TableBinding): RowCursor<F>
  view(bytes: DataView, base: number): View<F>
  /** A struct of its own, outside any table: results a function hands to its caller. */
  local(): View<F>
}

const BYTES: Record<FieldKind, number> = { u8: 1, u16: 2, u32: 4, atomic: 4, u64: 8 }

/** Declares a struct in a frame: packed, network byte order. */
export function header<const F extends Fields>(name: string, fields: F): Header<F> {
  const { offsets, size } = layOut(name, fields, false)
  const View = makeViewClass(name, fields, offsets, false)
  const Cursor = makeHeaderCursor(View, size)
  return {
    kind: 'header',
    name,
    fields,
    offsets,
    size,
    cursor: () => new Cursor() as HeaderCursor<F>,
    view: (bytes, base) => place(new View(), bytes, base) as unknown as View<F>,
  }
}

/** Declares a struct in a table: naturally aligned, little-endian. */
export function row<const F extends Fields>(name: string, fields: F): Row<F> {
  const { offsets, size } = layOut(name, fields, true)
  const View = makeViewClass(name, fields, offsets, true)
  rowClasses.push({ prototype: View.prototype as object, fields, offsets })
  const Cursor = makeRowCursor(View, size)
  const view = (bytes: DataView, base: number) =>
    place(new View(), bytes, base) as unknown as View<F>
  return {
    kind: 'row',
    name,
    fields,
    offsets,
    size,
    cursor: (binding) => new Cursor(binding) as RowCursor<F>,
    view,
    local: () => view(new DataView(new ArrayBuffer(size)), 0),
  }
}

/** Of every row declared so far: for shared-memory.ts alone. */
export const rowClasses: {
  readonly prototype: object
  readonly fields: Fields
  readonly offsets: Readonly<Record<string, number>>
}[] = []

interface Placed {
  bytes: DataView
  base: number
}
/** Where the fields of a row stand. Throws Error for one out of alignment. */
export function layOutRow(name: string, fields: Fields) {
  return layOut(name, fields, true)
}

type ViewClass = new () => Placed

function place(view: Placed, bytes: DataView, base: number): Placed {
  view.bytes = bytes
  view.base = base
  return view
}

function layOut<F extends Fields>(name: string, fields: F, aligned: boolean) {
  const offsets = {} as Record<keyof F & string, number>
  let offset = 0
  for (const [field, kind] of Object.entries(fields)) {
    const bytes = BYTES[kind]
    if (aligned && offset % bytes !== 0) {
      throw new Error(`struct ${name}: ${field} (${kind}) stands at ${offset}, out of alignment`)
    }
    offsets[field as keyof F & string] = offset
    offset += bytes
  }
  return { offsets, size: offset }
}

const GETTER: Record<FieldKind, string> = {
  u8: 'getUint8',
  u16: 'getUint16',
  u32: 'getUint32',
  atomic: 'getUint32',
  u64: '',
}

/** The source of one field's accessors. `at` is the byte's address as an expression. */
function accessors(field: string, kind: FieldKind, offset: number, littleEndian: boolean): string {
  const at = offset === 0 ? 'this.base' : `this.base + ${offset}`
  const name = field[0]!.toUpperCase() + field.slice(1)
  const le = littleEndian ? ', true' : ''
  if (kind === 'u64') {
    const low = littleEndian ? at : `${at} + 4`
    const high = littleEndian ? `${at} + 4` : at
    return `
      get ${field}() { return this.bytes.getUint32(${high}${le}) * 4294967296 + this.bytes.getUint32(${low}${le}) }
      set ${field}(v) {
        this.bytes.setUint32(${high}, Math.floor(v / 4294967296)${le}); this.bytes.setUint32(${low}, v >>> 0${le})
      }
      add${name}(n) {
        const sum = this.bytes.getUint32(${low}${le}) + n
        this.bytes.setUint32(${low}, sum >>> 0${le})
        if (sum > 4294967295) this.bytes.setUint32(${high}, this.bytes.getUint32(${high}${le}) + 1 >>> 0${le})
        return 0
      }`
  }
  const get = `this.bytes.${GETTER[kind]}(${at}${kind === 'u8' ? '' : le})`
  const set = (value: string) =>
    `this.bytes.${GETTER[kind].replace('get', 'set')}(${at}, ${value}${kind === 'u8' ? '' : le})`
  const plain = `
      get ${field}() { return ${get} }
      set ${field}(v) { ${set('v')} }`
  if (kind !== 'atomic') return plain
  return `${plain}
      add${name}(n) { const was = ${get}; ${set('was + n >>> 0')}; return was }
      swap${name}(expected, next) { if (${get} !== expected) return false; ${set('next')}; return true }`
}

function makeViewClass<F extends Fields>(
  name: string,
  fields: F,
  offsets: Readonly<Record<string, number>>,
  littleEndian: boolean,
): ViewClass {
  const body = Object.entries(fields)
    .map(([field, kind]) => accessors(field, kind, offsets[field]!, littleEndian))
    .join('')
  const source = `
    return class ${name.replace(/\W/g, '_')}View {
      constructor() { this.bytes = nothing; this.base = 0 }
      ${body}
    }`
  return new Function('nothing', source)(NOTHING) as ViewClass
}

const NOTHING = new DataView(new ArrayBuffer(0))

function makeHeaderCursor(View: ViewClass, size: number): new () => unknown {
  const source = `
    return class extends View {
      at(packet, offset) {
        if (offset + ${size} > packet.length) return null
        this.bytes = packet.bytes
        this.base = packet.start + offset
        return this
      }
    }`
  return new Function('View', source)(View) as new () => unknown
}

function makeRowCursor(View: ViewClass, size: number): new (binding: TableBinding) => unknown {
  const source = `
    return class extends View {
      constructor(table) { super(); this.table = table }
      at(index) {
        const memory = this.table.memory
        if (index >= memory.capacity) return null
        this.bytes = memory.bytes
        this.base = memory.base + index * ${size}
        return this
      }
    }`
  return new Function('View', source)(View) as new (binding: TableBinding) => unknown
}
