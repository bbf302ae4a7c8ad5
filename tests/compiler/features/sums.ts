/**
 * The Internet checksum, as the packet path adds it up: over bytes that are there and others.
 */
import { u16, u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { header } from '../../../src/subset/struct.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()
const Word = header('word', { value: 'u16' })
const wordAt = Word.cursor()
const Odd = header('odd', { value: 'u8' })
const oddAt = Odd.cursor()

const WORDS = 40

export function sums(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  let sum: u32 = 0
  let at: u32 = NUMBERS_AT
  for (let i: u32 = 0; i < WORDS; i++) {
    const word = wordAt.at(packet, at)
    if (word === null) break
    sum = u32(sum + word.value)
    at = u32(at + 2)
  }
  const odd = oddAt.at(packet, at)
  if (odd !== null) sum = u32(sum + (odd.value << 8))
  out.r0 = sum
  out.half = fold(sum)
  n.e = u16(~fold(sum))
  out.r1 = fold(u32(n.e + 0xffff - n.f))
  return fold(sum)
}

function fold(sum: u32): u16 {
  const once: u32 = (sum & 0xffff) + (sum >>> 16)
  return u16((once & 0xffff) + (once >>> 16))
}
