import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import {
  everyCut,
  goldenFrame,
  goldenFrames,
  recordedFrames,
} from '../../tests/packets/golden-frames.ts'
import { packetOf } from '../../tests/packets/packet-of.ts'
import { layoutOf, repairSums } from '../../tests/packets/sums.ts'
import { wordsToIp } from '../base/ip.ts'
import { tcpFrame, udpFrame } from '../wire/flow.ts'
import { clearFlow, Flow, FragmentKind } from './flow.ts'
import { PARSED, parse } from './parse.ts'
import { reasonName } from './reason-text.ts'

new Laboratory()
const flow = Flow.local()

function parseBytes(frame: Uint8Array, ingress = 0): string {
  clearFlow(flow)
  const reason = parse(packetOf(frame, ingress), flow)
  return reason === PARSED ? 'parsed' : reasonName(reason)
}

/** The frame with some bytes set, its sums made right again. */
function changed(frame: Uint8Array, bytes: Readonly<Record<number, number>>, repair = true) {
  const copy = frame.slice()
  for (const [at, value] of Object.entries(bytes)) copy[Number(at)] = value
  if (repair) repairSums(copy, copy.length)
  return copy
}

const TCP4 = tcpFrame('10.0.0.10:4000', '10.0.0.100:80', { flags: 2 })
const TCP6 = tcpFrame('[2001:db8::1]:4000', '[2001:db8::2]:80', { flags: 2 })
const UDP4 = udpFrame('10.0.0.10:4000', '10.0.0.100:80', { data: 'hello' })
const UDP6 = goldenFrame('udp6')
const EXTENSIONS = goldenFrame('tcp6-extensions')
const LATER6 = goldenFrame('udp6-later-fragment')

describe('a whole frame', () => {
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ['TCP over IPv4', TCP4, 'parsed'],
    ['TCP over IPv6', TCP6, 'parsed'],
    ['padding behind the packet', goldenFrame('udp4-padded'), 'parsed'],
    ['options in the IPv4 header', goldenFrame('tcp4-ip-options'), 'parsed'],
    ['extension headers', EXTENSIONS, 'parsed'],
    ['a later fragment, no ports in sight', goldenFrame('udp4-later-fragment'), 'parsed'],
    ['ARP', changed(goldenFrame('arp-reply'), {}, false), 'notIp'],
    ['a VLAN tag', goldenFrame('vlan-tcp'), 'tagged'],
    ['two VLAN tags', goldenFrame('qinq-udp'), 'tagged'],
    ['to all', changed(TCP4, { 0: 0xff }), 'otherHost'],
    ['version 5 in an IPv4 frame', changed(TCP4, { 14: 0x55 }), 'malformed'],
    ['version 4 in an IPv6 frame', changed(TCP6, { 14: 0x45 }, false), 'malformed'],
    ['an IPv4 header of 16 bytes', changed(TCP4, { 14: 0x44 }), 'malformed'],
    ['IPv4 header longer than packet', changed(TCP4, { 16: 0, 17: 19 }), 'malformed'],
    ['a wrong IPv4 header checksum', changed(TCP4, { 24: TCP4[24]! ^ 1 }, false), 'malformed'],
    ['IPv4 packet longer than frame', changed(TCP4, { 17: 41 }), 'truncated'],
    ['IPv6 packet longer than frame', changed(TCP6, { 19: 21 }), 'truncated'],
    ['TCP header past the packet, in padding', changed(TCP4, { 17: 39 }), 'truncated'],
    ['UDP header past the packet, in padding', changed(UDP4, { 17: 27 }), 'truncated'],
    ['TCP header of 16 bytes', changed(TCP4, { 46: 0x40 }), 'malformed'],
    ['TCP header longer than packet', changed(TCP4, { 46: 0x60 }), 'malformed'],
    ['extension header past the packet', changed(TCP6, { 20: 0, 54: 59, 55: 2 }), 'malformed'],
    ['v4-mapped source', tcpFrame('[::ffff:10.0.0.10]:1', '[::1]:2'), 'malformed'],
    ['v4-mapped destination', changed(UDP6, mapped(38)), 'malformed'],
  ]
  for (const [what, frame, want] of cases) {
    it(`${what}: ${want}`, () => assert.equal(parseBytes(frame), want))
  }

  it('to another MAC address than the interface has: otherHost', () => {
    assert.equal(parseBytes(TCP4, 2), 'parsed')
    assert.equal(parseBytes(TCP4, 3), 'otherHost')
  })

  it('more extension headers than are walked: malformed', () => {
    const extensions = Array.from({ length: 9 }, () => ({ type: 60, data: new Uint8Array(6) }))
    const from = (count: number) =>
      udpFrame('[2001:db8::1]:1', '[2001:db8::2]:2', {
        over: { ip: { extensions: extensions.slice(0, count) } },
      })
    assert.equal(parseBytes(from(7)), 'parsed')
    assert.equal(parseBytes(from(8)), 'malformed')
  })
})

/** ::ffff:0:0/96 at a place in the frame. */
function mapped(at: number): Record<number, number> {
  return Object.fromEntries(Array.from({ length: 12 }, (_, i) => [at + i, i < 10 ? 0 : 0xff]))
}

it('what the flow then says', () => {
  assert.equal(parseBytes(EXTENSIONS), 'parsed')
  const { source0, source1, source2, source3 } = flow
  assert.equal(wordsToIp(source0, source1, source2, source3), '2001:db8:a::10')
  assert.deepEqual([flow.sourcePort, flow.destinationPort, flow.tcpFlags], [40000, 8000, 2])
  assert.deepEqual([flow.network, flow.transport], [14, layoutOf(EXTENSIONS).transport])
  assert.deepEqual([flow.family, flow.protocol, flow.fragment], [6, 6, FragmentKind.none])
  assert.equal(parseBytes(LATER6), 'parsed')
  assert.deepEqual([flow.protocol, flow.fragment], [17, FragmentKind.later])
  assert.equal(parseBytes(goldenFrame('udp6-first-fragment')), 'parsed')
  assert.deepEqual([flow.fragment, flow.sourcePort], [FragmentKind.first, 5000])
  assert.equal(parseBytes(goldenFrame('udp6-atomic-fragment')), 'parsed')
  assert.deepEqual([flow.fragment, flow.sourcePort], [FragmentKind.none, 5000])
})

it('every golden frame, cut at every byte, has its reason', () => {
  let cuts = 0
  for (const { name, bytes } of [...goldenFrames(), ...recordedFrames()]) {
    const whole = parseBytes(bytes)
    const isIp = whole === 'parsed'
    const end = isIp ? layoutOf(bytes).end : 0
    for (const cut of everyCut(bytes)) {
      const reason = parseBytes(cut)
      const want = cut.length < 14 || (isIp && cut.length < end) ? 'truncated' : whole
      assert.ok(
        reason === want || (!isIp && reason === 'truncated'),
        `${name}, ${cut.length} bytes: ${reason}`,
      )
      cuts++
    }
  }
  assert.ok(cuts > 20_000, `${cuts} cuts`)
})
