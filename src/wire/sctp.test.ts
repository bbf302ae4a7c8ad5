import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyCut, goldenPayload } from '../../tests/packets/golden-frames.ts'
import { viewOf } from '../base/bytes.ts'
import { emitSctp, formatSctp, parseSctp, Sctp, SctpChunk, sctpChecksum } from './sctp.ts'
import { SctpChunkType } from './sctp.ts'

/** Frame, verification tag, chunks as type and length of value, and how it prints. */
const cases: [string, number, [number, number][], string][] = [
  ['sctp4-init', 0, [[SctpChunkType.init, 16]], 'sctp (1) [INIT]'],
  ['sctp4-data', 0x11223344, [[SctpChunkType.data, 17]], 'sctp (1) [DATA]'],
  [
    'sctp6-cookie-echo',
    0x11223344,
    [
      [SctpChunkType.cookieEcho, 24],
      [SctpChunkType.sack, 12],
    ],
    'sctp (1) [COOKIE ECHO], (2) [SACK]',
  ],
]

for (const [name, tag, chunks, text] of cases) {
  const { bytes } = goldenPayload(name)

  test(`${name}: both views agree, and it is emitted as it was`, () => {
    const sctp = Sctp.view(viewOf(bytes), 0)
    assert.deepEqual([sctp.sourcePort, sctp.destinationPort, sctp.tag], [36412, 8000, tag])
    const chunk = SctpChunk.view(viewOf(bytes), Sctp.size)
    assert.deepEqual([chunk.type, chunk.length - SctpChunk.size], chunks[0])
    const packet = parseSctp(bytes)
    assert.ok(packet !== undefined)
    assert.deepEqual([packet.sourcePort, packet.destinationPort, packet.tag], [36412, 8000, tag])
    assert.deepEqual(
      packet.chunks.map(({ type, value }) => [type, value.length]),
      chunks,
    )
    assert.equal(sctpChecksum(bytes), packet.checksum) // scapy's CRC
    assert.deepEqual(emitSctp(packet), bytes)
    assert.deepEqual(emitSctp({ ...packet, checksum: undefined }), bytes)
    assert.equal(formatSctp(packet), text)
  })

  test(`${name}: cut inside header or chunk it is refused`, () => {
    const chunkEnds = [Sctp.size, name === 'sctp6-cookie-echo' ? Sctp.size + 28 : -1]
    for (const cut of everyCut(bytes)) {
      const isBetweenChunks = chunkEnds.includes(cut.length)
      assert.equal(parseSctp(cut) !== undefined, isBetweenChunks, `${cut.length}`)
    }
  })
}

test('a chunk shorter than its header, or longer than what is there, is refused', () => {
  for (const length of [0, 3, 24, 0xffff]) {
    const bytes = Uint8Array.from(goldenPayload('sctp4-init').bytes)
    viewOf(bytes).setUint16(Sctp.size + 2, length)
    assert.equal(parseSctp(bytes), undefined, `length ${length}`)
  }
})

test('padding is not value: five bytes of data stand in eight', () => {
  const { chunks } = parseSctp(goldenPayload('sctp4-data').bytes)!
  assert.equal(new TextDecoder().decode(chunks[0]!.value.subarray(12)), 'hello')
  assert.equal(goldenPayload('sctp4-data').bytes.length, Sctp.size + 4 + 12 + 8)
})
