/**
 * The frame itself: its length, room opened and closed in it, its end moved, all of it made readable.
 */
import { u32 } from '../../../src/subset/integers.ts'
import { Decapsulation, Encapsulation, type Packet } from '../../../src/subset/packet.ts'
import { Numbers, NUMBERS_AT, results } from '../numbers.ts'

const numbersAt = Numbers.cursor()
const resultAt = results.cursor()
const madeAt = Numbers.cursor()
const endAt = Numbers.cursor()
const afterAt = Numbers.cursor()

export function frames(packet: Packet): u32 {
  const n = numbersAt.at(packet, NUMBERS_AT)
  const out = resultAt.at(0)
  if (n === null || out === null) return 0
  const choice: u32 = n.g % 4
  const value: u32 = n.a
  out.r0 = packet.length
  out.r1 = packet.segmentSize
  if (choice === 0) {
    if (!packet.encapsulate(22, Encapsulation.none)) return 1
    const made = madeAt.at(packet, NUMBERS_AT)
    if (made === null) return 2
    made.a = value
    made.b = 0
    made.c = packet.length
    made.d = 0x01020304
    made.e = 7
    made.f = 8
    made.g = 9
    made.h = 10
  } else if (choice === 1) {
    if (packet.length > 60 && !packet.decapsulate(12, Decapsulation.sameFamily)) return 3
  } else if (choice === 2) {
    if (!packet.adjustTail(16)) return 4
    const end = endAt.at(packet, packet.length > 22 ? u32(packet.length - 22) : 0)
    if (end === null) return 5
    end.f = 0xaabb
  } else {
    if (packet.length > 60 && !packet.adjustTail(-9)) return 6
    if (!packet.makeReadable()) return 8
  }
  out.r2 = packet.length
  const after = afterAt.at(packet, NUMBERS_AT)
  return after === null ? 7 : after.a
}
