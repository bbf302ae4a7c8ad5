/**
 * A short way that gives up where it will, and a long one that begins anew; sums of halves; headers inside others.
 */
import { now } from '../../../src/subset/clock.ts'
import { startAnew, sumHalves, u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { header, row, type ViewOf } from '../../../src/subset/struct.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const Around = header('around', { word0: 'u32', word1: 'u32', word2: 'u32', half: 'u16' })
const Inside = header('inside', { half: 'u16', byte: 'u8' })
const Found = row('found', { a: 'u32', b: 'u32' })
type Found = ViewOf<typeof Found>

const found = Found.local()
const aroundAt = Around.cursor()
const insideAt = Inside.cursor()
const sameAt = Around.cursor()
const numbersAt = Numbers.cursor()
const shortResultAt = results.cursor()
const resultAt = results.cursor()

const GAVE_UP = 0xffffffff

export function shortWays(packet: Packet): u32 {
  const short: u32 = goShort(packet, found)
  if (short !== GAVE_UP) return u32(short + found.b)
  return goLong(packet, found)
}

function goShort(packet: Packet, to: Found): u32 {
  const around = aroundAt.at(packet, NUMBERS_AT)
  const out = shortResultAt.at(1)
  if (around === null || out === null) return GAVE_UP
  to.a = around.word0
  to.b = around.word1
  if (to.a > to.b) return GAVE_UP
  const inside = insideAt.at(packet, NUMBERS_AT + 5)
  if (inside === null || inside.byte > 200) return GAVE_UP
  const sum: u32 = sumHalves(around.word0, around.word1, around.word2, to.b, inside.half)
  if ((sum & 1) === 0) return GAVE_UP
  out.r0 = inside.half
  inside.half = around.half
  inside.byte = 7
  out.r1 = around.word1
  out.r2 = u32(now() + sum)
  const same = sameAt.at(packet, NUMBERS_AT)
  if (same !== null) out.r3 = same.word1
  out.half = sum & 0xffff
  return sum
}

function goLong(packet: Packet, to: Found): u32 {
  startAnew()
  to.a = 0
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  to.b = n.d
  if (n.g === 0x45) to.a = n.e
  out.r0 = sumHalves(n.a, n.b, n.c, n.d, n.e)
  out.r1 = now()
  return u32(to.a + to.b)
}
