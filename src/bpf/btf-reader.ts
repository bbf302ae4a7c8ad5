/**
 * BTF, read (its picture is in btf.ts): what the kernel says of its own functions and structures, in
 * /sys/kernel/btf/vmlinux: 5 MB and 150 000 types, indexed in some 10 ms.
 *
 * A kernel's file is trusted to be well-meant, not to be well-formed: lengths, offsets and nesting are bounded, and
 * what does not hold together is undefined.
 */
import { viewOf } from '../base/bytes.ts'
import { BTF_HEADER_SIZE, BTF_MAGIC, BTF_TYPE_SIZE, Kind } from './btf.ts'

/** Where a member of a structure lies. */
export interface MemberPlace {
  /** Of its lowest bit, from the structure's beginning. */
  readonly bitOffset: number
  /** Undefined for what is no bit field. */
  readonly bitSize: number | undefined
  /** Number of its type. */
  readonly type: number
}

/** Bytes behind a type's head, by kind: fixed, and for each it counts. */
const TRAILERS: Readonly<Record<number, readonly [number, number]>> = {
  [Kind.int]: [4, 0],
  [Kind.pointer]: [0, 0],
  [Kind.array]: [12, 0],
  [Kind.struct]: [0, 12],
  [Kind.union]: [0, 12],
  [Kind.enum]: [0, 8],
  [Kind.forward]: [0, 0],
  [Kind.typedef]: [0, 0],
  [Kind.volatile]: [0, 0],
  [Kind.const]: [0, 0],
  [Kind.restrict]: [0, 0],
  [Kind.function]: [0, 0],
  [Kind.prototype]: [0, 8],
  [Kind.variable]: [4, 0],
  [Kind.section]: [0, 12],
  [Kind.float]: [0, 0],
  [Kind.declarationTag]: [4, 0],
  [Kind.typeTag]: [0, 0],
  [Kind.enum64]: [0, 12],
}
const NEST_MAX = 8

interface Sections {
  readonly typeStart: number
  readonly typeEnd: number
  readonly textStart: number
  readonly textEnd: number
}

export class BtfReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #sections: Sections
  /** Where each type begins; the first is number 1. */
  readonly #places: readonly number[]

  private constructor(bytes: Uint8Array, sections: Sections, places: readonly number[]) {
    this.#bytes = bytes
    this.#view = viewOf(bytes)
    this.#sections = sections
    this.#places = places
  }

  /** Undefined if it is no BTF, of another byte order, or cut. */
  static parse(bytes: Uint8Array): BtfReader | undefined {
    const sections = readHeader(bytes)
    if (sections === undefined) return undefined
    const places = listTypes(viewOf(bytes), sections)
    return places === undefined ? undefined : new BtfReader(bytes, sections, places)
  }

  /** How many types there are, void not counted. */
  get count(): number {
    return this.#places.length
  }

  /** The number of the first type of that kind and name. */
  find(kind: number, name: string): number | undefined {
    const wanted = Buffer.from(`${name}\0`)
    const index = this.#places.findIndex(
      (at) =>
        kindAt(this.#view, at) === kind && this.#isText(this.#view.getUint32(at, true), wanted),
    )
    return index < 0 ? undefined : index + 1
  }

  kindOf(type: number): number {
    const at = this.#places[type - 1]
    return at === undefined ? Kind.void : kindAt(this.#view, at)
  }

  nameOf(type: number): string {
    const at = this.#places[type - 1]
    return at === undefined ? '' : this.#text(this.#view.getUint32(at, true))
  }

  /** A member of a struct or union, also one within unnamed members of it. */
  member(type: number, name: string): MemberPlace | undefined {
    return this.#member(type, Buffer.from(`${name}\0`), 0, NEST_MAX)
  }

  #member(type: number, wanted: Uint8Array, base: number, depth: number): MemberPlace | undefined {
    const at = this.#places[type - 1]
    if (at === undefined || depth === 0) return undefined
    const kind = kindAt(this.#view, at)
    if (kind !== Kind.struct && kind !== Kind.union) return undefined
    const info = this.#view.getUint32(at + 4, true)
    const hasBitFields = info >>> 31 === 1
    for (let i = 0; i < (info & 0xffff); i++) {
      const entry = at + BTF_TYPE_SIZE + 12 * i
      const [nameAt, memberType, where] = [0, 4, 8].map((offset) =>
        this.#view.getUint32(entry + offset, true),
      ) as [number, number, number]
      const bitOffset = base + (hasBitFields ? where & 0xffffff : where)
      const bitSize = hasBitFields && where >>> 24 !== 0 ? where >>> 24 : undefined
      if (this.#isText(nameAt, wanted)) return { bitOffset, bitSize, type: memberType }
      const isNamed = this.#bytes[this.#sections.textStart + nameAt] !== 0
      const within = isNamed ? undefined : this.#member(memberType, wanted, bitOffset, depth - 1)
      if (within !== undefined) return within
    }
    return undefined
  }

  /** Is it `wanted`, with its NUL? */
  #isText(offset: number, wanted: Uint8Array): boolean {
    const start = this.#sections.textStart + offset
    if (start + wanted.length > this.#sections.textEnd) return false
    for (let i = 0; i < wanted.length; i++) {
      if (this.#bytes[start + i] !== wanted[i]) return false
    }
    return true
  }

  #text(offset: number): string {
    const start = this.#sections.textStart + offset
    if (start >= this.#sections.textEnd) return ''
    const end = this.#bytes.indexOf(0, start)
    return Buffer.from(this.#bytes.subarray(start, end)).toString()
  }
}

function kindAt(view: DataView, at: number): number {
  return (view.getUint32(at + 4, true) >>> 24) & 0x1f
}

function readHeader(bytes: Uint8Array): Sections | undefined {
  if (bytes.length < BTF_HEADER_SIZE) return undefined
  const view = viewOf(bytes)
  const headerSize = view.getUint32(4, true)
  if (view.getUint16(0, true) !== BTF_MAGIC || headerSize < BTF_HEADER_SIZE) return undefined
  const typeStart = headerSize + view.getUint32(8, true)
  const typeEnd = typeStart + view.getUint32(12, true)
  const textStart = headerSize + view.getUint32(16, true)
  const textEnd = textStart + view.getUint32(20, true)
  const isWithin = typeEnd <= bytes.length && textEnd <= bytes.length && textStart < textEnd
  if (!isWithin || bytes[textEnd - 1] !== 0 || bytes[textStart] !== 0) return undefined
  return { typeStart, typeEnd, textStart, textEnd }
}

/** Undefined if a kind is unknown, for then nobody knows where the next type begins. */
function listTypes(view: DataView, { typeStart, typeEnd }: Sections): number[] | undefined {
  const places: number[] = []
  for (let at = typeStart; at < typeEnd;) {
    if (typeEnd - at < BTF_TYPE_SIZE) return undefined
    const kind = kindAt(view, at)
    const trailer = TRAILERS[kind]
    if (trailer === undefined) return undefined
    const count = view.getUint32(at + 4, true) & 0xffff
    const end = at + BTF_TYPE_SIZE + trailer[0] + trailer[1] * count
    if (end > typeEnd) return undefined
    places.push(at)
    at = end
  }
  return places
}
