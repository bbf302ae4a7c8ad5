/**
 * BTF, the type information that kernel and tools understand (Documentation/bpf/btf.rst), written.
 *
 *      +--------+-------+-------+---------------+
 *    0 | 0xeb9f | 1 ver.| flags | header length |     24 bytes; lengths and offsets are counted from
 *    8 | types: offset          | length        |     the header's end
 *   16 | texts: offset          | length        |
 *      +------------------------+---------------+
 *      | a type: 0 name u32 | 4 kind, count u32 | 8 size or type u32 | then what its kind has more    |
 *      | ... the first is number 1; 0 is void                                                        |
 *      | texts, NUL behind each; the first is empty                                                  |
 *
 * Types name each other by number, texts by offset. Names are C's; others are turned into such. A program's functions
 * and lines refer to the BTF it is loaded with: debug-lines.ts.
 */
import { viewOf } from '../base/bytes.ts'

export const BTF_MAGIC = 0xeb9f
export const BTF_HEADER_SIZE = 24
export const BTF_TYPE_SIZE = 12

/** BTF_KIND_… */
export const Kind = {
  void: 0,
  int: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  forward: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  function: 12,
  prototype: 13,
  variable: 14,
  section: 15,
  float: 16,
  declarationTag: 17,
  typeTag: 18,
  enum64: 19,
} as const

export interface Member {
  readonly name: string
  /** Number of its type. */
  readonly type: number
  /** Bytes from the struct's beginning. */
  readonly offset: number
}

/** How a function is checked: a static one as if it stood at each call, a global one once, for any arguments. */
export const Linkage = { static: 0, global: 1 } as const

/** Grows type by type; the methods return the number of the type they add. */
export class BtfWriter {
  readonly #types: number[] = []
  readonly #texts = new Map<string, number>()
  #textLength = 0
  #count = 0

  constructor() {
    this.text('')
  }

  /** Unsigned. */
  int(name: string, bytes: 1 | 2 | 4 | 8): number {
    return this.#add(name, Kind.int, 0, bytes, [8 * bytes])
  }

  /** To void, unless `type` is given. */
  pointer(type = 0): number {
    return this.#add('', Kind.pointer, 0, type, [])
  }

  /** `index` is the number of an integer type. */
  array(type: number, index: number, length: number): number {
    return this.#add('', Kind.array, 0, 0, [type, index, length])
  }

  struct(name: string, bytes: number, members: readonly Member[]): number {
    const words = members.flatMap((member) => [
      this.text(identifierOf(member.name)),
      member.type,
      8 * member.offset,
    ])
    return this.#add(name, Kind.struct, members.length, bytes, words)
  }

  /** A function's type: what it returns (0 for nothing) and takes. */
  prototype(result: number, parameters: readonly { name: string; type: number }[]): number {
    const words = parameters.flatMap(({ name, type }) => [this.text(identifierOf(name)), type])
    return this.#add('', Kind.prototype, parameters.length, result, words)
  }

  function(name: string, prototype: number, linkage: number): number {
    return this.#add(name, Kind.function, linkage, prototype, [])
  }

  /** The offset of a text, which is any. */
  text(text: string): number {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    const offset = this.#textLength
    this.#texts.set(text, offset)
    this.#textLength += Buffer.byteLength(text) + 1
    return offset
  }

  finish(): Uint8Array {
    const typeLength = 4 * this.#types.length
    const bytes = new Uint8Array(BTF_HEADER_SIZE + typeLength + this.#textLength)
    const view = viewOf(bytes)
    view.setUint16(0, BTF_MAGIC, true)
    view.setUint8(2, 1)
    const header = [BTF_HEADER_SIZE, 0, typeLength, typeLength, this.#textLength]
    header.forEach((word, i) => view.setUint32(4 + 4 * i, word, true))
    this.#types.forEach((word, i) => view.setUint32(BTF_HEADER_SIZE + 4 * i, word, true))
    const texts = [...this.#texts.keys()].map((text) => `${text}\0`).join('')
    bytes.set(Buffer.from(texts), BTF_HEADER_SIZE + typeLength)
    return bytes
  }

  #add(name: string, kind: number, count: number, sizeOrType: number, more: number[]): number {
    const nameAt = this.text(name === '' ? '' : identifierOf(name))
    this.#types.push(nameAt, (kind << 24) | count, sizeOrType, ...more)
    return ++this.#count
  }
}

const NAME_LENGTH_MAX = 127

/** As the kernel wants names: letters, digits and underscores, no digit first. */
export function identifierOf(name: string): string {
  const plain = name.replaceAll(/\W/g, '_').slice(0, NAME_LENGTH_MAX)
  return /^\d|^$/.test(plain) ? `_${plain}`.slice(0, NAME_LENGTH_MAX) : plain
}
