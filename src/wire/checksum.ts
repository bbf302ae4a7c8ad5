/**
 * The Internet checksum: whole (RFC 1071) and incremental (RFC 1624).
 *
 * One's-complement arithmetic on 16-bit words: sums are kept in 32 bits and carried around at the end
 * (`fold`). Changing a field from m to m' changes the sum by ~m + m'; the packet path gathers these
 * differences in one `delta` and applies it to each checksum that covers the field:
 *
 *     HC' = ~(~HC + ~m + m')                                                     RFC 1624, equation 3
 *
 * A delta and a sum must not be gathered from more than 2^15 halves: they are 32 bits wide and nothing
 * watches them overflow. The first part of this file is the packet path's and keeps to the subset, the
 * second is for the control plane.
 */
import { ipToBytes } from '../base/ip.ts'
import { sumHalves, u16, u32 } from '../subset/integers.ts'
import type { Packet } from '../subset/packet.ts'
import { header } from '../subset/struct.ts'

/** The delta after one 16-bit field, at an even place in what is summed, changes from `was` to `is`. */
export function replace16(delta: u32, was: u16, is: u16): u32 {
  return u32(delta + (was ^ 0xffff) + is)
}

/** The same for a 32-bit field. */
export function replace32(delta: u32, was: u32, is: u32): u32 {
  return replace16(replace16(delta, was >>> 16, is >>> 16), was & 0xffff, is & 0xffff)
}

/** The checksum after the changes gathered in `delta`. For UDP, see `applyDeltaUdp`. */
export function applyDelta(checksum: u16, delta: u32): u16 {
  return fold(u32(delta + (checksum ^ 0xffff))) ^ 0xffff
}

/** The same for UDP, where 0 means "no checksum": it stays, and never comes to be. */
export function applyDeltaUdp(checksum: u16, delta: u32): u16 {
  if (checksum === 0) return 0
  const changed: u16 = applyDelta(checksum, delta)
  return changed === 0 ? 0xffff : changed
}

/** The same for a partial checksum: a pseudo-header's sum, not complemented (offloads, see packet.ts). */
export function applyDeltaPartial(sum: u16, delta: u32): u16 {
  return fold(u32(delta + sum))
}

/** The one's-complement sum of both halves: 32 bits to 16. */
export function fold(sum: u32): u16 {
  const once: u32 = (sum & 0xffff) + (sum >>> 16)
  return u16(once + (once >>> 16))
}

/** The sum with both halves of `value` added. */
export function add32(sum: u32, value: u32): u32 {
  return u32(sum + (value >>> 16) + (value & 0xffff))
}

const Block = header('checksum-block', { w0: 'u32', w1: 'u32', w2: 'u32', w3: 'u32' })
const Five = header('checksum-five', { w0: 'u32', w1: 'u32', w2: 'u32', w3: 'u32', w4: 'u32' })
const Word = header('checksum-word', { value: 'u32' })
const Byte = header('checksum-byte', { value: 'u8' })
const blockAt = Block.cursor()
const fiveAt = Five.cursor()
const wordAt = Word.cursor()
const byteAt = Byte.cursor()

/** Bytes that `sumFrame` sums at most: a jumbo frame. */
export const SUM_FRAME_MAX = 9216

/**
 * The sum, not yet folded nor complemented, of `length` bytes of the frame from byte `offset`. An odd last
 * byte counts as the high half of a word. The caller guarantees length ≤ SUM_FRAME_MAX; the sum ends where
 * the frame does.
 *
 * @apart
 */
export function sumFrame(packet: Packet, offset: u32, length: u32): u32 {
  let sum: u32 = 0
  let at: u32 = offset
  let left: u32 = length
  for (let i: u32 = 0; i < 576; i++) {
    if (left < 16) break
    const block = blockAt.at(packet, at)
    if (block === null) break
    sum = add32(sum, block.w0)
    sum = add32(sum, block.w1)
    sum = add32(sum, block.w2)
    sum = add32(sum, block.w3)
    at = u32(at + 16)
    left = u32(left - 16)
  }
  for (let i: u32 = 0; i < 4; i++) {
    if (left < 4) break
    const word = wordAt.at(packet, at)
    if (word === null) break
    sum = add32(sum, word.value)
    at = u32(at + 4)
    left = u32(left - 4)
  }
  for (let i: u32 = 0; i < 3; i++) {
    if (left === 0) break
    const byte = byteAt.at(packet, at)
    if (byte === null) break
    sum = u32(sum + (i === 1 ? byte.value : byte.value << 8))
    at = u32(at + 1)
    left = u32(left - 1)
  }
  return sum
}

/**
 * The sum, not folded, of the 20 bytes from byte `offset`, as an IPv4 header without options has; 0 if they are not
 * there.
 */
export function sumTwenty(packet: Packet, offset: u32): u32 {
  const words = fiveAt.at(packet, offset)
  if (words === null) return 0
  return sumHalves(words.w0, words.w1, words.w2, words.w3, words.w4)
}

// For the control plane, from here on.

/** The sum of `bytes`, added to `sum`, not folded; an odd last byte counts as the high half of a word. */
export function sumBytes(bytes: Uint8Array, sum: u32 = 0): u32 {
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!
  if (bytes.length % 2 === 1) sum += bytes.at(-1)! << 8
  return sum
}

/** The Internet checksum of `bytes`, in which the checksum field is still 0; `pseudoSum` if there is one. */
export function checksum(bytes: Uint8Array, pseudoSum: u32 = 0): u16 {
  return fold(sumBytes(bytes, pseudoSum)) ^ 0xffff
}

/** Does the checksum that lies somewhere in `bytes` fit them? */
export function isChecksumRight(bytes: Uint8Array, pseudoSum: u32 = 0): boolean {
  return fold(sumBytes(bytes, pseudoSum)) === 0xffff
}

/**
 * The sum of the pseudo-header that TCP, UDP, ICMPv6 and VRRP put before what they sum (RFC 9293 §3.1,
 * RFC 8200 §8.1). `length` is that of the transport header and payload. Both addresses are of one family.
 */
export function pseudoHeaderSum(
  source: string,
  destination: string,
  protocol: number,
  length: number,
): u32 {
  return sumBytes(ipToBytes(source), sumBytes(ipToBytes(destination))) + protocol + add32(0, length)
}
