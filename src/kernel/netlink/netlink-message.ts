/**
 * Netlink messages and attributes — RFC 3549 §2.2, include/uapi/linux/netlink.h, net/netlink/.
 *
 *      +-------------------------------+-------------------------------+
 *   0  |  length of all that follows, this header included             |
 *   4  |  type                      6  |  flags                        |
 *   8  |  sequence number: an answer has its request's                 |
 *  12  |  port: 0 is the kernel                                        |
 *      +---------------------------------------------------------------+
 *  16  |  a fixed structure, by the type; then attributes, each:       |
 *      |                                                               |
 *      |  0 length u16 (header + value) | 2 type u16 | 4 value, padded to 4 bytes
 *      +---------------------------------------------------------------+
 *
 * Numbers are in the machine's order, which is little-endian wherever this runs. What came from the kernel is
 * read with bounds checked once, in `parseMessages` and `Attributes.parse`; a value shorter than its getter's
 * width counts as absent.
 */
import { viewOf } from '../../base/bytes.ts'

export const HEADER_SIZE = 16
const ATTRIBUTE_HEADER_SIZE = 4
/** NLA_F_NESTED and NLA_F_NET_BYTEORDER are flags above the type. */
const NESTED = 0x8000
const TYPE_MASK = 0x3fff
const LITTLE = true

/** Types every protocol has. */
export const ControlType = { noop: 1, error: 2, done: 3, overrun: 4 } as const

/** Flags of requests (NLM_F_…). `replace`, `exclusive`, `create` and `append` are of those that make something. */
export const RequestFlag = {
  request: 0x1,
  acknowledge: 0x4,
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
} as const

/** Flags of answers: what was listed changed meanwhile; the request is not quoted; attributes follow. */
export const AnswerFlag = {
  multi: 0x2,
  interrupted: 0x10,
  capped: 0x100,
  hasAttributes: 0x200,
} as const

export interface Message {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  /** What follows the header: a view, not a copy. */
  readonly body: Uint8Array
}

/** The messages of one datagram; undefined if it is cut anywhere or lies about a length. */
export function parseMessages(datagram: Uint8Array): Message[] | undefined {
  const view = viewOf(datagram)
  const messages: Message[] = []
  for (let at = 0; at < datagram.length;) {
    if (datagram.length - at < HEADER_SIZE) return undefined
    const length = view.getUint32(at, LITTLE)
    if (length < HEADER_SIZE || length > datagram.length - at) return undefined
    messages.push({
      type: view.getUint16(at + 4, LITTLE),
      flags: view.getUint16(at + 6, LITTLE),
      sequence: view.getUint32(at + 8, LITTLE),
      body: datagram.subarray(at + HEADER_SIZE, at + length),
    })
    at += padded(length)
  }
  return messages
}

/** One message, whole. */
export function emitMessage(
  type: number,
  flags: number,
  sequence: number,
  body: Uint8Array,
): Uint8Array {
  const message = new Uint8Array(padded(HEADER_SIZE + body.length))
  const view = viewOf(message)
  view.setUint32(0, HEADER_SIZE + body.length, LITTLE)
  view.setUint16(4, type, LITTLE)
  view.setUint16(6, flags, LITTLE)
  view.setUint32(8, sequence, LITTLE)
  message.set(body, HEADER_SIZE)
  return message
}

export interface Attribute {
  /** Without the flags. */
  readonly type: number
  readonly value: Uint8Array
}

/** The attributes of a message or of a nest, read by type; of several with one type the last counts. */
export class Attributes {
  /** In the order they came in. */
  readonly list: readonly Attribute[]
  readonly #byType: ReadonlyMap<number, Uint8Array>

  private constructor(list: readonly Attribute[]) {
    this.list = list
    this.#byType = new Map(list.map(({ type, value }) => [type, value]))
  }

  /** Undefined if an attribute is cut or lies about its length. */
  static parse(bytes: Uint8Array): Attributes | undefined {
    const view = viewOf(bytes)
    const list: Attribute[] = []
    for (let at = 0; at < bytes.length;) {
      if (bytes.length - at < ATTRIBUTE_HEADER_SIZE) return undefined
      const length = view.getUint16(at, LITTLE)
      if (length < ATTRIBUTE_HEADER_SIZE || length > bytes.length - at) return undefined
      const type = view.getUint16(at + 2, LITTLE) & TYPE_MASK
      list.push({ type, value: bytes.subarray(at + ATTRIBUTE_HEADER_SIZE, at + length) })
      at += padded(length)
    }
    return new Attributes(list)
  }

  has(type: number): boolean {
    return this.#byType.has(type)
  }

  bytes(type: number): Uint8Array | undefined {
    return this.#byType.get(type)
  }

  u8(type: number): number | undefined {
    return this.#at(type, 1)?.getUint8(0)
  }

  u16(type: number): number | undefined {
    return this.#at(type, 2)?.getUint16(0, LITTLE)
  }

  u32(type: number): number | undefined {
    return this.#at(type, 4)?.getUint32(0, LITTLE)
  }

  i32(type: number): number | undefined {
    return this.#at(type, 4)?.getInt32(0, LITTLE)
  }

  /** Up to the NUL, if there is one. */
  text(type: number): string | undefined {
    const value = this.#byType.get(type)
    if (value === undefined) return undefined
    const end = value.indexOf(0)
    return Buffer.from(end < 0 ? value : value.subarray(0, end)).toString()
  }

  nested(type: number): Attributes | undefined {
    const value = this.#byType.get(type)
    return value === undefined ? undefined : Attributes.parse(value)
  }

  #at(type: number, width: number): DataView | undefined {
    const value = this.#byType.get(type)
    return value === undefined || value.length < width ? undefined : viewOf(value)
  }
}

/** Builds a message's body: the fixed structure, then attributes in the order of the calls. */
export class BodyWriter {
  #bytes = new Uint8Array(256)
  #length = 0

  constructor(structure: Uint8Array) {
    this.#add(structure)
  }

  bytes(type: number, value: Uint8Array): this {
    const header = new Uint8Array(ATTRIBUTE_HEADER_SIZE)
    viewOf(header).setUint16(0, ATTRIBUTE_HEADER_SIZE + value.length, LITTLE)
    viewOf(header).setUint16(2, type, LITTLE)
    this.#add(header)
    this.#add(value)
    return this
  }

  u8(type: number, value: number): this {
    return this.bytes(type, Uint8Array.of(value))
  }

  u16(type: number, value: number): this {
    return this.bytes(type, new Uint8Array(Uint16Array.of(value).buffer))
  }

  u32(type: number, value: number): this {
    return this.bytes(type, new Uint8Array(Uint32Array.of(value).buffer))
  }

  /** With a NUL behind it. */
  text(type: number, value: string): this {
    return this.bytes(type, Buffer.from(`${value}\0`))
  }

  /** An attribute of attributes, which `write` adds; `structure` stands before them. */
  nested(
    type: number,
    write: (nest: BodyWriter) => void,
    structure: Uint8Array = new Uint8Array(0),
  ): this {
    const nest = new BodyWriter(structure)
    write(nest)
    return this.bytes(type | NESTED, nest.finish())
  }

  /** The body so far: a view. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Padded with zeros. */
  #add(bytes: Uint8Array): void {
    const end = this.#length + padded(bytes.length)
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.length))
      larger.set(this.finish())
      this.#bytes = larger
    }
    this.#bytes.set(bytes, this.#length)
    this.#length = end
  }
}

function padded(length: number): number {
  return (length + 3) & ~3
}
