/**
 * A SYN's options on their way through FULLNAT — RFC 9293 3.2, RFC 7323.
 *
 * The maximum segment size is lowered to what both sides of the director take, less room for a client-address
 * option. Timestamps are blanked in the client's SYN: many clients share one local address, their clocks differ, and a
 * server that still remembers a port's last owner would take the next one's segments for old ones (PAWS).
 */
import { u16, u32, type u8 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { header } from '../subset/struct.ts'
import { applyDelta, replace16 } from '../wire/checksum.ts'
import { Tcp } from '../wire/tcp.ts'
import type { Flow } from './flow.ts'
import { TCP_OPTIONS_MAX } from './limits.ts'

/** Bytes a client-address option takes in the server's segments: none until there is one. */
export const CLIENT_ADDRESS_BYTES = 0

const END = 0
const NOP = 1
const MAXIMUM_SEGMENT_SIZE = 2
const TIMESTAMPS = 8

const Option = header('tcpOption', { kind: 'u8', length: 'u8' })
const Kind = header('tcpOptionKind', { kind: 'u8' })
const SegmentSize = header('tcpSegmentSize', { kind: 'u8', length: 'u8', size: 'u16' })
const Timestamps = header('tcpTimestamps', {
  half0: 'u16',
  half1: 'u16',
  half2: 'u16',
  half3: 'u16',
  half4: 'u16',
})

const tcpAt = Tcp.cursor()
const kindAt = Kind.cursor()
const optionAt = Option.cursor()
const sizeAt = SegmentSize.cursor()
const timestampsAt = Timestamps.cursor()

/**
 * Lowers the MSS to `maxSize` bytes; with `blank`, takes timestamps out. The checksum follows.
 *
 * @apart
 */
export function rewriteSynOptions(packet: Packet, flow: Flow, maxSize: u32, blank: boolean): void {
  const tcp = tcpAt.at(packet, flow.transport)
  if (tcp === null) return
  const end: u32 = flow.transport + (tcp.offsetAndFlags >>> 12) * 4
  let offset: u32 = flow.transport + 20
  let delta: u32 = 0
  for (let i: u32 = 0; i < TCP_OPTIONS_MAX; i++) {
    if (offset >= end) break
    const first = kindAt.at(packet, offset)
    if (first === null || first.kind === END) break
    if (first.kind === NOP) {
      offset = u32(offset + 1)
      continue
    }
    const option = optionAt.at(packet, offset)
    if (option === null || option.length < 2 || offset + option.length > end) break
    const length: u8 = option.length
    const isOdd: boolean = ((offset - flow.transport) & 1) !== 0
    if (option.kind === MAXIMUM_SEGMENT_SIZE && length === 4) {
      delta = lowerSize(packet, offset, maxSize, isOdd, delta)
    } else if (blank && option.kind === TIMESTAMPS && length === 10) {
      delta = blankTimestamps(packet, offset, isOdd, delta)
    }
    offset = u32(offset + length)
  }
  // A partial checksum does not cover the options yet.
  if (!packet.hasPartialChecksum) tcp.checksum = applyDelta(tcp.checksum, delta)
}

/** A 16-bit field at an odd place counts with its bytes swapped (RFC 1071, byte order independence). */
function replaceAt(delta: u32, was: u16, is: u16, isOdd: boolean): u32 {
  if (!isOdd) return replace16(delta, was, is)
  return replace16(delta, u16((was << 8) | (was >>> 8)), u16((is << 8) | (is >>> 8)))
}

function lowerSize(packet: Packet, offset: u32, maxSize: u32, isOdd: boolean, delta: u32): u32 {
  const option = sizeAt.at(packet, offset)
  if (option === null || option.size <= maxSize) return delta
  const was: u16 = option.size
  option.size = u16(maxSize)
  return replaceAt(delta, was, u16(maxSize), isOdd)
}

function blankTimestamps(packet: Packet, offset: u32, isOdd: boolean, delta: u32): u32 {
  const option = timestampsAt.at(packet, offset)
  if (option === null) return delta
  let sum: u32 = replaceAt(delta, option.half0, 0x0101, isOdd)
  sum = replaceAt(sum, option.half1, 0x0101, isOdd)
  sum = replaceAt(sum, option.half2, 0x0101, isOdd)
  sum = replaceAt(sum, option.half3, 0x0101, isOdd)
  sum = replaceAt(sum, option.half4, 0x0101, isOdd)
  option.half0 = 0x0101
  option.half1 = 0x0101
  option.half2 = 0x0101
  option.half3 = 0x0101
  option.half4 = 0x0101
  return u32(sum)
}
