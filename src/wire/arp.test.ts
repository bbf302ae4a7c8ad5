import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyCut, goldenFrame } from '../../tests/packets/golden-frames.ts'
import { viewOf } from '../base/bytes.ts'
import { Arp, ArpOperation, emitArp, formatArp, isArp, parseArp } from './arp.ts'

const ZERO = '00:00:00:00:00:00'
const A = '02:00:00:00:0a:01'
const B = '02:00:00:00:0a:02'
const ALL = 'ff:ff:ff:ff:ff:ff'

/** Frame, operation, sender, target, and how tcpdump says it. */
const cases: [string, number, [string, string], [string, string], string][] = [
  ['arp-request', 1, [A, '10.0.0.2'], [ZERO, '10.0.0.1'], 'Request who-has 10.0.0.1 tell 10.0.0.2'],
  ['arp-reply', 2, [A, '10.0.0.1'], [B, '10.0.0.2'], 'Reply 10.0.0.1 is-at 02:00:00:00:0a:01'],
  ['arp-probe', 1, [A, '0.0.0.0'], [ZERO, '10.0.0.100'], 'Request who-has 10.0.0.100 tell 0.0.0.0'],
  [
    'keepalived-arp',
    1,
    [A, '10.0.0.50'],
    [ALL, '10.0.0.50'],
    'Request who-has 10.0.0.50 (ff:ff:ff:ff:ff:ff) tell 10.0.0.50',
  ],
  [
    'kernel-arp-reply',
    2,
    [B, '10.0.0.100'],
    [A, '10.0.0.10'],
    'Reply 10.0.0.100 is-at 02:00:00:00:0a:02',
  ],
]

for (const [name, operation, [senderMac, senderIp], [targetMac, targetIp], text] of cases) {
  const bytes = goldenFrame(name).subarray(14)

  test(`${name}: read, printed, and emitted as it was`, () => {
    const message = parseArp(bytes)
    assert.deepEqual(message, { operation, senderMac, senderIp, targetMac, targetIp })
    assert.deepEqual(emitArp(message), bytes)
    assert.equal(formatArp(message), text)
  })

  test(`${name}: cut anywhere it is refused, padded it is not`, () => {
    for (const cut of everyCut(bytes)) assert.equal(parseArp(cut), undefined)
    assert.ok(parseArp(new Uint8Array([...bytes, ...new Uint8Array(18)])) !== undefined)
  })
}

test('the accessors of a captured reply', () => {
  const arp = Arp.view(viewOf(goldenFrame('kernel-arp-reply')), 14)
  assert.equal(Arp.size, 28)
  assert.ok(isArp(arp))
  assert.equal(arp.operation, ArpOperation.reply)
  assert.equal(arp.senderMacHigh, 0x0200)
  assert.equal(arp.senderMacLow, 0x00000a02)
  assert.equal(arp.senderIp, 0x0a000064)
  assert.equal(arp.targetMacHigh, 0x0200)
  assert.equal(arp.targetMacLow, 0x00000a01)
  assert.equal(arp.targetIp, 0x0a00000a)
})

test('ARP for anything but IPv4 over Ethernet is refused', () => {
  const wrong: [string, number, number][] = [
    ['hardware type 6', 1, 6],
    ['protocol type 0x0801', 3, 1],
    ['hardware length 8', 4, 8],
    ['protocol length 16', 5, 16],
  ]
  for (const [description, at, value] of wrong) {
    const bytes = Uint8Array.from(goldenFrame('arp-request').subarray(14))
    bytes[at] = value
    assert.equal(parseArp(bytes), undefined, description)
    assert.ok(!isArp(Arp.view(viewOf(bytes), 0)), description)
  }
})

test('an operation that nobody uses is kept', () => {
  const bytes = Uint8Array.from(goldenFrame('arp-request').subarray(14))
  bytes[7] = 9
  assert.equal(formatArp(parseArp(bytes)!), 'operation 9 from 10.0.0.2')
})
