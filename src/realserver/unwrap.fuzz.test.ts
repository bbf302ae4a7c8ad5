import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, viewOf } from '../base/bytes.ts'
import { emitIpLayers } from '../wire/frame.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { parseIpv4 } from '../wire/ipv4.ts'
import { parseIpv6 } from '../wire/ipv6.ts'
import { Unwrapper } from './unwrap.ts'

const VIPS = ['10.0.0.100', '2001:db8::100']
const tcp = { sourcePort: 4000, destinationPort: 80, payload: new Uint8Array(30) }
const SOUND = [
  emitIpLayers({ ip: { source: '192.0.2.9', destination: VIPS[0]! }, tcp }),
  emitIpLayers({ ip: { source: '2001:db8:9::9', destination: VIPS[1]! }, tcp }),
]
const ROOM = 10

/** Two sound packets, cut and changed in some places of their first 60 bytes. */
const mangled = fc
  .tuple(
    fc.constantFrom(...SOUND),
    fc.array(fc.tuple(fc.nat(59), fc.nat(255)), { maxLength: 3 }),
    fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(90)),
  )
  .map(([packet, edits, cut]) => {
    const bytes = packet.slice()
    for (const [at, value] of edits) bytes[at] = value
    return bytes.subarray(0, Math.max(0, bytes.length - cut))
  })

test('only whole packets to a VIP come out, and only the ECN bits ever change', (context) => {
  let out = 0
  const property = fc.property(mangled, fc.boolean(), fc.nat(255), (inner, is4, outerClass) => {
    const around = new Uint8Array(ROOM).fill(0xaa)
    const bytes = concatBytes(around, inner, around)
    const protocol = is4 ? Protocol.ipip : Protocol.ipv6
    const unwrapper = new Unwrapper(VIPS, { datagramMax: 1500 })
    const refusal = unwrapper.unwrap(viewOf(bytes), ROOM, inner.length, protocol, outerClass)
    const parsed = is4 ? parseIpv4(inner) : parseIpv6(inner)
    // The parser also wants a sound chain of extension headers; the unwrapper leaves them to the stack.
    if (is4) assert.equal(refusal === 'malformed', parsed === undefined)
    if (parsed !== undefined && !VIPS.includes(parsed.destination)) {
      assert.equal(refusal, 'otherDestination')
    }
    const after = bytes.subarray(ROOM, ROOM + inner.length)
    assert.deepEqual(bytes.subarray(0, ROOM), around)
    assert.deepEqual(bytes.subarray(ROOM + inner.length), around)
    if (refusal !== undefined) return assert.deepEqual(after, inner)
    out++
    const { length, checksumStart, checksumOffset } = unwrapper
    assert.ok(length <= inner.length)
    assert.ok(checksumOffset === 0 || checksumStart + checksumOffset + 2 <= length)
    assert.deepEqual(withoutMarks(after, is4), withoutMarks(inner, is4))
  })
  fc.assert(property, { numRuns: 3000 })
  context.diagnostic(`${out} came out`)
  assert.ok(out > 300)
})

/** The packet without its ECN bits and, for IPv4, the header's checksum. */
function withoutMarks(packet: Uint8Array, is4: boolean): Uint8Array {
  const bytes = packet.slice()
  if (is4) bytes.fill(0, 10, 12)
  bytes[1] = bytes[1]! & (is4 ? ~0x03 : ~0x30)
  return bytes
}
