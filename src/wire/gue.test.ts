import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyCut, recordedFrames } from '../../tests/packets/golden-frames.ts'
import { viewOf } from '../base/bytes.ts'
import { parseFrame } from './frame.ts'
import { emitGue, formatGue, Gue, GUE_FLAG_PRIVATE, GUE_PORT, parseGue } from './gue.ts'
import { remoteChecksumExtensions, remoteChecksumOf } from './gue.ts'
import { Protocol } from './ip-protocol.ts'

/** What Linux IPVS sent to a real server's GUE port. */
const recorded = recordedFrames()
  .map(({ bytes }) => parseFrame(bytes)?.udp)
  .filter((udp) => udp?.destinationPort === GUE_PORT)
  .map((udp) => udp!.payload)

test('what the kernel encapsulates is read, and emitted as it was', () => {
  assert.ok(recorded.length >= 10, `${recorded.length}`)
  for (const bytes of recorded) {
    const packet = parseGue(bytes)
    assert.ok(packet !== undefined)
    const isIpv4 = packet.payload[0]! >>> 4 === 4
    assert.equal(packet.protocol, isIpv4 ? Protocol.ipip : Protocol.ipv6)
    assert.deepEqual(packet.payload, bytes.subarray(4))
    assert.deepEqual(emitGue(packet), bytes)
    const gue = Gue.view(viewOf(bytes), 0)
    assert.deepEqual([gue.control, gue.protocol, gue.flags], [0, packet.protocol, 0])
  }
  const packet = parseGue(recorded[0]!)!
  assert.equal(formatGue(packet), `GUE, proto IPIP (4), length ${recorded[0]!.length}`)
  assert.equal(remoteChecksumOf(packet), undefined)
})

test('remote checksum offload: fields and where they count from', () => {
  const extensions = remoteChecksumExtensions({ start: 20, offset: 36 })
  const payload = recorded[0]!.subarray(4)
  const packet = { isControl: false, protocol: 4, flags: GUE_FLAG_PRIVATE, extensions, payload }
  const bytes = emitGue(packet)
  assert.deepEqual(bytes.subarray(0, 12), Uint8Array.of(2, 4, 0, 1, 0x80, 0, 0, 0, 0, 20, 0, 36))
  assert.deepEqual(parseGue(bytes), packet)
  assert.deepEqual(remoteChecksumOf(packet), { start: 20, offset: 36 })
  assert.match(formatGue(packet), /remote checksum 20\/36/)
  for (const cut of everyCut(bytes.subarray(0, 12))) assert.equal(parseGue(cut), undefined)
})

test('version 1 is the packet itself', () => {
  const inner = recorded[0]!.subarray(4)
  const packet = parseGue(inner)
  assert.deepEqual([packet?.protocol, packet?.payload], [Protocol.ipip, inner])
  const six = parseGue(Uint8Array.of(0x60, 0, 0, 0))
  assert.equal(six?.protocol, Protocol.ipv6)
})

test('other versions are refused, control messages told', () => {
  for (const first of [0x80, 0xc0, 0x50, 0x70]) {
    assert.equal(parseGue(Uint8Array.of(first, 4, 0, 0)), undefined, first.toString(16))
  }
  assert.ok(parseGue(Uint8Array.of(0x20, 1, 0, 0))!.isControl)
  const control = { isControl: true, protocol: 1, flags: 0 }
  const packet = { ...control, extensions: new Uint8Array(), payload: new Uint8Array() }
  assert.equal(formatGue(packet), 'GUE, control 1, length 4')
  assert.deepEqual(emitGue(packet), Uint8Array.of(0x20, 1, 0, 0))
})
