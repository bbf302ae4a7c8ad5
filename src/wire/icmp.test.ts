import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyCut, goldenPayload } from '../../tests/packets/golden-frames.ts'
import { viewOf } from '../base/bytes.ts'
import { isChecksumRight } from './checksum.ts'
import { emitIcmp, formatIcmp, Icmp, IcmpType, IcmpUnreachable, isIcmpError } from './icmp.ts'
import { parseIcmp, quotedIpv4 } from './icmp.ts'

/** Frame, type, code, rest, and how tcpdump says it. */
const cases: [string, number, number, number, string][] = [
  ['icmp4-echo', 8, 0, 0x004d0003, 'ICMP echo request, id 77, seq 3, length 64'],
  ['icmp4-reply', 0, 0, 0x004d0003, 'ICMP echo reply, id 77, seq 3, length 11'],
  ['icmp4-port', 3, 3, 0, 'ICMP 10.0.0.10 udp port 5000 unreachable, length 36'],
  ['icmp4-host', 3, 1, 0, 'ICMP host 10.0.0.10 unreachable, length 48'],
  [
    'icmp4-frag-needed',
    3,
    4,
    1480,
    'ICMP 10.0.0.10 unreachable - need to frag (mtu 1480), length 48',
  ],
  ['icmp4-time-exceeded', 11, 0, 0, 'ICMP time exceeded in-transit, length 36'],
  ['kernel-icmp4-port', 3, 3, 0, 'ICMP 10.0.0.100 udp port 6000 unreachable, length 52'],
]

for (const [name, type, code, rest, text] of cases) {
  const { bytes } = goldenPayload(name)

  test(`${name}: both views agree, and it is emitted as it was`, () => {
    const icmp = Icmp.view(viewOf(bytes), 0)
    assert.deepEqual([icmp.type, icmp.code, icmp.rest], [type, code, rest])
    const message = parseIcmp(bytes)
    const { checksum } = icmp
    assert.deepEqual(message, { type, code, rest, payload: bytes.subarray(8), checksum })
    assert.deepEqual(emitIcmp(message), bytes)
    assert.deepEqual(emitIcmp({ ...message, checksum: undefined }), bytes)
    assert.ok(isChecksumRight(bytes))
    assert.equal(formatIcmp(message), text)
  })

  test(`${name}: a cut header is refused`, () => {
    for (const cut of everyCut(bytes.subarray(0, 8))) assert.equal(parseIcmp(cut), undefined)
  })
}

test('an error quotes the packet that caused it', () => {
  const quoted = quotedIpv4(parseIcmp(goldenPayload('icmp4-frag-needed').bytes)!)
  assert.equal(quoted?.source, '10.0.0.100')
  assert.equal(quoted?.destination, '10.0.0.10')
  assert.equal(quoted?.payload.length, 20)
  assert.equal(quotedIpv4(parseIcmp(goldenPayload('icmp4-echo').bytes)!), undefined)
})

test('errors are told from questions and answers', () => {
  const errors = Object.entries(IcmpType).filter(([, type]) => isIcmpError(type))
  assert.deepEqual(
    errors.map(([name]) => name),
    ['unreachable', 'sourceQuench', 'redirect', 'timeExceeded', 'parameterProblem'],
  )
})

test('every unreachable prints, also with nothing to quote', () => {
  const message = parseIcmp(goldenPayload('icmp4-port').bytes)!
  const said = Object.values(IcmpUnreachable).map((code) => formatIcmp({ ...message, code }))
  assert.equal(new Set(said).size, said.length)
  const empty = { ...message, payload: new Uint8Array() }
  assert.equal(formatIcmp(empty), 'ICMP unreachable - #3, length 8')
})
