import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesOf, everyCut, goldenFrames } from '../../tests/packets/golden-frames.ts'
import { concatBytes } from '../base/bytes.ts'
import { emitPcapFrame, emitPcapHeader, readPcap, writePcap } from './pcap.ts'
import type { Pcap, PcapFrame } from './pcap.ts'

const FRAME = '020000000a02020000000a0188b56578'

/** The same frame of 24 bytes, 16 kept, at 1 700 000 000.123456(789) s: files by scapy 2.5.0's RawPcapWriter. */
const files: [string, string, number][] = [
  [
    'microseconds, little-endian',
    `d4c3b2a1020004000000000000000000000004000100000000f1536540e201001000000018000000${FRAME}`,
    123_456_000,
  ],
  [
    'nanoseconds, little-endian',
    `4d3cb2a1020004000000000000000000000004000100000000f1536515cd5b071000000018000000${FRAME}`,
    123_456_789,
  ],
  [
    'microseconds, big-endian',
    `a1b2c3d400020004000000000000000000040000000000016553f1000001e2400000001000000018${FRAME}`,
    123_456_000,
  ],
  [
    'nanoseconds, big-endian',
    `a1b23c4d00020004000000000000000000040000000000016553f100075bcd150000001000000018${FRAME}`,
    123_456_789,
  ],
]

function read(bytes: Uint8Array): Pcap {
  const pcap = readPcap(bytes)
  if ('error' in pcap) throw new Error(`${pcap.error} at ${pcap.offset}`)
  return pcap
}

for (const [name, hex, nanoseconds] of files) {
  const bytes = bytesOf(hex)

  test(`${name}: read`, () => {
    assert.deepEqual(read(bytes), {
      snapLength: 262_144,
      frames: [{ seconds: 1_700_000_000, nanoseconds, bytes: bytesOf(FRAME), originalLength: 24 }],
    })
  })

  test(`${name}: cut anywhere it is refused, and said where`, () => {
    for (const cut of everyCut(bytes)) {
      if (cut.length === 24) continue // a file without frames
      const pcap = readPcap(cut)
      assert.ok('error' in pcap, `${cut.length}`)
      assert.equal(pcap.offset, cut.length < 4 ? 0 : cut.length)
    }
  })
}

test('what is no pcap file of Ethernet frames is refused with a sentence', () => {
  const little = files[0]![1]
  const cases: [string, string, number][] = [
    ['00000000', 'the file does not begin as a pcap file does', 0],
    ['0a0d0d0a1c000000', 'the file is pcapng, not pcap: editcap -F pcap converts it', 0],
    [little.replace('02000400', '01000400'), 'pcap version 1 is not 2', 4],
    [little.replace('0001000000', '0071000000'), 'link type 113 is not Ethernet (1)', 20],
    [little.replace('1000000018', 'ffffffff18'), 'a frame of 4294967295 bytes is longer', 32],
    [little.replace('40e20100', '40420f00'), 'a fraction of a second is one or more', 28],
  ]
  for (const [hex, sentence, offset] of cases) {
    const pcap = readPcap(bytesOf(hex))
    assert.ok('error' in pcap, sentence)
    assert.ok(pcap.error.startsWith(sentence), pcap.error)
    assert.equal(pcap.offset, offset, sentence)
  }
  const empty = readPcap(new Uint8Array())
  assert.ok('error' in empty && empty.offset === 0)
})

test('a file that we write is read again', () => {
  const frames: PcapFrame[] = goldenFrames().map(({ bytes }, i) => {
    return { seconds: i, nanoseconds: 999_999_999 - i, bytes, originalLength: bytes.length }
  })
  const file = writePcap(frames)
  assert.deepEqual(read(file).frames, frames)
  assert.deepEqual(concatBytes(emitPcapHeader(), ...frames.map(emitPcapFrame)), file)
  assert.equal(read(emitPcapHeader(96)).snapLength, 96)
})
