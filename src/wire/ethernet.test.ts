import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyCut, goldenFrame } from '../../tests/packets/golden-frames.ts'
import { viewOf } from '../base/bytes.ts'
import { emitEthernet, Ethernet, EtherType, formatEthernet, parseEthernet } from './ethernet.ts'

const bytes = goldenFrame('kernel-arp-request')

test('the two views of a captured frame agree', () => {
  const ethernet = Ethernet.view(viewOf(bytes), 0)
  assert.equal(Ethernet.size, 14)
  assert.equal(ethernet.destinationHigh, 0xffff)
  assert.equal(ethernet.destinationLow, 0xffffffff)
  assert.equal(ethernet.sourceHigh, 0x0200)
  assert.equal(ethernet.sourceLow, 0x00000a01)
  assert.equal(ethernet.type, EtherType.arp)
  const frame = parseEthernet(bytes)
  assert.deepEqual(frame, {
    destination: 'ff:ff:ff:ff:ff:ff',
    source: '02:00:00:00:0a:01',
    type: 0x0806,
    payload: bytes.subarray(14),
  })
  assert.deepEqual(emitEthernet(frame), bytes)
})

test('a cut header is refused, an empty payload is not', () => {
  for (const cut of everyCut(bytes.subarray(0, 14))) assert.equal(parseEthernet(cut), undefined)
  assert.equal(parseEthernet(bytes.subarray(0, 14))?.payload.length, 0)
})

test('it prints as tcpdump -e does', () => {
  const want = '02:00:00:00:0a:01 > ff:ff:ff:ff:ff:ff, ethertype ARP (0x0806), length 42'
  assert.equal(formatEthernet(parseEthernet(bytes)!), want)
  const unknown = parseEthernet(goldenFrame('unknown-ethertype'))!
  assert.match(formatEthernet(unknown), /ethertype Unknown \(0x88b5\), length 24$/)
})
