/**
 * Frames with numbers in them (numbers.ts) for small programs: those at the edges of every width, and any others.
 */
import type { Random } from '../../src/base/random.ts'
import type { Input } from './engines.ts'
import { NUMBERS_AT, NUMBERS_BYTES } from './numbers.ts'

const EDGES = [
  0, 1, 2, 3, 7, 20, 31, 32, 99, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xfffe, 0xffff, 0x10000,
  0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff,
]
/** IPv4, to which the kernel adds headers under tc, and for short frames one that it does not look into. */
const Type = { ipv4: 0x0800, other: 0x88b5 } as const
/** Bytes behind the numbers, at most. */
const REST = 60

export function randomInputs(random: Random, count: number): Input[] {
  return Array.from({ length: count }, () => randomInput(random))
}

function randomInput(random: Random): Input {
  const isShort = random.oneIn(16)
  const behind = isShort ? 0 : NUMBERS_BYTES + random.below(REST)
  const frame = random.bytes(NUMBERS_AT + (isShort ? random.below(NUMBERS_BYTES) : behind))
  const view = new DataView(frame.buffer)
  view.setUint16(12, isShort ? Type.other : Type.ipv4)
  if (!isShort) {
    const words = [0, 4, 8, 12].map((at) => ({ at, value: randomNumber(random) }))
    // Equal ones and neighbours are seldom met by chance.
    if (random.oneIn(3)) words[1]!.value = words[0]!.value
    else if (random.oneIn(3)) words[1]!.value = words[0]!.value + (random.oneIn(2) ? 1 : -1)
    for (const { at, value } of words) view.setUint32(NUMBERS_AT + at, value)
    for (const at of [16, 18]) view.setUint16(NUMBERS_AT + at, randomNumber(random))
    for (const at of [20, 21]) view.setUint8(NUMBERS_AT + at, randomNumber(random))
  }
  return { frame, ticks: randomNumber(random) >>> 0, seed: random.next32() | 1 }
}

function randomNumber(random: Random): number {
  return random.oneIn(3) ? random.next32() : random.pick(EDGES)
}
