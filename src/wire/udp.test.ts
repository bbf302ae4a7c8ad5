import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyCut, goldenPayload } from '../../tests/packets/golden-frames.ts'
import { viewOf } from '../base/bytes.ts'
import { fold, isChecksumRight, pseudoHeaderSum } from './checksum.ts'
import { emitUdp, formatUdp, parseUdp, Udp } from './udp.ts'

/** Frame, ports, payload, checksum. */
const cases: [string, [number, number], string, number][] = [
  ['udp4', [5000, 6000], 'datagram', 0x1ec6],
  ['udp4-empty', [5000, 6000], '', 0xc078],
  ['udp4-no-checksum', [5000, 6000], 'datagram', 0],
  ['udp6', [5000, 6000], 'datagram', 0xd69d],
]

for (const [name, [sourcePort, destinationPort], text, checksum] of cases) {
  const { bytes, source, destination } = goldenPayload(name)

  test(`${name}: both views agree, and it is emitted as it was`, () => {
    const udp = Udp.view(viewOf(bytes), 0)
    assert.deepEqual([udp.sourcePort, udp.destinationPort], [sourcePort, destinationPort])
    assert.deepEqual([udp.length, udp.checksum], [8 + text.length, checksum])
    const payload = new TextEncoder().encode(text)
    const datagram = parseUdp(bytes)
    assert.deepEqual(datagram, { sourcePort, destinationPort, payload, checksum })
    assert.deepEqual(emitUdp(datagram, source, destination), bytes)
    assert.equal(formatUdp(datagram), `UDP, length ${text.length}`)
    if (checksum === 0) return
    assert.deepEqual(emitUdp({ ...datagram, checksum: undefined }, source, destination), bytes)
    assert.ok(isChecksumRight(bytes, pseudoHeaderSum(source, destination, 17, bytes.length)))
  })

  test(`${name}: cut anywhere it is refused`, () => {
    for (const cut of everyCut(bytes)) assert.equal(parseUdp(cut), undefined)
  })
}

test('a sum of zero is sent as 0xffff', () => {
  const { bytes, source, destination } = goldenPayload('udp4-checksum-ffff')
  const datagram = parseUdp(bytes)!
  assert.equal(datagram.checksum, 0xffff)
  assert.deepEqual(emitUdp({ ...datagram, checksum: undefined }, source, destination), bytes)
})

test('a length below the header is refused, bytes behind it are ignored', () => {
  const bytes = Uint8Array.from(goldenPayload('udp4').bytes)
  bytes[5] = 7
  assert.equal(parseUdp(bytes), undefined)
  bytes[5] = 12
  assert.equal(parseUdp(bytes)!.payload.length, 4)
})

test("the kernel leaves a partial checksum: the pseudo-header's sum, not complemented", () => {
  const { bytes, source, destination } = goldenPayload('kernel-udp4')
  const pseudoSum = pseudoHeaderSum(source, destination, 17, bytes.length)
  assert.equal(parseUdp(bytes)!.checksum, fold(pseudoSum))
})
