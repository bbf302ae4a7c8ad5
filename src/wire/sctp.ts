/**
 * SCTP — RFC 9260: a common header, then chunks.
 *
 *      +-------------------------------+-------------------------------+
 *   0  |          source port          |       destination port        |
 *   4  |                       verification tag                        |
 *   8  |            checksum (CRC32c, least significant byte first)    |
 *      +---------------------------------------------------------------+
 *
 *      +---------------+---------------+-------------------------------+
 *   0  |  chunk type   |     flags     |   length, with these 4 bytes  |
 *   4  |  value, then 0 to 3 bytes of padding that length does not count
 *      +---------------------------------------------------------------+
 *
 * The CRC covers ports and payload but no pseudo-header: a NAT that changes ports computes it anew.
 */
import { assert } from '../base/assert.ts'
import { concatBytes, viewOf } from '../base/bytes.ts'
import { header } from '../subset/struct.ts'
import { crc32c } from './crc32c.ts'

export const Sctp = header('sctp', {
  sourcePort: 'u16',
  destinationPort: 'u16',
  tag: 'u32',
  checksum: 'u32',
})

export const SctpChunk = header('sctp-chunk', { type: 'u8', flags: 'u8', length: 'u16' })

export const SctpChunkType = {
  data: 0,
  init: 1,
  initAck: 2,
  sack: 3,
  heartbeat: 4,
  heartbeatAck: 5,
  abort: 6,
  shutdown: 7,
  shutdownAck: 8,
  error: 9,
  cookieEcho: 10,
  cookieAck: 11,
  ecne: 12,
  cwr: 13,
  shutdownComplete: 14,
} as const

/** A packet as the control plane sees it. */
export interface SctpPacket {
  readonly sourcePort: number
  readonly destinationPort: number
  /** Verification tag: 0 in INIT, else what the receiver chose. */
  readonly tag: number
  readonly chunks: readonly SctpChunkMessage[]
  /** As it was found; computed by `emitSctp` if left out. */
  readonly checksum?: number | undefined
}

export interface SctpChunkMessage {
  /** `SctpChunkType`s and others. */
  readonly type: number
  readonly flags: number
  /** Without chunk header and padding. */
  readonly value: Uint8Array
}

const CHECKSUM_AT = Sctp.offsets.checksum

/** Undefined if cut, or with a chunk that is shorter than its header or reaches beyond. */
export function parseSctp(bytes: Uint8Array): SctpPacket | undefined {
  if (bytes.length < Sctp.size) return undefined
  const { sourcePort, destinationPort, tag, checksum } = Sctp.view(viewOf(bytes), 0)
  const chunks = parseChunks(bytes.subarray(Sctp.size))
  return chunks && { sourcePort, destinationPort, tag, chunks, checksum }
}

function parseChunks(bytes: Uint8Array): SctpChunkMessage[] | undefined {
  const chunks: SctpChunkMessage[] = []
  for (let at = 0; at < bytes.length;) {
    if (at + SctpChunk.size > bytes.length) return undefined
    const { type, flags, length } = SctpChunk.view(viewOf(bytes), at)
    const padded = (length + 3) & ~3
    if (length < SctpChunk.size || at + padded > bytes.length) return undefined
    chunks.push({ type, flags, value: bytes.subarray(at + SctpChunk.size, at + length) })
    at += padded
  }
  return chunks
}

/** The packet's bytes. */
export function emitSctp(packet: SctpPacket): Uint8Array {
  const bytes = concatBytes(new Uint8Array(Sctp.size), ...packet.chunks.map(emitChunk))
  const sctp = Sctp.view(viewOf(bytes), 0)
  sctp.sourcePort = packet.sourcePort
  sctp.destinationPort = packet.destinationPort
  sctp.tag = packet.tag
  sctp.checksum = packet.checksum ?? sctpChecksum(bytes)
  return bytes
}

function emitChunk({ type, flags, value }: SctpChunkMessage): Uint8Array {
  const length = SctpChunk.size + value.length
  assert(length <= 0xffff, `an SCTP chunk of ${length} bytes`)
  const bytes = new Uint8Array((length + 3) & ~3)
  const chunk = SctpChunk.view(viewOf(bytes), 0)
  chunk.type = type
  chunk.flags = flags
  chunk.length = length
  bytes.set(value, SctpChunk.size)
  return bytes
}

/** What belongs in the checksum field of a whole packet, whatever stands there now. */
export function sctpChecksum(bytes: Uint8Array): number {
  const behind = CHECKSUM_AT + 4
  const crc = crc32c(bytes.subarray(0, CHECKSUM_AT), new Uint8Array(4), bytes.subarray(behind))
  return swapBytes(crc)
}

/** RFC 9260 appendix A: the CRC goes out least significant byte first. */
function swapBytes(word: number): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setUint32(0, word, true)
  return view.getUint32(0)
}

/** 'sctp (1) [INIT], (2) [DATA]', much as tcpdump says it behind the addresses. */
export function formatSctp(packet: SctpPacket): string {
  const chunks = packet.chunks.map(({ type }, i) => `(${i + 1}) [${CHUNK_NAMES[type] ?? type}]`)
  return `sctp${chunks.length > 0 ? ' ' : ''}${chunks.join(', ')}`
}

const CHUNK_NAMES: Readonly<Record<number, string>> = {
  [SctpChunkType.data]: 'DATA',
  [SctpChunkType.init]: 'INIT',
  [SctpChunkType.initAck]: 'INIT ACK',
  [SctpChunkType.sack]: 'SACK',
  [SctpChunkType.heartbeat]: 'HB REQ',
  [SctpChunkType.heartbeatAck]: 'HB ACK',
  [SctpChunkType.abort]: 'ABORT',
  [SctpChunkType.shutdown]: 'SHUTDOWN',
  [SctpChunkType.shutdownAck]: 'SHUTDOWN ACK',
  [SctpChunkType.error]: 'OP ERR',
  [SctpChunkType.cookieEcho]: 'COOKIE ECHO',
  [SctpChunkType.cookieAck]: 'COOKIE ACK',
  [SctpChunkType.ecne]: 'ECN ECHO',
  [SctpChunkType.cwr]: 'CWR',
  [SctpChunkType.shutdownComplete]: 'SHUTDOWN COMPLETE',
}
