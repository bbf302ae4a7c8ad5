/**
 * Puts records into messages of connection synchronisation, as many as there is room for: wire/sync-message.ts.
 *
 * A message has at least one record, however short it should be, and never more than its count can say.
 */
import { assert } from '../base/assert.ts'
import { viewOf } from '../base/bytes.ts'
import type { IpWords } from '../base/ip.ts'
import { OldSyncConnection, SyncConnection, SyncHeader, type SyncRecord } from './sync-message.ts'

const RECORDS_MAX = 255
const OLD_HEADER_SIZE = 4
const ENGINE_DATA = 2
const ENGINE_NAME = 3
const OPTION_HEADER = 2
/** A record in version 1: IPv6 addresses, an engine's data and name. */
const RECORD_SIZE_MAX = SyncConnection.size + 3 * 16 + 2 * OPTION_HEADER + 255 + 16

export class SyncWriter {
  readonly #version: 0 | 1
  readonly #syncId: number
  readonly #lengthMax: number
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #length = 0
  #count = 0

  /** `lengthMax`: bytes of a message. */
  constructor(version: 0 | 1, syncId: number, lengthMax: number) {
    this.#version = version
    this.#syncId = syncId
    this.#lengthMax = lengthMax
    this.#bytes = new Uint8Array(Math.max(lengthMax, SyncHeader.size + RECORD_SIZE_MAX))
    this.#view = viewOf(this.#bytes)
  }

  /** Records in the message so far. */
  get count(): number {
    return this.#count
  }

  /** False: there is no room for it any more; `take` the message first. Version 0 has IPv4 alone: asserts that. */
  put(record: SyncRecord): boolean {
    const isFirst = this.#count === 0
    if (isFirst) this.#length = this.#version === 0 ? OLD_HEADER_SIZE : SyncHeader.size
    const start = this.#version === 0 ? this.#length : (this.#length + 3) & ~3
    const size = this.#version === 0 ? OldSyncConnection.size : sizeOf(record)
    if (!isFirst && (start + size > this.#lengthMax || this.#count === RECORDS_MAX)) return false
    this.#bytes.fill(0, this.#length, start)
    if (this.#version === 0) writeOld(this.#view, start, record)
    else writeNew(this.#view, start, size, record)
    this.#length = start + size
    this.#count++
    return true
  }

  /** The message, a copy; the next one begins. Asserts that there is one. */
  take(): Uint8Array {
    assert(this.#count > 0, 'a message has a record')
    const head = SyncHeader.view(this.#view, 0)
    head.zero = this.#version === 0 ? this.#count : 0
    head.syncId = this.#syncId
    head.size = this.#length
    if (this.#version === 1) {
      head.count = this.#count
      head.version = 1
      head.spare = 0
    }
    this.#count = 0
    return this.#bytes.slice(0, this.#length)
  }
}

function sizeOf({ family, engine }: SyncRecord): number {
  const fixed = SyncConnection.size + 3 * (family === 4 ? 4 : 16)
  if (engine === undefined) return fixed
  return fixed + 2 * OPTION_HEADER + engine.data.length + engine.name.length
}

function writeNew(view: DataView, start: number, size: number, record: SyncRecord): void {
  const fixed = SyncConnection.view(view, start)
  fixed.type = record.family === 6 ? 1 : 0
  fixed.protocol = record.protocol
  fixed.size = size
  fixed.flags = record.flags
  fixed.state = record.state
  fixed.clientPort = record.clientPort
  fixed.virtualPort = record.virtualPort
  fixed.serverPort = record.serverPort
  fixed.firewallMark = record.firewallMark
  fixed.timeoutS = record.timeoutS
  let at = start + SyncConnection.size
  for (const words of [record.client, record.virtual, record.server]) {
    at = writeAddress(view, at, words, record.family)
  }
  const { engine } = record
  if (engine === undefined) return
  at = writeOption(view, at, ENGINE_DATA, engine.data)
  writeOption(view, at, ENGINE_NAME, new TextEncoder().encode(engine.name))
}

function writeAddress(view: DataView, at: number, words: IpWords, family: 4 | 6): number {
  if (family === 4) {
    view.setUint32(at, words[3])
    return at + 4
  }
  words.forEach((word, i) => view.setUint32(at + 4 * i, word))
  return at + 16
}

function writeOption(view: DataView, at: number, type: number, data: Uint8Array): number {
  view.setUint8(at, type)
  view.setUint8(at + 1, data.length)
  new Uint8Array(view.buffer, view.byteOffset).set(data, at + OPTION_HEADER)
  return at + OPTION_HEADER + data.length
}

function writeOld(view: DataView, start: number, record: SyncRecord): void {
  assert(record.family === 4, 'version 0 has no IPv6')
  const old = OldSyncConnection.view(view, start)
  old.reserved = 0
  old.protocol = record.protocol
  old.clientPort = record.clientPort
  old.virtualPort = record.virtualPort
  old.serverPort = record.serverPort
  old.client = record.client[3]
  old.virtual = record.virtual[3]
  old.server = record.server[3]
  old.flags = record.flags
  old.state = record.state
}
