import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesOf, goldenFrame, goldenPayload } from '../../tests/packets/golden-frames.ts'
import { viewOf } from '../base/bytes.ts'
import { Packet } from '../subset/packet.ts'
import { add32, applyDelta, applyDeltaPartial, applyDeltaUdp, checksum, fold } from './checksum.ts'
import { isChecksumRight, pseudoHeaderSum, replace16, replace32 } from './checksum.ts'
import { SUM_FRAME_MAX, sumBytes, sumFrame } from './checksum.ts'
import { Ipv4 } from './ipv4.ts'

function packetOf(bytes: Uint8Array): Packet {
  const packet = new Packet()
  packet.point(viewOf(bytes), 0, bytes.length, 0, bytes.length)
  return packet
}

test('the examples of the RFCs', () => {
  // RFC 1071 §3: the sum of these bytes is 0xddf2.
  assert.equal(fold(sumBytes(bytesOf('0001f203f4f5f6f7'))), 0xddf2)
  assert.equal(checksum(bytesOf('0001f203f4f5f6f7')), 0x220d)
  // RFC 1624 §4: 0xdd2f, a field goes from 0x5555 to 0x3285, gives 0x0000 and never 0xffff.
  assert.equal(applyDelta(0xdd2f, replace16(0, 0x5555, 0x3285)), 0x0000)
})

test('fold carries around, twice if it must', () => {
  const cases: [number, number][] = [
    [0, 0],
    [0xffff, 0xffff],
    [0x10000, 1],
    [0xffffffff, 0xffff],
    [0x1ffff, 1],
    [0xffff0001, 1],
  ]
  for (const [sum, want] of cases) assert.equal(fold(sum), want, sum.toString(16))
  assert.equal(add32(5, 0xffff0001), 0x10005)
})

test('the kernel itself: TTL 64 becomes 63, and its checksum is what the delta gives', () => {
  // pkt-ipip: what the director was sent, and what left it inside the tunnel.
  const was = Ipv4.view(viewOf(bytesOf('4500003c123440004006141b0a00000a0a000064')), 0)
  const is = Ipv4.view(viewOf(bytesOf('4500003c123440003f06151b0a00000a0a000064')), 0)
  const ttlAndProtocol = (ip: typeof was) => (ip.timeToLive << 8) | ip.protocol
  const delta = replace16(0, ttlAndProtocol(was), ttlAndProtocol(is))
  assert.equal(applyDelta(was.checksum, delta), is.checksum)
})

test('NAT: one delta serves header and transport checksum', () => {
  const { bytes, source, destination } = goldenPayload('tcp4-data-odd')
  const delta = replace32(0, 0x0a000064, 0xc0a80a0b)
  const withPorts = replace16(delta, 8000, 80)
  const translated = Uint8Array.from(bytes)
  viewOf(translated).setUint16(2, 80)
  viewOf(translated).setUint16(16, applyDelta(viewOf(bytes).getUint16(16), withPorts))
  const pseudoSum = (to: string) => pseudoHeaderSum(source, to, 6, bytes.length)
  assert.ok(isChecksumRight(bytes, pseudoSum(destination)))
  assert.ok(isChecksumRight(translated, pseudoSum('192.168.10.11')))
  assert.ok(!isChecksumRight(translated, pseudoSum(destination)))

  const header = Uint8Array.from(goldenFrame('tcp4-data-odd').subarray(14, 34))
  viewOf(header).setUint32(16, 0xc0a80a0b)
  viewOf(header).setUint16(10, applyDelta(viewOf(header).getUint16(10), delta))
  assert.ok(isChecksumRight(header))
})

test('UDP: 0 means none and stays, and is never the outcome', () => {
  assert.equal(applyDeltaUdp(0, replace16(0, 1, 2)), 0)
  assert.equal(applyDelta(0xdd2f, replace16(0, 0x5555, 0x3285)), 0)
  assert.equal(applyDeltaUdp(0xdd2f, replace16(0, 0x5555, 0x3285)), 0xffff)
  assert.equal(applyDeltaUdp(0xffff, replace16(0, 7, 7)), 0xffff)
})

test("a partial checksum follows the pseudo-header, and stays the kernel's kind", () => {
  const { bytes, source } = goldenPayload('kernel-tcp4-syn')
  const field = viewOf(bytes).getUint16(16)
  const changed = applyDeltaPartial(field, replace32(0, 0x0a000064, 0xc0a80a0b))
  assert.equal(changed, fold(pseudoHeaderSum(source, '192.168.10.11', 6, bytes.length)))
})

test('sumFrame sums what sumBytes does, at every length and from odd places', () => {
  const bytes = Uint8Array.from({ length: 2100 }, (_, i) => (i * 167 + (i >> 8)) & 0xff)
  const packet = packetOf(bytes)
  const lengths = [
    ...Array(70).keys(),
    575,
    576,
    1279,
    1499,
    1500,
    SUM_FRAME_MAX - 1,
    SUM_FRAME_MAX,
  ]
  for (const offset of [0, 1, 14, 34]) {
    for (const length of lengths) {
      const want = sumBytes(bytes.subarray(offset, offset + length))
      assert.equal(sumFrame(packet, offset, length), want, `${length} bytes at ${offset}`)
    }
  }
})

test('sumFrame neither overflows nor leaves the frame', () => {
  const full = packetOf(new Uint8Array(SUM_FRAME_MAX).fill(0xff))
  assert.equal(sumFrame(full, 0, SUM_FRAME_MAX), (SUM_FRAME_MAX / 2) * 0xffff)
  const short = packetOf(new Uint8Array(21).fill(0xff))
  assert.doesNotThrow(() => sumFrame(short, 0, 2048))
  assert.equal(sumFrame(short, 21, 4), 0)
  assert.equal(sumFrame(short, 4000, 4), 0)
})

test('pseudo-headers of both families', () => {
  assert.equal(pseudoHeaderSum('10.0.0.1', '10.0.0.2', 6, 20), 0x0a00 + 1 + 0x0a00 + 2 + 6 + 20)
  assert.equal(pseudoHeaderSum('::1', '::2', 17, 0x10008), 1 + 2 + 17 + 1 + 8)
})
