import assert from 'node:assert/strict'
import { it } from 'node:test'
import { frameOf, packetOf } from '../../tests/packets/packet-of.ts'
import { bytesToHex } from '../base/hex.ts'
import { tcpFrame } from '../wire/flow.ts'
import { emitFrame } from '../wire/frame.ts'
import type { TcpOption } from '../wire/tcp.ts'
import { Flow } from './flow.ts'
import { rewriteSynOptions } from './syn-options.ts'

const NOP: TcpOption = { type: 'nop' }
const mss = (size: number): TcpOption => ({ type: 'mss', size })
const times: TcpOption = { type: 'timestamps', value: 0x01020304, echo: 0xfffefdfc }
const sack: TcpOption = { type: 'sackPermitted' }
const blank = Array.from({ length: 10 }, () => NOP)

const cases: readonly (readonly [string, readonly TcpOption[], readonly TcpOption[]])[] = [
  ['no options', [], []],
  ['a size that fits', [mss(1400)], [mss(1400)]],
  ['a size that does not', [mss(1460)], [mss(1400)]],
  ['at an odd place', [NOP, mss(9000)], [NOP, mss(1400)]],
  ['timestamps', [sack, times], [sack, ...blank]],
  ['timestamps at an odd place', [NOP, times], [NOP, ...blank]],
  ['all of it', [mss(1460), sack, times, NOP], [mss(1400), sack, ...blank, NOP]],
  ['twice', [mss(1460), mss(1461)], [mss(1400), mss(1400)]],
  ['only NOPs, more than are looked at', Array(40).fill(NOP), Array(40).fill(NOP)],
  [
    'another option before',
    [{ type: 'other', kind: 254, data: new Uint8Array(3) }, mss(1460)],
    [{ type: 'other', kind: 254, data: new Uint8Array(3) }, mss(1400)],
  ],
]

function syn(options: readonly TcpOption[]): Uint8Array {
  return tcpFrame('10.0.0.10:4000', '10.0.0.100:80', { flags: 2, options, data: 'hello' })
}

function rewritten(
  frame: Uint8Array,
  maxSize: number,
  isBlank: boolean,
  isPartial = false,
): string {
  const flow = Flow.local()
  flow.transport = 34
  const packet = packetOf(frame)
  packet.hasPartialChecksum = isPartial
  rewriteSynOptions(packet, flow, maxSize, isBlank)
  return bytesToHex(frameOf(packet))
}

for (const [what, before, after] of cases) {
  it(what, () => assert.equal(rewritten(syn(before), 1400, true), bytesToHex(syn(after))))
}

it('timestamps stay where they shall', () => {
  assert.equal(rewritten(syn([mss(1460), times]), 1400, false), bytesToHex(syn([mss(1400), times])))
})

it('a partial checksum, which does not cover options, stays', () => {
  const before = syn([mss(1460), times])
  const after = syn([mss(1400), ...blank])
  after.set(before.subarray(50, 52), 50)
  assert.equal(rewritten(before, 1400, true, true), bytesToHex(after))
})

it('stops at a length that cannot be, and never leaves the header', () => {
  const cases = [
    [[2, 0, 5, 180], undefined],
    [[2, 1, 5, 180], undefined],
    [[8, 11, 2, 4], undefined],
    [[1, 1, 1, 2], undefined],
    [[0, 2, 4, 255], undefined],
    [
      [2, 4, 255, 255, 8, 10, 0, 0],
      [2, 4, 5, 120, 8, 10, 0, 0],
    ],
  ] as const
  const make = (options: readonly number[]) => {
    const ip = { source: '10.0.0.10', destination: '10.0.0.100' }
    const payload = Uint8Array.of(2, 4, 5, 180)
    const tcp = { sourcePort: 1, destinationPort: 2, options: Uint8Array.from(options), payload }
    return emitFrame({ ip, tcp })
  }
  for (const [before, after] of cases) {
    assert.equal(rewritten(make(before), 1400, true), bytesToHex(make(after ?? before)))
  }
})
