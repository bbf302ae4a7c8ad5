/**
 * Loops of many rounds: what they are about is carried from piece to piece.
 */
import { mul32, u8, u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { header } from '../../../src/subset/struct.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()
const Byte = header('byte', { value: 'u8' })
const byteAt = Byte.cursor()
const rowAt = results.cursor()

const LINES = 64
const ROUNDS = 200

export function longLoops(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  let low: u32 = n.a
  let high: u32 = n.b
  let isOdd: boolean = false
  for (let i: u32 = 0; i < ROUNDS; i++) {
    const byte = byteAt.at(packet, i)
    if (byte === null) break
    if (byte.value === n.g) {
      isOdd = !isOdd
      continue
    }
    const before: u32 = low
    low = u32(high + byte.value)
    high = mul32(before, 33)
    if (isFull(low, high)) return low
  }
  out.r0 = low
  out.r1 = high
  out.flag = isOdd ? 1 : 0
  return search(n.c, n.e)
}

/** Two loops, one in the other, both long. */
function search(wanted: u32, mask: u32): u32 {
  for (let i: u32 = 0; i < LINES; i++) {
    const row = rowAt.at(i & 3)
    if (row === null) return 1
    for (let j: u32 = 0; j < LINES; j++) {
      if (u32(i * LINES + j) === u32(wanted & 0xfff)) return u32(row.r0 + i)
      if ((j & mask & 0xff) === 9) break
    }
    row.byte = u8(row.byte + 1)
  }
  return 2
}

function isFull(low: u32, high: u32): boolean {
  return low > 0xfff00000 && high > 0xff000000
}
