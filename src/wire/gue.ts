/**
 * Generic UDP encapsulation — draft-ietf-intarea-gue-09, as the Linux kernel speaks it (net/gue.h).
 *
 * Behind the UDP header:
 *
 *      +---+-+---------+---------------+-------------------------------+
 *   0  |ver|C| words   | IP protocol   |             flags             |
 *   4  |  `words` 32-bit words of what the flags announce              |
 *      +---------------------------------------------------------------+
 *
 * Version 0 with C = 0 carries a packet of the named protocol. Version 1 has no header at all: its first
 * nibble is the first of the IPv4 or IPv6 packet that follows at once.
 */
import { assert } from '../base/assert.ts'
import { concatBytes, viewOf } from '../base/bytes.ts'
import { header } from '../subset/struct.ts'
import { formatProtocol, Protocol } from './ip-protocol.ts'

export const Gue = header('gue', { control: 'u8', protocol: 'u8', flags: 'u16' })
/** Remote checksum offload: behind `Gue` and the private flags; both in bytes from the payload's begin. */
export const GueRemoteChecksum = header('gue-remote-checksum', {
  privateFlags: 'u32',
  start: 'u16',
  offset: 'u16',
})

/** Of `control`. */
export const GUE_CONTROL = 0x20
export const GUE_LENGTH_MASK = 0x1f
/** Of `flags`: a word of private flags follows. */
export const GUE_FLAG_PRIVATE = 0x0001
/** Of the private flags: a word of remote checksum offload follows them. */
export const GUE_PRIVATE_REMOTE_CHECKSUM = 0x80000000

/** A header of version 0 and what it carries. */
export interface GuePacket {
  /** Is `protocol` a control message's type rather than an IP protocol? */
  readonly isControl: boolean
  readonly protocol: number
  readonly flags: number
  /** What the flags announce: a multiple of 4 bytes, 124 at most. */
  readonly extensions: Uint8Array
  readonly payload: Uint8Array
}

/** Remote checksum offload: both count from the payload's first byte. */
export interface RemoteChecksum {
  /** Where what the checksum covers begins. */
  readonly start: number
  /** Where the checksum lies. */
  readonly offset: number
}

/** The port the kernel's examples and IANA name for it. */
export const GUE_PORT = 6080

/**
 * What a UDP datagram to a GUE port carries; undefined if cut or of a version we do not know. Version 1 is
 * given as what it means: the packet whose first byte is the datagram's.
 */
export function parseGue(bytes: Uint8Array): GuePacket | undefined {
  if (bytes.length < Gue.size) return undefined
  const { control, protocol, flags } = Gue.view(viewOf(bytes), 0)
  const version = control >>> 6
  if (version === 1) return parseDirect(bytes)
  const end = Gue.size + 4 * (control & GUE_LENGTH_MASK)
  if (version !== 0 || end > bytes.length) return undefined
  return {
    isControl: (control & GUE_CONTROL) !== 0,
    protocol,
    flags,
    extensions: bytes.subarray(Gue.size, end),
    payload: bytes.subarray(end),
  }
}

/** Version 1: 01 are the first bits of both 4 and 6, the third tells them apart. */
function parseDirect(bytes: Uint8Array): GuePacket | undefined {
  const nibble = bytes[0]! >>> 4
  if (nibble !== 4 && nibble !== 6) return undefined
  return {
    isControl: false,
    protocol: nibble === 4 ? Protocol.ipip : Protocol.ipv6,
    flags: 0,
    extensions: bytes.subarray(0, 0),
    payload: bytes,
  }
}

/** The bytes of header and payload, always version 0. */
export function emitGue(packet: GuePacket): Uint8Array {
  const { extensions, payload } = packet
  const words = extensions.length / 4
  assert(
    Number.isInteger(words) && words <= GUE_LENGTH_MASK,
    `${extensions.length} bytes of fields`,
  )
  const bytes = concatBytes(new Uint8Array(Gue.size), extensions, payload)
  const gue = Gue.view(viewOf(bytes), 0)
  gue.control = (packet.isControl ? GUE_CONTROL : 0) | words
  gue.protocol = packet.protocol
  gue.flags = packet.flags
  return bytes
}

/** What the packet says about remote checksum offload, if it does. */
export function remoteChecksumOf(packet: GuePacket): RemoteChecksum | undefined {
  const { flags, extensions } = packet
  if ((flags & GUE_FLAG_PRIVATE) === 0 || extensions.length < GueRemoteChecksum.size)
    return undefined
  const { privateFlags, start, offset } = GueRemoteChecksum.view(viewOf(extensions), 0)
  return (privateFlags & GUE_PRIVATE_REMOTE_CHECKSUM) === 0 ? undefined : { start, offset }
}

/** The fields that say it; `flags` of the packet must hold GUE_FLAG_PRIVATE. */
export function remoteChecksumExtensions(remote: RemoteChecksum): Uint8Array {
  const bytes = new Uint8Array(GueRemoteChecksum.size)
  const fields = GueRemoteChecksum.view(viewOf(bytes), 0)
  fields.privateFlags = GUE_PRIVATE_REMOTE_CHECKSUM
  fields.start = remote.start
  fields.offset = remote.offset
  return bytes
}

/** 'GUE, proto IPIP (4), length 64'. */
export function formatGue(packet: GuePacket): string {
  const { isControl, protocol, extensions, payload } = packet
  const what = isControl ? `control ${protocol}` : `proto ${formatProtocol(protocol)}`
  const remote = remoteChecksumOf(packet)
  const offload = remote ? `, remote checksum ${remote.start}/${remote.offset}` : ''
  return `GUE, ${what}${offload}, length ${Gue.size + extensions.length + payload.length}`
}
