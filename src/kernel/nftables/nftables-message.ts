/**
 * nftables over netlink: the messages of one transaction.
 *
 * The kernel takes a transaction as one datagram; either all of it comes into force at once or nothing does.
 *
 *      +--------------+------------------+ - - - +------------------+--------------+
 *      | BATCH_BEGIN  | new table, chain |       | new set elements | BATCH_END    |
 *      +--------------+------------------+ - - - +------------------+--------------+
 *
 *      one message:  0 length u32 | 4 type u16 | 6 flags u16 | 8 sequence u32 | 12 port u32
 *                   16 family u8  | 17 version u8 | 18 resource u16, network order | 20 attributes …
 *      an attribute: 0 length u16, without padding | 2 type u16 | 4 value …, padded to 4 bytes
 *
 * Numbers inside attributes are in network order, those of the headers in the machine's (which is little
 * endian everywhere we run). Follows include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h.
 */
import { assert } from '../../base/assert.ts'
import type { Expression } from './nftables-expression.ts'

/** NFPROTO_NETDEV */
const NETDEV = 5
/** NFNL_SUBSYS_NFTABLES */
const NFTABLES = 10
const BATCH_BEGIN = 16
const BATCH_END = 17
/** NLM_F_… */
const Flag = { request: 1, ack: 4, create: 0x400, append: 0x800 } as const
/** enum nf_tables_msg_types */
const Message = {
  newTable: 0,
  deleteTable: 2,
  newChain: 3,
  deleteChain: 5,
  newRule: 6,
  deleteRule: 8,
  newSet: 9,
  newElement: 12,
  deleteElement: 14,
} as const

const NESTED = 0x8000
/** Bytes of elements in one message: their list is one attribute, and an attribute's length has 16 bits. */
const ELEMENTS_MAX = 60_000

/** The data types of `nft`, by which it prints a set; a concatenation is 6 bits each, first field highest. */
const DataType = { ipv4: 7, ipv6: 8, protocol: 12, port: 13, icmpType: 14 } as const
const DATA_TYPE_BITS = 6

export interface SetField {
  /** As `nft` names it. */
  readonly type: keyof typeof DataType
  /** Bytes, before padding to 4. */
  readonly length: number
}

/** One field as it is; several padded to 4 bytes each. */
function keyLength(fields: readonly SetField[]): number {
  if (fields.length === 1) return fields[0]!.length
  return fields.reduce((sum, { length }) => sum + ((length + 3) & ~3), 0)
}

/** Writes attributes into a buffer that grows. */
export class AttributeWriter {
  #buffer = new Uint8Array(4096)
  #view = new DataView(this.#buffer.buffer)
  #length = 0

  /** Bytes written. */
  get length(): number {
    return this.#length
  }

  /** What was written; a view, good until the next write. */
  written(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  u8(type: number, value: number): void {
    this.bytes(type, Uint8Array.of(value))
  }

  u32(type: number, value: number): void {
    const at = this.#begin(type, 4)
    this.#view.setUint32(at, value)
  }

  /** Ends with a zero byte. */
  string(type: number, text: string): void {
    this.bytes(type, Buffer.from(`${text}\0`))
  }

  bytes(type: number, value: Uint8Array): void {
    const at = this.#begin(type, value.length) // may put another buffer in place
    this.#buffer.set(value, at)
  }

  /** An attribute that holds those which `content` writes. */
  nested(type: number, content: () => void): void {
    const at = this.#begin(type | NESTED, 0) - 4
    content()
    const length = this.#length - at
    assert(length < 65536, `an attribute of ${length} bytes`)
    this.#view.setUint16(at, length, true)
  }

  /** A netlink message of the netdev family, with what `content` writes behind its headers; where it begins. */
  message(
    type: number,
    flags: number,
    sequence: number,
    resource: number,
    content: () => void,
  ): number {
    const at = this.#reserve(20)
    content()
    this.#view.setUint32(at, this.#length - at, true)
    this.#view.setUint16(at + 4, type, true)
    this.#view.setUint16(at + 6, flags, true)
    this.#view.setUint32(at + 8, sequence, true)
    this.#buffer[at + 16] = NETDEV
    this.#view.setUint16(at + 18, resource)
    return at
  }

  /** Sets flags of the message that begins at `at`. */
  setFlags(at: number, flags: number): void {
    this.#view.setUint16(at + 6, this.#view.getUint16(at + 6, true) | flags, true)
  }

  /** Writes an attribute's header; where its `length` bytes, still zero, begin. */
  #begin(type: number, length: number): number {
    const at = this.#reserve(4 + ((length + 3) & ~3))
    this.#view.setUint16(at, 4 + length, true)
    this.#view.setUint16(at + 2, type, true)
    return at + 4
  }

  #reserve(bytes: number): number {
    const at = this.#length
    this.#length += bytes
    if (this.#length > this.#buffer.length) {
      const grown = new Uint8Array(2 * this.#length)
      grown.set(this.#buffer)
      this.#buffer = grown
      this.#view = new DataView(grown.buffer)
    }
    return at
  }
}

/** One transaction on one table of the netdev family, in the order of the calls. */
export class Transaction {
  readonly #table: string
  readonly #to = new AttributeWriter()
  readonly #first: number
  readonly #calls: string[] = []
  #lastAt = 0
  #sets = 0

  /** Messages are numbered from `sequence`. */
  constructor(table: string, sequence: number) {
    this.#table = table
    this.#first = sequence
    this.#to.message(BATCH_BEGIN, Flag.request, sequence, NFTABLES, () => {})
  }

  /** Messages so far, without begin and end. */
  get size(): number {
    return this.#calls.length
  }

  /** Sequence number of the last message: the one whose acknowledgement says that all is done. */
  get last(): number {
    return this.#first + this.#calls.length
  }

  /** `flags`: NFT_TABLE_F_…; fails if it exists. */
  newTable(flags: number): void {
    const exclusive = 0x200
    this.#add(`new table ${this.#table}`, Message.newTable, Flag.create | exclusive, () => {
      this.#to.string(1, this.#table) // NFTA_TABLE_NAME
      this.#to.u32(2, flags)
    })
  }

  deleteTable(): void {
    this.#add(`delete table ${this.#table}`, Message.deleteTable, 0, () =>
      this.#to.string(1, this.#table),
    )
  }

  /** A chain that others jump to. */
  newChain(name: string): void {
    this.#add(`new chain ${name}`, Message.newChain, Flag.create, () => this.#chain(name))
  }

  /** A chain that the interface's incoming frames go through, accepted at its end. */
  newIngressChain(name: string, interfaceName: string): void {
    this.#add(`new chain ${name} on ${interfaceName}`, Message.newChain, Flag.create, () => {
      this.#chain(name)
      this.#to.nested(4, () => {
        this.#to.u32(1, 0) // NF_NETDEV_INGRESS
        this.#to.u32(2, 0) // priority
        this.#to.string(3, interfaceName)
      })
      this.#to.u32(5, 1) // policy: NF_ACCEPT
      this.#to.string(7, 'filter')
    })
  }

  /** With its rules. */
  deleteChain(name: string): void {
    this.#add(`delete chain ${name}`, Message.deleteChain, 0, () => this.#chain(name))
  }

  /** Appends a rule. */
  newRule(chain: string, expressions: readonly Expression[]): void {
    this.#add(`new rule in ${chain}`, Message.newRule, Flag.create | Flag.append, () => {
      this.#to.string(1, this.#table) // NFTA_RULE_TABLE
      this.#to.string(2, chain)
      this.#to.nested(4, () => expressions.forEach((write) => write(this.#to)))
    })
  }

  /** Removes all rules of a chain. */
  flushRules(chain: string): void {
    this.#add(`flush ${chain}`, Message.deleteRule, 0, () => {
      this.#to.string(1, this.#table) // NFTA_RULE_TABLE
      this.#to.string(2, chain)
    })
  }

  newSet(name: string, fields: readonly SetField[]): void {
    this.#add(`new set ${name}`, Message.newSet, Flag.create, () => {
      this.#to.string(1, this.#table) // NFTA_SET_TABLE
      this.#to.string(2, name)
      this.#to.u32(3, 0) // flags
      const type = fields.reduce((sum, field) => (sum << DATA_TYPE_BITS) | DataType[field.type], 0)
      this.#to.u32(4, type)
      this.#to.u32(5, keyLength(fields))
      this.#to.u32(10, ++this.#sets) // NFTA_SET_ID: unique in a transaction
    })
  }

  /** Adds elements; those already there stay. */
  addElements(set: string, keys: readonly Uint8Array[]): void {
    this.#elements(`add elements to ${set}`, Message.newElement, Flag.create, set, keys)
  }

  /** Removes elements; fails if one is not there. */
  removeElements(set: string, keys: readonly Uint8Array[]): void {
    this.#elements(`remove elements from ${set}`, Message.deleteElement, 0, set, keys)
  }

  /** Removes all elements. */
  flushSet(set: string): void {
    this.#add(`flush ${set}`, Message.deleteElement, 0, () => {
      this.#to.string(1, this.#table) // NFTA_SET_ELEM_LIST_TABLE
      this.#to.string(2, set)
    })
  }

  /**
   * The whole datagram; nothing may be added afterwards. Errors are answered in any case, and in order; so
   * the last message alone is to be acknowledged, lest thousands of answers overflow the socket.
   */
  finish(): Uint8Array {
    this.#to.setFlags(this.#lastAt, Flag.ack)
    this.#to.message(BATCH_END, Flag.request, this.last + 1, NFTABLES, () => {})
    return this.#to.written()
  }

  /** What the message with this sequence number was to do, for errors. */
  describe(sequence: number): string {
    return this.#calls[sequence - this.#first - 1] ?? 'the transaction'
  }

  #elements(
    call: string,
    message: number,
    flags: number,
    set: string,
    keys: readonly Uint8Array[],
  ): void {
    let next = 0
    while (next < keys.length) {
      this.#add(call, message, flags, () => {
        this.#to.string(1, this.#table) // NFTA_SET_ELEM_LIST_TABLE
        this.#to.string(2, set)
        const start = this.#to.length
        this.#to.nested(3, () => {
          while (next < keys.length && this.#to.length - start < ELEMENTS_MAX) {
            const key = keys[next++]!
            this.#to.nested(1, () => this.#to.nested(1, () => this.#to.bytes(1, key)))
          }
        })
      })
    }
  }

  #chain(name: string): void {
    this.#to.string(1, this.#table) // NFTA_CHAIN_TABLE
    this.#to.string(3, name)
  }

  #add(call: string, message: number, flags: number, content: () => void): void {
    this.#calls.push(call)
    const type = (NFTABLES << 8) | message
    this.#lastAt = this.#to.message(type, Flag.request | flags, this.last, 0, content)
  }
}
