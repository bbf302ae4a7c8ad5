/**
 * SipHash-1-3 of one 32-bit word, cut to 32 bits: what Linux calls hsiphash_1u32 on 64-bit machines
 * (include/linux/siphash.h, lib/siphash.c). Source: Aumasson, Bernstein, "SipHash: a fast short-input PRF".
 *
 * The four 64-bit lanes are kept as two 32-bit halves each, since the subset's numbers are exact to 2^53 only.
 */
import { u32 } from '../subset/integers.ts'
import { row, type ViewOf } from '../subset/struct.ts'

const Lanes = row('lanes', {
  low0: 'u32',
  high0: 'u32',
  low1: 'u32',
  high1: 'u32',
  low2: 'u32',
  high2: 'u32',
  low3: 'u32',
  high3: 'u32',
})
type Lanes = ViewOf<typeof Lanes>

const lanes = Lanes.local()

/** The upper half of a 64-bit sum whose lower halves were `low` and gave `sum`. */
function carry(sum: u32, low: u32): u32 {
  return sum < low ? 1 : 0
}

/** One SipRound on the four lanes. */
function mixLanes(v: Lanes): void {
  const low0: u32 = u32(v.low0 + v.low1)
  const high0: u32 = u32(v.high0 + v.high1 + carry(low0, v.low0))
  const low1: u32 = u32(((v.low1 << 13) | (v.high1 >>> 19)) ^ low0)
  const high1: u32 = u32(((v.high1 << 13) | (v.low1 >>> 19)) ^ high0)
  const low2: u32 = u32(v.low2 + v.low3)
  const high2: u32 = u32(v.high2 + v.high3 + carry(low2, v.low2))
  const low3: u32 = u32(((v.low3 << 16) | (v.high3 >>> 16)) ^ low2)
  const high3: u32 = u32(((v.high3 << 16) | (v.low3 >>> 16)) ^ high2)
  // v0 is rotated by 32: its halves change places.
  const sum0: u32 = u32(high0 + low3)
  v.high0 = u32(low0 + high3 + carry(sum0, high0))
  v.low0 = sum0
  v.low3 = u32(((low3 << 21) | (high3 >>> 11)) ^ v.low0)
  v.high3 = u32(((high3 << 21) | (low3 >>> 11)) ^ v.high0)
  const sum2: u32 = u32(low2 + low1)
  const top2: u32 = u32(high2 + high1 + carry(sum2, low2))
  v.low1 = u32(((low1 << 17) | (high1 >>> 15)) ^ sum2)
  v.high1 = u32(((high1 << 17) | (low1 >>> 15)) ^ top2)
  v.low2 = top2
  v.high2 = sum2
}

/** The hash of `word` under a key whose two 64-bit halves are both `key`, as ip_vs_mh.c uses it. */
export function sipHash(word: u32, key: u32): u32 {
  lanes.low0 = u32(0x70736575 ^ key)
  lanes.high0 = 0x736f6d65
  lanes.low1 = u32(0x6e646f6d ^ key)
  lanes.high1 = 0x646f7261
  lanes.low2 = u32(0x6e657261 ^ key)
  lanes.high2 = 0x6c796765
  lanes.low3 = u32(0x79746573 ^ key ^ word)
  lanes.high3 = u32(0x74656462 ^ 0x04000000) // the message's length, 4, in the top byte
  mixLanes(lanes)
  lanes.low0 = u32(lanes.low0 ^ word)
  lanes.high0 = u32(lanes.high0 ^ 0x04000000)
  lanes.low2 = u32(lanes.low2 ^ 0xff)
  mixLanes(lanes)
  mixLanes(lanes)
  mixLanes(lanes)
  return u32(lanes.low0 ^ lanes.low1 ^ lanes.low2 ^ lanes.low3)
}
