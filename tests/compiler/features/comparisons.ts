/**
 * Comparisons of unsigned numbers, also with constants that have bit 31.
 */
import { u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()

export function comparisons(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  let bits: u32 = 0
  if (n.a < n.b) bits = u32(bits | 1)
  if (n.a <= n.b) bits = u32(bits | 2)
  if (n.a > n.b) bits = u32(bits | 4)
  if (n.a >= n.b) bits = u32(bits | 8)
  if (n.a === n.b) bits = u32(bits | 16)
  if (n.a !== n.b) bits = u32(bits | 32)
  if (n.a < 0x80000000) bits = u32(bits | 64)
  if (n.a <= 0x7fffffff) bits = u32(bits | 128)
  if (n.b > 0xfffffffe) bits = u32(bits | 256)
  if (n.b >= 0x80000001) bits = u32(bits | 512)
  if (n.c === 0xffffffff) bits = u32(bits | 1024)
  if (n.c !== 0x80000000) bits = u32(bits | 2048)
  if (n.a + n.b < 0x80000000) bits = u32(bits | 4096)
  if (n.a + n.b > 0xffffffff) bits = u32(bits | 8192)
  if (n.a * 0x1000 >= 0x100000000) bits = u32(bits | 16384)
  if (5 < n.g) bits = u32(bits | 32768)
  if (0x90000000 <= n.d) bits = u32(bits | 65536)
  out.r0 = n.e < n.f ? n.e : n.f
  out.r1 = n.a > 0 ? (n.a > 1 ? 2 : 1) : 0
  out.flag = n.g === n.h ? 1 : 0
  return bits
}
