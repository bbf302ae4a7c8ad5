/**
 * Structs of the program’s own: filled by whom they are handed to, kept from packet to packet.
 */
import { u16, u32 } from '../../../src/subset/integers.ts'
import type { Packet } from '../../../src/subset/packet.ts'
import { row, type ViewOf } from '../../../src/subset/struct.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()
const Halves = row('halves', { low: 'u16', high: 'u16' })
type Halves = ViewOf<typeof Halves>
const first = Halves.local()
const second = Halves.local()
const Count = row('count', { seen: 'u32' })
const count = Count.local()

export function locals(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  split(n.a, first)
  split(n.b, second)
  swapHalves(first, second)
  out.r0 = u32(first.low * 0x10000 + first.high)
  out.r1 = second.low
  out.r2 = count.seen
  count.seen = u32(count.seen + 1)
  if (n.g > 200) count.seen = 0
  const chosen = n.c > n.d ? first : second
  return u32(chosen.low + count.seen)
}

function split(value: u32, into: Halves): void {
  into.low = u16(value)
  into.high = value >>> 16
}

/** @apart */
function swapHalves(one: Halves, other: Halves): void {
  const low: u16 = one.low
  one.low = other.high
  other.high = low
}
