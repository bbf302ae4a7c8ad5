import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyCut, goldenPayload } from '../../tests/packets/golden-frames.ts'
import { viewOf } from '../base/bytes.ts'
import { isChecksumRight, pseudoHeaderSum } from './checksum.ts'
import { emitIcmpv6, formatIcmpv6, Icmpv6, Icmpv6Type, Icmpv6Unreachable } from './icmpv6.ts'
import { isIcmpv6Error, parseIcmpv6, quotedIpv6 } from './icmpv6.ts'

/** Frame, type, code, rest, and how tcpdump says it. */
const cases: [string, number, number, number, string][] = [
  ['icmp6-echo', 128, 0, 0x004d0003, 'ICMP6, echo request, id 77, seq 3, length 13'],
  ['icmp6-too-big', 2, 0, 1460, 'ICMP6, packet too big, mtu 1460, length 68'],
  [
    'icmp6-port',
    1,
    4,
    0,
    'ICMP6, destination unreachable, unreachable port, 2001:db8:a::10 udp port 5000, length 56',
  ],
  [
    'kernel-icmp6-port',
    1,
    4,
    0,
    'ICMP6, destination unreachable, unreachable port, 2001:db8:a::100 udp port 6000, length 72',
  ],
  ['icmp6-time-exceeded', 3, 0, 0, 'ICMP6, time exceeded in-transit for 2001:db8:a::10, length 56'],
  ['kernel-router-solicitation', 133, 0, 0, 'ICMP6, router solicitation, length 16'],
]

for (const [name, type, code, rest, text] of cases) {
  const { bytes, source, destination } = goldenPayload(name)

  test(`${name}: both views agree, and it is emitted as it was`, () => {
    const icmp = Icmpv6.view(viewOf(bytes), 0)
    assert.deepEqual([icmp.type, icmp.code, icmp.rest], [type, code, rest])
    const message = parseIcmpv6(bytes)
    const { checksum } = icmp
    assert.deepEqual(message, { type, code, rest, payload: bytes.subarray(8), checksum })
    assert.deepEqual(emitIcmpv6(message, source, destination), bytes)
    assert.deepEqual(emitIcmpv6({ ...message, checksum: undefined }, source, destination), bytes)
    const pseudoSum = pseudoHeaderSum(source, destination, 58, bytes.length)
    assert.ok(isChecksumRight(bytes, pseudoSum))
    assert.equal(formatIcmpv6(message), text)
  })

  test(`${name}: a cut header is refused`, () => {
    for (const cut of everyCut(bytes.subarray(0, 8))) assert.equal(parseIcmpv6(cut), undefined)
  })
}

test('an error quotes the packet that caused it', () => {
  const quoted = quotedIpv6(parseIcmpv6(goldenPayload('icmp6-too-big').bytes)!)
  assert.equal(quoted?.source, '2001:db8:a::100')
  assert.equal(quoted?.payload.length, 20) // of the 1460 it says
  assert.equal(quotedIpv6(parseIcmpv6(goldenPayload('icmp6-echo').bytes)!), undefined)
})

test('errors have types below 128', () => {
  const errors = Object.entries(Icmpv6Type).filter(([, type]) => isIcmpv6Error(type))
  assert.deepEqual(
    errors.map(([name]) => name),
    ['unreachable', 'packetTooBig', 'timeExceeded', 'parameterProblem'],
  )
})

test('every unreachable prints, also with nothing to quote', () => {
  const message = parseIcmpv6(goldenPayload('icmp6-port').bytes)!
  const said = Object.values(Icmpv6Unreachable).map((code) => formatIcmpv6({ ...message, code }))
  assert.equal(new Set(said).size, said.length)
  const empty = { ...message, payload: new Uint8Array() }
  assert.match(formatIcmpv6(empty), /unreachable port, \? port \?, length 8$/)
})
