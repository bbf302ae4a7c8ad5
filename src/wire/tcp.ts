/**
 * TCP — RFC 9293. Options: RFC 7323 (window scale, timestamps), RFC 2018 (SACK).
 *
 *      +-------------------------------+-------------------------------+
 *   0  |          source port          |       destination port        |
 *   4  |                        sequence number                        |
 *   8  |                     acknowledgement number                    |
 *  12  | words |0 0 0 AE CWR ECE URG ACK PSH RST SYN FIN|    window  …  |
 *  16  |           checksum            |        urgent pointer         |
 *  20  |              options, up to 40 bytes, padded to words         |
 *      +---------------------------------------------------------------+
 *
 * `words` counts 32-bit words of header, 5 to 15. The checksum covers pseudo-header, header and payload.
 */
import { assert } from '../base/assert.ts'
import { concatBytes, viewOf } from '../base/bytes.ts'
import { bytesToHex } from '../base/hex.ts'
import { header } from '../subset/struct.ts'
import { checksum, pseudoHeaderSum } from './checksum.ts'
import { Protocol } from './ip-protocol.ts'

export const Tcp = header('tcp', {
  sourcePort: 'u16',
  destinationPort: 'u16',
  sequence: 'u32',
  acknowledgement: 'u32',
  offsetAndFlags: 'u16',
  window: 'u16',
  checksum: 'u16',
  urgent: 'u16',
})

/** How every option but `end` and `nop` begins; `length` counts these two bytes, too. */
export const TcpOptionHead = header('tcp-option', { kind: 'u8', length: 'u8' })
/** The option that limits segments: `size` bytes of payload. */
export const TcpMss = header('tcp-mss', { kind: 'u8', length: 'u8', size: 'u16' })

/** Of `offsetAndFlags`. */
export const TcpFlag = {
  fin: 0x01,
  syn: 0x02,
  rst: 0x04,
  psh: 0x08,
  ack: 0x10,
  urg: 0x20,
  ece: 0x40,
  cwr: 0x80,
} as const

export const TcpOptionKind = {
  end: 0,
  nop: 1,
  mss: 2,
  windowScale: 3,
  sackPermitted: 4,
  sack: 5,
  timestamps: 8,
} as const

/** A segment as the control plane sees it. */
export interface TcpSegment {
  readonly sourcePort: number
  readonly destinationPort: number
  readonly sequence: number
  readonly acknowledgement: number
  /** `TcpFlag`s, and what else stands in the 12 bits behind the data offset. */
  readonly flags: number
  readonly window: number
  readonly urgent: number
  /** As they stand in the header: a multiple of 4 bytes, 40 at most. See `parseTcpOptions`. */
  readonly options: Uint8Array
  readonly payload: Uint8Array
  /** As it was found; computed by `emitTcp` if left out. */
  readonly checksum?: number | undefined
}

/** Undefined if the header is cut or impossible. TCP has no length: the payload is what is there. */
export function parseTcp(bytes: Uint8Array): TcpSegment | undefined {
  if (bytes.length < Tcp.size) return undefined
  const tcp = Tcp.view(viewOf(bytes), 0)
  const headerLength = (tcp.offsetAndFlags >>> 12) * 4
  if (headerLength < Tcp.size || headerLength > bytes.length) return undefined
  return {
    sourcePort: tcp.sourcePort,
    destinationPort: tcp.destinationPort,
    sequence: tcp.sequence,
    acknowledgement: tcp.acknowledgement,
    flags: tcp.offsetAndFlags & 0x0fff,
    window: tcp.window,
    urgent: tcp.urgent,
    options: bytes.subarray(Tcp.size, headerLength),
    payload: bytes.subarray(headerLength),
    checksum: tcp.checksum,
  }
}

/** The segment's bytes; the addresses are for the checksum. Asserts that the options are possible. */
export function emitTcp(segment: TcpSegment, source: string, destination: string): Uint8Array {
  const { options, payload } = segment
  assert(options.length % 4 === 0 && options.length <= 40, `${options.length} bytes of options`)
  const bytes = concatBytes(new Uint8Array(Tcp.size), options, payload)
  const tcp = Tcp.view(viewOf(bytes), 0)
  tcp.sourcePort = segment.sourcePort
  tcp.destinationPort = segment.destinationPort
  tcp.sequence = segment.sequence
  tcp.acknowledgement = segment.acknowledgement
  tcp.offsetAndFlags = (((Tcp.size + options.length) / 4) << 12) | segment.flags
  tcp.window = segment.window
  tcp.urgent = segment.urgent
  const pseudoSum = pseudoHeaderSum(source, destination, Protocol.tcp, bytes.length)
  tcp.checksum = segment.checksum ?? checksum(bytes, pseudoSum)
  return bytes
}

/** One option, known ones by meaning. */
export type TcpOption =
  | { readonly type: 'nop' }
  | { readonly type: 'mss'; readonly size: number }
  | { readonly type: 'windowScale'; readonly shift: number }
  | { readonly type: 'sackPermitted' }
  | { readonly type: 'sack'; readonly blocks: readonly { left: number; right: number }[] }
  | { readonly type: 'timestamps'; readonly value: number; readonly echo: number }
  | { readonly type: 'other'; readonly kind: number; readonly data: Uint8Array }

/** The options up to the end of list; undefined if one has an impossible length or reaches beyond. */
export function parseTcpOptions(bytes: Uint8Array): TcpOption[] | undefined {
  const options: TcpOption[] = []
  for (let at = 0; at < bytes.length;) {
    const kind = bytes[at]!
    if (kind === TcpOptionKind.end) break
    const length = kind === TcpOptionKind.nop ? 1 : (bytes[at + 1] ?? 0)
    if ((kind !== TcpOptionKind.nop && length < 2) || at + length > bytes.length) return undefined
    const option = readOption(kind, bytes.subarray(at + Math.min(length, 2), at + length))
    if (option === undefined) return undefined
    options.push(option)
    at += length
  }
  return options
}

function readOption(kind: number, data: Uint8Array): TcpOption | undefined {
  const view = viewOf(data)
  const { length } = data
  switch (kind) {
    case TcpOptionKind.nop:
      return { type: 'nop' }
    case TcpOptionKind.mss:
      return length === 2 ? { type: 'mss', size: view.getUint16(0) } : undefined
    case TcpOptionKind.windowScale:
      return length === 1 ? { type: 'windowScale', shift: view.getUint8(0) } : undefined
    case TcpOptionKind.sackPermitted:
      return length === 0 ? { type: 'sackPermitted' } : undefined
    case TcpOptionKind.sack:
      return length % 8 === 0 ? { type: 'sack', blocks: readBlocks(view) } : undefined
    case TcpOptionKind.timestamps:
      if (length !== 8) return undefined
      return { type: 'timestamps', value: view.getUint32(0), echo: view.getUint32(4) }
    default:
      return { type: 'other', kind, data }
  }
}

function readBlocks(view: DataView): { left: number; right: number }[] {
  const blocks = []
  for (let at = 0; at < view.byteLength; at += 8) {
    blocks.push({ left: view.getUint32(at), right: view.getUint32(at + 4) })
  }
  return blocks
}

/** The options' bytes, filled up with zeros (end of list) to a multiple of 4. */
export function emitTcpOptions(options: readonly TcpOption[]): Uint8Array {
  const bytes = concatBytes(...options.map(writeOption))
  return concatBytes(bytes, new Uint8Array(-bytes.length & 3))
}

function writeOption(option: TcpOption): Uint8Array {
  switch (option.type) {
    case 'nop':
      return Uint8Array.of(TcpOptionKind.nop)
    case 'mss':
      return Uint8Array.of(TcpOptionKind.mss, 4, option.size >>> 8, option.size)
    case 'windowScale':
      return Uint8Array.of(TcpOptionKind.windowScale, 3, option.shift)
    case 'sackPermitted':
      return Uint8Array.of(TcpOptionKind.sackPermitted, 2)
    case 'sack':
      return writeWords(
        TcpOptionKind.sack,
        option.blocks.flatMap(({ left, right }) => [left, right]),
      )
    case 'timestamps':
      return writeWords(TcpOptionKind.timestamps, [option.value, option.echo])
    case 'other':
      return Uint8Array.of(option.kind, option.data.length + 2, ...option.data)
  }
}

function writeWords(kind: number, words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(2 + 4 * words.length)
  bytes[0] = kind
  bytes[1] = bytes.length
  words.forEach((word, i) => viewOf(bytes).setUint32(2 + 4 * i, word))
  return bytes
}

const FLAG_LETTERS: readonly [number, string][] = [
  [TcpFlag.fin, 'F'],
  [TcpFlag.syn, 'S'],
  [TcpFlag.rst, 'R'],
  [TcpFlag.psh, 'P'],
  [TcpFlag.ack, '.'],
  [TcpFlag.urg, 'U'],
  [TcpFlag.ece, 'E'],
  [TcpFlag.cwr, 'W'],
]

/** '[S.]', as tcpdump says it. */
export function formatTcpFlags(flags: number): string {
  const letters = FLAG_LETTERS.filter(([flag]) => (flags & flag) !== 0).map(([, letter]) => letter)
  return `[${letters.join('') || 'none'}]`
}

/** 'Flags [S], seq 1000, win 64240, options […], length 0', as tcpdump -S says it behind the addresses. */
export function formatTcp(segment: TcpSegment): string {
  const { flags, sequence, acknowledgement, payload, urgent } = segment
  const hasSequence =
    payload.length > 0 || (flags & (TcpFlag.syn | TcpFlag.fin | TcpFlag.rst)) !== 0
  const end = payload.length > 0 ? `:${(sequence + payload.length) >>> 0}` : ''
  const parts = [
    `Flags ${formatTcpFlags(flags)}`,
    ...(hasSequence ? [`seq ${sequence}${end}`] : []),
    ...((flags & TcpFlag.ack) !== 0 ? [`ack ${acknowledgement}`] : []),
    `win ${segment.window}`,
    ...((flags & TcpFlag.urg) !== 0 ? [`urg ${urgent}`] : []),
    ...(segment.options.length > 0 ? [`options ${formatTcpOptions(segment.options)}`] : []),
    `length ${payload.length}`,
  ]
  return parts.join(', ')
}

function formatTcpOptions(bytes: Uint8Array): string {
  const options = parseTcpOptions(bytes)
  if (options === undefined) return '[bad opt]'
  const length = concatBytes(...options.map(writeOption)).length
  const end = length < bytes.length ? ['eol'] : []
  return `[${[...options.map(formatOption), ...end].join(',')}]`
}

function formatOption(option: TcpOption): string {
  switch (option.type) {
    case 'nop':
      return 'nop'
    case 'mss':
      return `mss ${option.size}`
    case 'windowScale':
      return `wscale ${option.shift}`
    case 'sackPermitted':
      return 'sackOK'
    case 'sack': {
      const blocks = option.blocks.map(({ left, right }) => `{${left}:${right}}`).join('')
      return `sack ${option.blocks.length} ${blocks}`
    }
    case 'timestamps':
      return `TS val ${option.value} ecr ${option.echo}`
    case 'other':
      return `unknown-${option.kind} 0x${bytesToHex(option.data)}`
  }
}
