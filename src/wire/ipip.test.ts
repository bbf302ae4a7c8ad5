import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyCut, goldenFrame } from '../../tests/packets/golden-frames.ts'
import { emitIpip, emitIpPacket, formatIpip, isFragment, parseIpip } from './ipip.ts'
import { parseIpPacket, tunnelProtocolOf } from './ipip.ts'

/** Frame, versions of outer and inner packet, protocol between them. */
const cases: [string, 4 | 6, 4 | 6, number][] = [
  ['ipip', 4, 4, 4],
  ['ip6-in-ip4', 4, 6, 41],
  ['ip4-in-ip6', 6, 4, 4],
  ['ip6-in-ip6', 6, 6, 41],
]

for (const [name, outer, inner, protocol] of cases) {
  const bytes = goldenFrame(name).subarray(14)

  test(`${name}: read, and emitted as it was`, () => {
    const packet = parseIpip(bytes)
    assert.ok(packet !== undefined)
    assert.deepEqual([packet.outer.version, packet.inner.version], [outer, inner])
    assert.equal(packet.outer.protocol, protocol)
    assert.equal(tunnelProtocolOf(packet.inner), protocol)
    const payload = new Uint8Array()
    assert.deepEqual(emitIpip({ ...packet.outer, payload, protocol: 0 }, packet.inner), bytes)
    assert.deepEqual(emitIpPacket(packet.outer), bytes)
    assert.match(formatIpip(packet), /^(192\.168|2001:db8:b).*: (10\.0|2001:db8:a:)/)
  })

  test(`${name}: cut anywhere it is refused`, () => {
    for (const cut of everyCut(bytes)) assert.equal(parseIpip(cut), undefined)
  })
}

test('a protocol number that does not fit the inner version is refused', () => {
  const bytes = Uint8Array.from(goldenFrame('ipip').subarray(14))
  bytes[9] = 41
  assert.equal(parseIpip(bytes), undefined)
  assert.equal(parseIpip(goldenFrame('udp4').subarray(14)), undefined)
})

test('fragments are told in both families', () => {
  const names = ['udp4-first-fragment', 'udp6-first-fragment', 'udp6-later-fragment']
  const parse = (name: string) => parseIpPacket(goldenFrame(name).subarray(14))!
  for (const name of [...names, 'udp4-later-fragment']) assert.ok(isFragment(parse(name)), name)
  for (const name of ['udp4', 'udp6', 'udp6-atomic-fragment']) {
    assert.ok(!isFragment(parse(name)), name)
  }
})

test('other versions are refused', () => {
  assert.equal(parseIpPacket(new Uint8Array()), undefined)
  assert.equal(parseIpPacket(new Uint8Array(60)), undefined)
  assert.equal(parseIpPacket(new Uint8Array(60).fill(0x55)), undefined)
})
