/**
 * Call-IDs: read from SIP messages over UDP, and kept as long as a template is for one. How they come
 * here says call.ts.
 *
 *   a call in `tables.callWords:  0  use: 0 free, 1 taken | 1  bytes | 2 … 65  its text
 *
 * What is a Call-ID is as in ct_sip_get_header and get_callid (net/netfilter/nf_conntrack_sip.c, ip_vs_pe_sip.c): RFC
 * 3261 section 20.8, long or compact, anywhere behind the first line. All of this is for V8 alone; in the kernel engine
 * only the daemon enters calls, and one at a time. @control
 */
import type { Packet } from '../subset/packet.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { now, TICKS_PER_SECOND } from '../subset/clock.ts'
import { call } from './call.ts'
import { BUSY } from './connection.ts'
import { FragmentKind } from './flow.ts'
import { finish, mix } from './hash.ts'
import { CALL_ID_MAX, CALL_WORDS } from './limits.ts'
import { flow, forward } from './main.ts'
import { callWords, connections, settings, Status, type Connection } from './tables.ts'
import { Reason } from './verdict.ts'

/** Slots that a call may stand in. */
const PROBES = 16
const TEXT_AT = 2
const UDP_HEADER = 8

/** The packet path, and once more for a packet whose call is to be read first. */
export function forwardCall(packet: Packet): number {
  call.isReader = 1
  const reason = forward(packet)
  if (reason !== Reason.callUnread) return reason
  const text = readCall(packet)
  call.row = text === undefined ? 0 : enterCall(text)
  call.isRead = 1
  const again = forward(packet)
  call.row = 0
  call.isRead = 0
  return again
}

/** The Call-ID of the packet that `flow` describes. */
function readCall({ bytes, start }: Packet): Uint8Array | undefined {
  if (flow.protocol !== Protocol.udp || flow.icmpError !== 0) return undefined
  if (flow.fragment === FragmentKind.later) return undefined
  const from = flow.transport + UDP_HEADER
  const length = flow.network + flow.length - from
  if (length <= 0) return undefined
  return findCallId(new Uint8Array(bytes.buffer, bytes.byteOffset + start + from, length))
}

/** Of a SIP message; undefined: there is none, or none that may be one. */
export function findCallId(message: Uint8Array): Uint8Array | undefined {
  const text = Buffer.from(message).toString('latin1')
  const line = /(?:\r\n|\r|\n)(?:call-id|i(?![a-z]))/gi
  for (let found = line.exec(text); found !== null; found = line.exec(text)) {
    // Blanks, and at most one line that goes on with blanks.
    const colon = skipBlanks(text, line.lastIndex)
    if (colon === undefined || text[colon] !== ':') return undefined
    const at = skipBlanks(text, colon + 1)
    if (at === undefined) return undefined
    WORDS.lastIndex = at
    const id = WORDS.exec(text)?.[0]
    if (id === undefined || text[at + id.length] === '@') continue
    const behind = text[at + id.length]
    const isWhole = id.length <= CALL_ID_MAX && (behind === '\r' || behind === '\n')
    return isWhole ? message.subarray(at, at + id.length) : undefined
  }
  return undefined
}

/** word [ "@" word ]: RFC 3261 section 25.1. */
const WORDS = /[\w!"%'()*+:<>?[\\\]`{}~./-]+(?:@[\w!"%'()*+:<>?[\\\]`{}~./-]+)?/y

/** Undefined: the line ends, and does not go on. */
function skipBlanks(text: string, from: number): number | undefined {
  const blanks = /[ \t]*/y
  blanks.lastIndex = from
  blanks.exec(text)
  const at = blanks.lastIndex
  if (text[at] !== '\r' && text[at] !== '\n') return at
  const next = text.startsWith('\r\n', at) ? at + 2 : at + 1
  if (text[next] !== ' ' && text[next] !== '\t') return undefined
  blanks.lastIndex = next
  blanks.exec(text)
  return blanks.lastIndex
}

/** Which call it is, plus one; 0: there is no room for one more. */
function enterCall(text: Uint8Array): number {
  const known = findCall(text, (row) => isTaken(row) && isCall(row, text))
  if (known !== undefined) return known + 1
  const isFree = (row: number) => !isTaken(row)
  let row = findCall(text, isFree)
  if (row === undefined && mayFree()) {
    freeCalls()
    row = findCall(text, isFree)
  }
  if (row === undefined) return 0
  wordOf(row, 0).value = 1
  wordOf(row, 1).value = text.length
  for (let i = 0; i < text.length; i += 4) {
    const [b0 = 0, b1 = 0, b2 = 0, b3 = 0] = text.subarray(i, i + 4)
    wordOf(row, TEXT_AT + i / 4).value = ((b0 << 24) | (b1 << 16) | (b2 << 8) | b3) >>> 0
  }
  return row + 1
}

/** */
function findCall(text: Uint8Array, isWanted: (row: number) => boolean): number | undefined {
  const calls = Math.floor(callWords.memory.capacity / CALL_WORDS)
  let hash = settings.row(0).hashSeed
  for (const byte of text) hash = mix(hash, byte)
  const first = finish(hash)
  for (let i = 0; i < Math.min(PROBES, calls); i++) {
    const row = (first + i) % calls
    if (isWanted(row)) return row
  }
  return undefined
}

/** */
function wordOf(row: number, word: number) {
  return callWords.row(row * CALL_WORDS + word)
}

/** */
function isTaken(row: number): boolean {
  return wordOf(row, 0).value !== 0
}

/** */
function isCall(row: number, text: Uint8Array): boolean {
  return wordOf(row, 1).value === text.length && Buffer.from(textOf(row), 'latin1').equals(text)
}

/** */
function textOf(row: number): string {
  const length = wordOf(row, 1).value
  const bytes = Buffer.alloc(4 * Math.ceil(length / 4))
  for (let i = 0; i < bytes.length; i += 4) {
    bytes.writeUInt32BE(wordOf(row, TEXT_AT + i / 4).value, i)
  }
  return bytes.toString('latin1', 0, length)
}

/** That walks the whole table: not for every packet that finds no room. */
function mayFree(): boolean {
  const second = Math.floor(now() / TICKS_PER_SECOND)
  if (second === freedIn) return false
  freedIn = second
  return true
}

let freedIn = -1

/** Calls that no template is for any more make room. */
function freeCalls(): void {
  const used = new Set<number>()
  for (let i = 0; i < connections.memory.capacity; i++) {
    const line = connections.row(i)
    if (line.owner > BUSY && hasCall(line)) used.add(line.clientPort - 1)
  }
  for (let row = 0; (row + 1) * CALL_WORDS <= callWords.memory.capacity; row++) {
    if (!used.has(row)) wordOf(row, 0).value = 0
  }
}

/** */
function hasCall({ status, clientPort }: Connection): boolean {
  return clientPort !== 0 && (status & (Status.template | Status.ended)) === Status.template
}

/** The Call-ID that a template is for; undefined: it is for none. */
export function callOf(line: Connection): string | undefined {
  return hasCall(line) ? textOf(line.clientPort - 1) : undefined
}
