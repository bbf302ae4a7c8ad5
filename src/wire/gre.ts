/**
 * GRE — RFC 2784, key and sequence number RFC 2890.
 *
 *      +-+-+-+-+-----------------+-----+-------------------------------+
 *   0  |C|0|K|S|   reserved      | ver |  protocol (an EtherType)      |
 *   4  |  if C: checksum               |  reserved                     |
 *      |  if K: key (4)    if S: sequence number (4)                   |
 *      +---------------------------------------------------------------+
 */
import { concatBytes, viewOf } from '../base/bytes.ts'
import { header } from '../subset/struct.ts'
import { checksum } from './checksum.ts'

export const Gre = header('gre', { flagsAndVersion: 'u16', protocol: 'u16' })
/** What follows `Gre` where `GreFlag.checksum` is set; it covers the GRE header and all behind it. */
export const GreChecksum = header('gre-checksum', { checksum: 'u16', reserved: 'u16' })

/** Of `flagsAndVersion`. */
export const GreFlag = { checksum: 0x8000, key: 0x2000, sequence: 0x1000 } as const

/** A GRE header of version 0 and what it carries. */
export interface GrePacket {
  /** An EtherType. */
  readonly protocol: number
  /** As it was found; 'computed' has `emitGre` compute it; left out: the header has none. */
  readonly checksum?: number | 'computed' | undefined
  readonly key?: number | undefined
  readonly sequence?: number | undefined
  readonly payload: Uint8Array
}

const KNOWN_FLAGS = GreFlag.checksum | GreFlag.key | GreFlag.sequence

/** Undefined if the header is cut, of version 1 (PPTP), or has flags that RFC 2784 tells us to refuse. */
export function parseGre(bytes: Uint8Array): GrePacket | undefined {
  if (bytes.length < Gre.size) return undefined
  const view = viewOf(bytes)
  const { flagsAndVersion, protocol } = Gre.view(view, 0)
  if ((flagsAndVersion & ~KNOWN_FLAGS) !== 0) return undefined
  let at: number = Gre.size
  const word = (flag: number): number | undefined => {
    if ((flagsAndVersion & flag) === 0) return undefined
    at += 4
    return at <= bytes.length ? view.getUint32(at - 4) : 0
  }
  const checksumWord = word(GreFlag.checksum)
  const key = word(GreFlag.key)
  const sequence = word(GreFlag.sequence)
  if (at > bytes.length) return undefined
  const checksum = checksumWord === undefined ? undefined : checksumWord >>> 16
  return { protocol, checksum, key, sequence, payload: bytes.subarray(at) }
}

/** The bytes of header and payload. */
export function emitGre(packet: GrePacket): Uint8Array {
  const { checksum: wanted, key, sequence } = packet
  const flags =
    (wanted === undefined ? 0 : GreFlag.checksum) |
    (key === undefined ? 0 : GreFlag.key) |
    (sequence === undefined ? 0 : GreFlag.sequence)
  const words = [wanted === undefined ? undefined : 0, key, sequence].filter(
    (word) => word !== undefined,
  )
  const bytes = concatBytes(new Uint8Array(Gre.size + 4 * words.length), packet.payload)
  const view = viewOf(bytes)
  const gre = Gre.view(view, 0)
  gre.flagsAndVersion = flags
  gre.protocol = packet.protocol
  words.forEach((word, i) => view.setUint32(Gre.size + 4 * i, word))
  if (wanted !== undefined) {
    GreChecksum.view(view, Gre.size).checksum = wanted === 'computed' ? checksum(bytes) : wanted
  }
  return bytes
}

/** 'GREv0, key=0x1, seq 7, length 80', as tcpdump says it behind the addresses. */
export function formatGre(packet: GrePacket): string {
  const { checksum: sum, key, sequence, payload } = packet
  const words = [sum, key, sequence].filter((word) => word !== undefined).length
  const parts = [
    'GREv0',
    ...(sum === undefined ? [] : ['off 0x0']), // RFC 1701's offset, now zero, says: a checksum
    ...(key === undefined ? [] : [`key=0x${key.toString(16)}`]),
    ...(sequence === undefined ? [] : [`seq ${sequence}`]),
    `length ${Gre.size + 4 * words + payload.length}`,
  ]
  return parts.join(', ')
}
