/**
 * Messages of IPVS's connection synchronisation (net/netfilter/ipvs/ip_vs_sync.c), the payload of one UDP datagram.
 *
 * Version 1:
 *
 *      +---------------+---------------+-------------------------------+
 *   0  |       0       |    sync id    |   size of the whole message   |
 *   4  |    records    |  version = 1  |               0               |
 *      +---------------+---------------+-------------------------------+
 *      |  records, each at a multiple of 4                             |
 *
 *      +---------------+---------------+-------+-----------------------+
 *   0  | type, 1: IPv6 |   protocol    | 0 (4) | size of the record    |
 *   4  |                             flags                             |
 *   8  |             state             |          client port          |
 *  12  |         virtual port          |          server port          |
 *  16  |                         firewall mark                         |
 *  20  |                        timeout, seconds                       |
 *  24  |   client, virtual and server address (4 or 16 bytes each)     |
 *      |   options: type, length of data, data; no padding between     |
 *      +---------------------------------------------------------------+
 *
 * Version 0, which knows neither IPv6 nor marks and timeouts, has the number of records, never 0, where version 1 has
 * its first 0: that is how they are told apart.
 *
 *      +---------------+---------------+-------------------------------+
 *   0  |    records    |    sync id    |   size of the whole message   |
 *      +---------------+---------------+-------------------------------+
 *      |       0       |   protocol    |          client port          |
 *      |         virtual port          |          server port          |
 *      |   client, virtual and server address                          |
 *      |             flags             |             state             |
 *      |   24 bytes of sequence numbers, if a flag says so             |
 *
 * Beyond the last record that makes sense nothing is read: as in the kernel, those before it count.
 */
import { viewOf } from '../base/bytes.ts'
import type { IpWords } from '../base/ip.ts'
import { header } from '../subset/struct.ts'

export const SYNC_GROUP_4 = '224.0.0.81'
export const SYNC_PORT = 8848

/** Bits of a record's flags: IP_VS_CONN_F_… (uapi/linux/ip_vs.h). The lowest three are the forwarding method. */
export const SyncFlag = {
  forwarding: 0x0007,
  noOutput: 0x0080,
  inactive: 0x0100,
  outSequence: 0x0200,
  inSequence: 0x0400,
  noClientPort: 0x0800,
  template: 0x1000,
} as const
const SEQUENCE_FLAGS = SyncFlag.outSequence | SyncFlag.inSequence

export const SyncHeader = header('syncHeader', {
  /** Version 0: the number of records. */
  zero: 'u8',
  syncId: 'u8',
  size: 'u16',
  count: 'u8',
  version: 'u8',
  spare: 'u16',
})
export const SyncConnection = header('syncConnection', {
  type: 'u8',
  protocol: 'u8',
  /** Above the low 12 bits a version, which is 0. */
  size: 'u16',
  flags: 'u32',
  state: 'u16',
  clientPort: 'u16',
  virtualPort: 'u16',
  serverPort: 'u16',
  firewallMark: 'u32',
  timeoutS: 'u32',
})
export const OldSyncConnection = header('oldSyncConnection', {
  reserved: 'u8',
  protocol: 'u8',
  clientPort: 'u16',
  virtualPort: 'u16',
  serverPort: 'u16',
  client: 'u32',
  virtual: 'u32',
  server: 'u32',
  flags: 'u16',
  state: 'u16',
})
const OLD_HEADER_SIZE = 4
const IS_IPV6 = 1
const SIZE_MASK = 0x0fff
const SEQUENCES_SIZE = 24
/** Of a record with no options: 36 and 72 bytes. */
const RECORD_SIZE = { 4: SyncConnection.size + 3 * 4, 6: SyncConnection.size + 3 * 16 } as const

const Option = { sequences: 1, engineData: 2, engineName: 3 } as const
/** In an option's type: who does not know it may pass it over. */
const OPTIONAL = 0x40
const ENGINE_NAME_MAX = 16

/** A connection or template. Addresses are four words, IPv4 as v4-mapped. */
export interface SyncRecord {
  readonly family: 4 | 6
  readonly protocol: number
  /** SyncFlag. */
  readonly flags: number
  readonly state: number
  readonly client: IpWords
  readonly clientPort: number
  readonly virtual: IpWords
  readonly virtualPort: number
  readonly server: IpWords
  readonly serverPort: number
  readonly firewallMark: number
  /** 0: not told. */
  readonly timeoutS: number
  /** What a persistence engine knows a template's client by. */
  readonly engine?: { readonly name: string; readonly data: Uint8Array }
}

export interface SyncMessage {
  readonly version: 0 | 1
  readonly syncId: number
  readonly records: readonly SyncRecord[]
  /** Records left out, since they have an option that one must understand. */
  readonly skipped: number
  /** Why what follows the last record was not read; null: all was. */
  readonly problem: string | null
}

/** Undefined: too short for any message, or not as long as it says. */
export function parseSyncMessage(bytes: Uint8Array): SyncMessage | undefined {
  if (bytes.length < OLD_HEADER_SIZE) return undefined
  const view = viewOf(bytes)
  const head = SyncHeader.view(view, 0)
  if (head.size !== bytes.length) return undefined
  const isNew = bytes.length >= SyncHeader.size && head.zero === 0 && head.version === 1
  return isNew && head.spare === 0 ? parseNew(view) : parseOld(view)
}

function parseNew(view: DataView): SyncMessage {
  const { syncId, count } = SyncHeader.view(view, 0)
  const records: SyncRecord[] = []
  let skipped = 0
  let at: number = SyncHeader.size
  const end = (problem: string | null): SyncMessage => {
    return { version: 1, syncId, records, skipped, problem }
  }
  for (let i = 0; i < count; i++) {
    if (at + RECORD_SIZE[4] > view.byteLength) return end('a record is cut')
    const { size } = SyncConnection.view(view, at)
    const length = size & SIZE_MASK
    if (at + length > view.byteLength) return end('a record is longer than its message')
    if (size > SIZE_MASK) return end('a record of an unknown version')
    const record = parseRecord(view, at, at + length)
    if (typeof record === 'string') return end(record)
    if (record === null) skipped++
    else records.push(record)
    at += (length + 3) & ~3
  }
  return end(null)
}

/** null: it has an option that one must understand. A text: why nothing behind it can be read. */
function parseRecord(view: DataView, start: number, end: number): SyncRecord | string | null {
  const fixed = SyncConnection.view(view, start)
  if (fixed.type !== 0 && (fixed.type & IS_IPV6) === 0) return 'a record of an unknown type'
  const family = fixed.type === 0 ? 4 : 6
  const options = start + RECORD_SIZE[family]
  if (options > end) return 'a record is shorter than its addresses'
  const told = options === end ? NO_OPTIONS : parseOptions(view, options, end)
  if (typeof told === 'string' || told === null) return told
  const addresses = start + SyncConnection.size
  const width = family === 4 ? 4 : 16
  // One literal: spreading several would make an object that is slow to make and to read.
  const record: SyncRecord = {
    family,
    protocol: fixed.protocol,
    flags: fixed.flags,
    state: fixed.state,
    client: readAddress(view, addresses, family),
    clientPort: fixed.clientPort,
    virtual: readAddress(view, addresses + width, family),
    virtualPort: fixed.virtualPort,
    server: readAddress(view, addresses + 2 * width, family),
    serverPort: fixed.serverPort,
    firewallMark: fixed.firewallMark,
    timeoutS: fixed.timeoutS,
  }
  if (told.data === undefined) return record
  return { ...record, engine: { name: told.name ?? '', data: told.data } }
}

interface Options {
  data?: Uint8Array
  name?: string
}

const NO_OPTIONS: Options = {}

/** null and texts as in `parseRecord`. */
function parseOptions(view: DataView, start: number, end: number): Options | string | null {
  const options: Options = {}
  let hasSequences = false
  for (let at = start; at < end;) {
    if (at + 2 > end) return 'an option is cut'
    const [type, length] = [view.getUint8(at), view.getUint8(at + 1)]
    at += 2
    if (length === 0 || at + length > end) return 'an option is empty, or longer than its record'
    const data = new Uint8Array(view.buffer, view.byteOffset + at, length)
    const kind = type & ~OPTIONAL
    if (kind === Option.sequences) {
      if (hasSequences || length !== SEQUENCES_SIZE) return 'sequence numbers of a wrong length'
      hasSequences = true
    } else if (kind === Option.engineData) {
      if (options.data !== undefined) return 'data of a persistence engine twice'
      options.data = data.slice()
    } else if (kind === Option.engineName) {
      if (options.name !== undefined) return 'name of a persistence engine twice'
      if (length > ENGINE_NAME_MAX) return 'name of a persistence engine too long'
      options.name = new TextDecoder('latin1').decode(data)
    } else if ((type & OPTIONAL) === 0) return null
    at += length
  }
  return options
}

function parseOld(view: DataView): SyncMessage {
  const { zero: count, syncId } = SyncHeader.view(view, 0)
  const records: SyncRecord[] = []
  const end = (problem: string | null): SyncMessage => {
    return { version: 0, syncId, records, skipped: 0, problem }
  }
  let at = OLD_HEADER_SIZE
  for (let i = 0; i < count; i++) {
    if (at + OldSyncConnection.size > view.byteLength) return end('a record is cut')
    const old = OldSyncConnection.view(view, at)
    at += OldSyncConnection.size + ((old.flags & SEQUENCE_FLAGS) === 0 ? 0 : SEQUENCES_SIZE)
    if (at > view.byteLength) return end('sequence numbers are cut')
    records.push({
      family: 4,
      protocol: old.protocol,
      flags: old.flags,
      state: old.state,
      client: mapped(old.client),
      clientPort: old.clientPort,
      virtual: mapped(old.virtual),
      virtualPort: old.virtualPort,
      server: mapped(old.server),
      serverPort: old.serverPort,
      firewallMark: 0,
      timeoutS: 0,
    })
  }
  return end(null)
}

function mapped(address: number): IpWords {
  return [0, 0, 0xffff, address]
}

function readAddress(view: DataView, at: number, family: 4 | 6): IpWords {
  if (family === 4) return mapped(view.getUint32(at))
  const [first, second] = [view.getUint32(at), view.getUint32(at + 4)]
  return [first, second, view.getUint32(at + 8), view.getUint32(at + 12)]
}
