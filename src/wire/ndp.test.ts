import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesOf, everyCut, goldenFrame, goldenPayload } from '../../tests/packets/golden-frames.ts'
import { viewOf } from '../base/bytes.ts'
import { bytesToMac } from '../base/mac.ts'
import { Icmpv6Type } from './icmpv6.ts'
import { emitNdp, formatNdp, groupMac, linkLayerOf, linkLayerOption, Ndp, NdpFlag } from './ndp.ts'
import { NdpLinkLayer, NdpOptionType, parseNdp, solicitedNodeGroup } from './ndp.ts'

const { neighbourSolicitation: SOLICITATION, neighbourAdvertisement: ADVERTISEMENT } = Icmpv6Type

/** Frame, type, flags, target, and the MAC address it tells. */
const cases: [string, number, number, string, string | undefined][] = [
  ['ndp-solicitation', SOLICITATION, 0, '2001:db8:a::100', '02:00:00:00:0a:01'],
  ['ndp-advertisement', ADVERTISEMENT, 0xe0000000, '2001:db8:a::100', '02:00:00:00:0a:01'],
  ['ndp-unsolicited', ADVERTISEMENT, NdpFlag.override, '2001:db8:a::100', '02:00:00:00:0a:01'],
  ['ndp-dad', SOLICITATION, 0, '2001:db8:a::100', undefined],
  ['kernel-ndp-solicitation', SOLICITATION, 0, '2001:db8:a::100', '02:00:00:00:0a:01'],
  ['kernel-ndp-advertisement', ADVERTISEMENT, 0x60000000, '2001:db8:a::100', '02:00:00:00:0a:02'],
  ['keepalived-ndp', ADVERTISEMENT, NdpFlag.override, '2001:db8:a::53', '02:00:00:00:0a:01'],
]

for (const [name, type, flags, target, mac] of cases) {
  const { bytes, source, destination } = goldenPayload(name)

  test(`${name}: read, and emitted as it was`, () => {
    const message = parseNdp(bytes)
    assert.ok(message !== undefined)
    assert.deepEqual([message.type, message.flags, message.target], [type, flags, target])
    assert.equal(linkLayerOf(message), mac)
    assert.deepEqual(emitNdp(message, source, destination), bytes)
    assert.deepEqual(emitNdp({ ...message, checksum: undefined }, source, destination), bytes)
  })

  test(`${name}: cut in header or option it is refused`, () => {
    for (const cut of everyCut(bytes)) {
      // Cut exactly behind the header, it is a message without options.
      assert.equal(parseNdp(cut) !== undefined, cut.length === Ndp.size, `${cut.length}`)
    }
  })
}

test('the accessors of a captured advertisement', () => {
  const view = viewOf(goldenPayload('kernel-ndp-advertisement').bytes)
  const ndp = Ndp.view(view, 0)
  assert.deepEqual([ndp.type, ndp.code, ndp.flags], [136, 0, 0x60000000])
  assert.deepEqual(
    [ndp.target0, ndp.target1, ndp.target2, ndp.target3],
    [0x20010db8, 655360, 0, 256],
  )
  const option = NdpLinkLayer.view(view, Ndp.size)
  assert.deepEqual([option.type, option.length], [NdpOptionType.targetLinkLayer, 1])
  assert.deepEqual([option.macHigh, option.macLow], [0x0200, 0x0a02])
})

test('a message of another type or code, or an option of no length, is refused', () => {
  assert.equal(parseNdp(goldenPayload('kernel-router-solicitation').bytes), undefined)
  for (const [at, value] of [
    [0, 137],
    [1, 1],
    [25, 0],
    [25, 2],
  ] as const) {
    const bytes = Uint8Array.from(goldenPayload('ndp-solicitation').bytes)
    bytes[at] = value
    assert.equal(parseNdp(bytes), undefined, `byte ${at} is ${value}`)
  }
})

test('other options are kept', () => {
  const nonce = { type: 14, data: bytesOf('010203040506') } // RFC 3971
  const ours = linkLayerOption(NdpOptionType.sourceLinkLayer, '02:00:00:00:0a:01')
  const message = { type: SOLICITATION, flags: 0, target: 'fe80::1', options: [nonce, ours] }
  const { checksum, ...read } = parseNdp(emitNdp(message, 'fe80::2', 'fe80::1'))!
  assert.deepEqual(read, message)
  assert.notEqual(checksum, 0)
  assert.equal(linkLayerOf(read), '02:00:00:00:0a:01')
})

test('the groups are those that the kernel asks', () => {
  const group = solicitedNodeGroup('2001:db8:a::100')
  assert.equal(group, goldenPayload('kernel-ndp-solicitation').destination)
  assert.equal(groupMac(group), '33:33:ff:00:01:00')
  const mac = bytesToMac(goldenFrame('kernel-ndp-solicitation').subarray(0, 6))
  assert.equal(groupMac(group), mac)
})

test('it prints as tcpdump does', () => {
  assert.equal(
    formatNdp(parseNdp(goldenPayload('ndp-solicitation').bytes)!),
    'ICMP6, neighbor solicitation, who has 2001:db8:a::100, length 32',
  )
  assert.equal(
    formatNdp(parseNdp(goldenPayload('ndp-advertisement').bytes)!),
    'ICMP6, neighbor advertisement, tgt is 2001:db8:a::100, length 32',
  )
})
