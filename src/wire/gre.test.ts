import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyCut, goldenPayload } from '../../tests/packets/golden-frames.ts'
import { viewOf } from '../base/bytes.ts'
import { isChecksumRight } from './checksum.ts'
import { EtherType } from './ethernet.ts'
import { emitGre, formatGre, Gre, GreChecksum, GreFlag, parseGre } from './gre.ts'

/** Frame, flags, header length, protocol, key, sequence, and how it prints. */
const cases: [string, number, number, number, number | undefined, number | undefined, string][] = [
  ['gre4', 0, 4, EtherType.ipv4, undefined, undefined, 'GREv0, length 35'],
  ['gre6', 0, 4, EtherType.ipv6, undefined, undefined, 'GREv0, length 55'],
  [
    'gre4-checksum-key',
    GreFlag.checksum | GreFlag.key | GreFlag.sequence,
    16,
    EtherType.ipv4,
    0xbeef,
    7,
    'GREv0, off 0x0, key=0xbeef, seq 7, length 47',
  ],
]

for (const [name, flags, headerLength, protocol, key, sequence, text] of cases) {
  const { bytes } = goldenPayload(name)

  test(`${name}: both views agree, and it is emitted as it was`, () => {
    const gre = Gre.view(viewOf(bytes), 0)
    assert.deepEqual([gre.flagsAndVersion, gre.protocol], [flags, protocol])
    const packet = parseGre(bytes)
    assert.ok(packet !== undefined)
    assert.deepEqual([packet.protocol, packet.key, packet.sequence], [protocol, key, sequence])
    assert.deepEqual(packet.payload, bytes.subarray(headerLength))
    assert.deepEqual(emitGre(packet), bytes)
    assert.equal(formatGre(packet), text)
  })

  test(`${name}: a cut header is refused`, () => {
    for (const cut of everyCut(bytes.subarray(0, headerLength))) {
      assert.equal(parseGre(cut), undefined, `${cut.length}`)
    }
  })
}

test('the checksum covers header and payload, and is computed as scapy does', () => {
  const { bytes } = goldenPayload('gre4-checksum-key')
  assert.ok(isChecksumRight(bytes))
  const packet = parseGre(bytes)!
  assert.equal(packet.checksum, GreChecksum.view(viewOf(bytes), Gre.size).checksum)
  assert.deepEqual(emitGre({ ...packet, checksum: 'computed' }), bytes)
})

test('routing, unknown flags and version 1 are refused', () => {
  for (const flags of [0x4000, 0x0800, 0x0001]) {
    const bytes = Uint8Array.from(goldenPayload('gre4').bytes)
    viewOf(bytes).setUint16(0, flags)
    assert.equal(parseGre(bytes), undefined, flags.toString(16))
  }
})
