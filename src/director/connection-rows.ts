/**
 * The connection table as a long listing, a `ConnectionRow` for each line: a million of them in a fraction of a second.
 *
 *     ["tcp","ESTABLISHED",899.992,"10.0.0.10",40000,"10.0.0.100",80,"192.168.10.11",80],
 */
import { writeAscii, writeInteger, writeIpv4 } from '../base/ascii.ts'
import { IpTexts } from '../base/ip-texts.ts'
import { JsonRows } from '../base/json-rows.ts'
import { TICKS_PER_SECOND } from '../subset/clock.ts'
import { callOf } from '../dataplane/call-id.ts'
import { forwardingOf } from '../dataplane/connection.ts'
import { localRowOf } from '../dataplane/local-port.ts'
import * as tables from '../dataplane/tables.ts'
import { expiryTicks, isListed, listedPortOf, protocolOf, stateOf } from './listing.ts'

/** Lines of the table that are looked at in one go. */
const STRETCH = 128
/**
 * More than any row has: four times 45 letters for an IPv6 address with its port, what stands before them, and a
 * Call-ID of which every letter must be escaped.
 */
const ROW_BYTES_MAX = 1024
const MS_PER_TICK = 1000 / TICKS_PER_SECOND
const V4_MAPPED = 0xffff
const [COMMA, DOT, QUOTE, CLOSE, ZERO] = [0x2c, 0x2e, 0x22, 0x5d, 0x30]

/** What a row of a table has as an address. */
type Place = { bytes: DataView; base: number }

/** Every live connection and template, in the table's order, each as it is when its turn comes. */
export class ConnectionRows extends JsonRows {
  readonly room = STRETCH * ROW_BYTES_MAX
  readonly #use: () => void
  readonly #texts = new IpTexts()
  /** What rows begin with: protocol and state. */
  readonly #beginnings = new Map<number, Uint8Array>()
  #next = 0
  #isDone = false

  /** `use` makes the tables the ones in use. */
  constructor(use: () => void) {
    super()
    this.#use = use
  }

  get isDone(): boolean {
    return this.#isDone
  }

  write(bytes: Uint8Array, at: number): number {
    this.#use()
    const { capacity, bytes: memory, base } = tables.connections.memory
    const line = tables.Connection.view(memory, base)
    const server = tables.Server.view(tables.servers.memory.bytes, tables.servers.memory.base)
    const end = Math.min(this.#next + STRETCH, capacity)
    for (let i = this.#next; i < end; i++) {
      move(line, base + i * tables.Connection.size)
      if (!isListed(line)) continue
      move(server, tables.servers.memory.base + line.server * tables.Server.size)
      at = this.#writeRow(bytes, at, line, server)
    }
    this.#next = end
    this.#isDone = end === capacity
    return at
  }

  #writeRow(
    bytes: Uint8Array,
    start: number,
    line: tables.Connection,
    server: tables.Server,
  ): number {
    const beginning = this.#beginningOf(line)
    for (let i = 0; i < beginning.length; i++) bytes[start + i] = beginning[i]!
    let at = writeSeconds(bytes, start + beginning.length, expiryTicks(line))
    const { virtualPort } = line
    const callId = callOf(line)
    const clientPort = callId === undefined ? line.clientPort : 0
    const { client0, client1, client2, client3, virtual0, virtual1, virtual2, virtual3 } = line
    at = this.#writeEndpoint(bytes, at, client0, client1, client2, client3, clientPort)
    at = this.#writeEndpoint(bytes, at, virtual0, virtual1, virtual2, virtual3, virtualPort)
    const { address0, address1, address2, address3 } = server
    const serverPort = listedPortOf(server, line)
    at = this.#writeEndpoint(bytes, at, address0, address1, address2, address3, serverPort)
    if (forwardingOf(line) === tables.Forwarding.fullnat && line.binding !== 0) {
      const local = tables.locals.row(localRowOf(line))
      const localPort = line.binding >>> 16
      const { address0: l0, address1: l1, address2: l2, address3: l3 } = local
      at = this.#writeEndpoint(bytes, at, l0, l1, l2, l3, localPort)
    }
    if (callId !== undefined) {
      at = writeAscii(bytes, at, `,null,0,"sip",${JSON.stringify(callId)}`)
    }
    bytes[at] = CLOSE
    bytes[at + 1] = COMMA
    return at + 2
  }

  /** `["tcp","ESTABLISHED",` */
  #beginningOf(line: tables.Connection): Uint8Array {
    const kind = line.status & KIND
    let beginning = this.#beginnings.get(kind)
    if (beginning === undefined) {
      beginning = Buffer.from(`["${protocolOf(line)}","${stateOf(line)}",`)
      this.#beginnings.set(kind, beginning)
    }
    return beginning
  }

  /** `,"10.0.0.10",40000` */
  #writeEndpoint(
    bytes: Uint8Array,
    start: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    port: number,
  ): number {
    bytes[start] = COMMA
    bytes[start + 1] = QUOTE
    const isIpv4 = w2 === V4_MAPPED && w1 === 0 && w0 === 0
    const at = isIpv4
      ? writeIpv4(bytes, start + 2, w3)
      : writeAscii(bytes, start + 2, this.#texts.of(w0, w1, w2, w3))
    bytes[at] = QUOTE
    bytes[at + 1] = COMMA
    return writeInteger(bytes, at + 2, port)
  }
}

/** What of a status protocolOf and stateOf look at. */
const KIND = tables.Status.protocolMask | tables.Status.stateMask | tables.Status.template

/** '899.992', '60' */
function writeSeconds(bytes: Uint8Array, start: number, ticks: number): number {
  const seconds = Math.floor(ticks / TICKS_PER_SECOND)
  const ms = (ticks - seconds * TICKS_PER_SECOND) * MS_PER_TICK
  const at = writeInteger(bytes, start, seconds)
  if (ms === 0) return at
  bytes[at] = DOT
  bytes[at + 1] = ZERO + Math.floor(ms / 100)
  bytes[at + 2] = ZERO + (Math.floor(ms / 10) % 10)
  bytes[at + 3] = ZERO + (ms % 10)
  return at + 4
}

/** One view, moved from row to row: no allocation for a row. */
function move(view: object, base: number): void {
  ;(view as Place).base = base
}
