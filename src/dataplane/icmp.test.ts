import assert from 'node:assert/strict'
import { it } from 'node:test'
import { packetOf } from '../../tests/packets/packet-of.ts'
import { wordsToIp } from '../base/ip.ts'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import { echoFrame, icmpErrorFrame, sctpFrame, tcpFrame, udpFrame } from '../wire/flow.ts'
import { clearFlow, Flow } from './flow.ts'
import { QUOTED, readIcmpError, restoreOuter } from './icmp.ts'
import { PARSED, parse } from './parse.ts'
import { reasonName } from './reason-text.ts'

new Laboratory()
const flow = Flow.local()

function read(frame: Uint8Array): string {
  clearFlow(flow)
  const packet = packetOf(frame)
  assert.equal(parse(packet, flow), PARSED)
  const reason = readIcmpError(packet, flow)
  return reason === QUOTED ? 'quoted' : reasonName(reason)
}

const TCP4 = tcpFrame('10.0.0.100:80', '10.0.0.10:4000').subarray(14)
const TCP6 = tcpFrame('[2001:db8::1]:80', '[2001:db8::2]:4000').subarray(14)

function error4(type: number, quoted: Uint8Array = TCP4): Uint8Array {
  return icmpErrorFrame('10.0.0.2', '10.0.0.100', { type, quoted })
}
function error6(type: number, quoted: Uint8Array = TCP6): Uint8Array {
  return icmpErrorFrame('2001:db8::3', '2001:db8::1', { type, quoted })
}
function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice()
  copy[at] = value
  return copy
}
function fragment(from: string, to: string, fragmentOffset: number): Uint8Array {
  return udpFrame(from, to, { over: { ip: { fragmentOffset, dontFragment: false } } }).subarray(14)
}
const MAPPED = tcpFrame('[::ffff:a00:64]:80', '[2001:db8::2]:4000').subarray(14)

const cases: readonly (readonly [string, Uint8Array, string])[] = [
  ...[3, 4, 11].map((type) => [`IPv4 type ${type}`, error4(type), 'quoted'] as const),
  ...[5, 12].map((type) => [`IPv4 type ${type}`, error4(type), 'icmpNotTranslated'] as const),
  ...[0, 8, 13].map((type) => [`IPv4 type ${type}`, error4(type), 'icmpQuery'] as const),
  ...[0, 1, 2, 3, 4, 5, 127].map((type) => [`IPv6 type ${type}`, error6(type), 'quoted'] as const),
  ...[128, 135].map((type) => [`IPv6 type ${type}`, error6(type), 'icmpQuery'] as const),
  ['an echo request', echoFrame('10.0.0.2', '10.0.0.100'), 'icmpQuery'],
  [
    'a quoted UDP datagram',
    error4(3, udpFrame('10.0.0.100:80', '10.0.0.10:1').subarray(14)),
    'quoted',
  ],
  ['quoted SCTP', error4(3, sctpFrame('10.0.0.100:80', '10.0.0.10:1').subarray(14)), 'quoted'],
  ['a quoted fragment', error4(3, fragment('10.0.0.100:80', '10.0.0.10:1', 8)), 'icmpUnrelated'],
  ['a quoted packet of version 6 in IPv4', error4(3, changed(TCP4, 0, 0x65)), 'malformed'],
  ['a quoted header of 16 bytes', error4(3, changed(TCP4, 0, 0x44)), 'malformed'],
  ['a quoted packet of version 4 in IPv6', error6(1, changed(TCP6, 0, 0x45)), 'malformed'],
  ['a quoted v4-mapped address', error6(1, MAPPED), 'malformed'],
  ['ports and no more quoted', error4(3, TCP4.subarray(0, 24)), 'quoted'],
  ['half a port quoted', error4(3, TCP4.subarray(0, 23)), 'truncated'],
  ['half a header quoted', error4(3, TCP4.subarray(0, 19)), 'truncated'],
  ['nothing quoted', error4(3, TCP4.subarray(0, 0)), 'truncated'],
  ['IPv6: ports and no more quoted', error6(1, TCP6.subarray(0, 44)), 'quoted'],
  ['IPv6: half a port quoted', error6(1, TCP6.subarray(0, 43)), 'truncated'],
]

for (const [what, frame, want] of cases) {
  it(`${what}: ${want}`, () => assert.equal(read(frame), want))
}

it('ports in padding behind the packet do not count', () => {
  const frame = error4(3, TCP4.subarray(0, 20))
  const padded = new Uint8Array(frame.length + 8)
  padded.set(frame)
  assert.equal(read(padded), 'truncated')
})

it('the quoted packet is seen turned round, the error itself not forgotten', () => {
  assert.equal(read(error4(3)), 'quoted')
  const source = () => wordsToIp(flow.source0, flow.source1, flow.source2, flow.source3)
  assert.deepEqual([source(), flow.sourcePort, flow.destinationPort], ['10.0.0.10', 4000, 80])
  assert.deepEqual([flow.protocol, flow.icmpError, flow.icmpType], [6, 1, 3])
  restoreOuter(flow)
  assert.deepEqual([source(), flow.protocol], ['10.0.0.2', 1])
})
