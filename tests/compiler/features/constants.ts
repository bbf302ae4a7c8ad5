/**
 * Constants of the top level: numbers, arithmetic, groups, other files’, and those with many bits.
 */
import { u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import * as numbers from '../numbers.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()
const BIG = 0x90000000
const ALL = 0xffffffff
const LEAST = -5
const WIDE = 1 + (1 << 20)
const HUGE = 0x100000000 * 16
const SHIFTED = (1 << 6) | (0xff >>> 4)
const IS_ON = true
const Kind = { first: 1, second: 2, all: ALL } as const

export function constants(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  out.r0 = u32(n.a + BIG)
  out.r1 = u32(n.a & ALL)
  out.r2 = n.a === Kind.second ? Kind.all : Kind.first
  out.r3 = n.b > -LEAST ? 1 : 0
  out.r4 = u32(n.c + LEAST)
  out.r5 = numbers.RESULTS + numbers.NUMBERS_BYTES
  out.wide = n.e * WIDE
  out.r6 = u32(n.d ^ BIG)
  out.r7 = n.a + HUGE > HUGE + 0x7fffffff ? 1 : 0
  out.flag = IS_ON ? 1 : 0
  if (n.a < LEAST) return 1
  return IS_ON && n.g === SHIFTED ? Kind.all : u32(n.a - HUGE)
}
