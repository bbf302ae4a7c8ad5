/**
 * Headers in the frame: big-endian, packed, read and written, next to each other.
 */
import type { u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { header } from '../../../src/subset/struct.ts'
import { Numbers, NUMBERS_AT, NUMBERS_BYTES, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()
const Odd = header('odd', { byte: 'u8', half: 'u16', word: 'u32', tail: 'u16' })
const oddAt = Odd.cursor()
const Long = header('long', { value: 'u64' })
const longAt = Long.cursor()

export function headers(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  const odd = oddAt.at(packet, NUMBERS_AT + 1)
  if (odd === null) return 1
  out.r0 = odd.half
  out.r1 = odd.word
  out.r2 = odd.tail
  out.wide = odd.word * 0x10000 + odd.half
  odd.half = n.f
  odd.byte = n.h
  odd.word = n.c
  odd.tail = odd.half
  const long = longAt.at(packet, NUMBERS_AT + NUMBERS_BYTES)
  if (long === null) return 2
  long.value = n.a * 0x1000 + n.e
  out.r3 = n.a
  out.r4 = n.b
  return long.value % 0x10000
}
