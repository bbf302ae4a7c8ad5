import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesOf, everyCut, goldenFrame } from '../../tests/packets/golden-frames.ts'
import { viewOf } from '../base/bytes.ts'
import { isChecksumRight } from './checksum.ts'
import { DONT_FRAGMENT, emitIpv4, emitIpv4Options, formatIpv4, Ipv4 } from './ipv4.ts'
import { isIpv4Fragment, MORE_FRAGMENTS, OFFSET_MASK, parseIpv4, parseIpv4Options } from './ipv4.ts'

const NO_BYTES = new Uint8Array()
const packetOf = (name: string) => goldenFrame(name).subarray(14)

test('a packet by scapy: every field, both views', () => {
  const bytes = packetOf('udp4')
  const ip = Ipv4.view(viewOf(bytes), 0)
  assert.equal(Ipv4.size, 20)
  assert.equal(ip.versionAndLength, 0x45)
  assert.equal(ip.typeOfService, 0xb8)
  assert.equal(ip.totalLength, 36)
  assert.equal(ip.timeToLive, 1)
  assert.equal(ip.protocol, 17)
  assert.equal(ip.source, 0x0a00000a)
  assert.equal(ip.destination, 0x0a000064)
  assert.deepEqual(parseIpv4(bytes), {
    version: 4,
    typeOfService: 0xb8,
    identification: 1,
    dontFragment: false,
    moreFragments: false,
    fragmentOffset: 0,
    timeToLive: 1,
    protocol: 17,
    source: '10.0.0.10',
    destination: '10.0.0.100',
    options: NO_BYTES,
    payload: bytes.subarray(20),
    checksum: ip.checksum,
  })
})

test('packets are emitted as they were, the checksum found or computed', () => {
  const names = ['udp4', 'tcp4-ip-options', 'udp4-first-fragment', 'udp4-later-fragment', 'ipip']
  for (const name of [...names, 'kernel-tcp4-syn', 'kernel-igmp', 'keepalived-vrrp2']) {
    const packet = parseIpv4(packetOf(name))
    assert.ok(packet !== undefined, name)
    assert.deepEqual(emitIpv4(packet), packetOf(name), name)
    assert.deepEqual(emitIpv4({ ...packet, checksum: undefined }), packetOf(name), name)
    assert.ok(isChecksumRight(packetOf(name).subarray(0, 20 + packet.options.length)), name)
  }
})

test('fragments: flags and offset', () => {
  const first = parseIpv4(packetOf('udp4-first-fragment'))!
  const later = parseIpv4(packetOf('udp4-later-fragment'))!
  const whole = parseIpv4(packetOf('tcp4-fin'))!
  assert.deepEqual([first.moreFragments, first.fragmentOffset], [true, 0])
  assert.deepEqual([later.moreFragments, later.fragmentOffset], [false, 32])
  assert.deepEqual([first, later, whole].map(isIpv4Fragment), [true, true, false])
  assert.ok(whole.dontFragment)
  const field = Ipv4.view(viewOf(packetOf('udp4-later-fragment')), 0).flagsAndOffset
  assert.equal(field & OFFSET_MASK, 4)
  assert.equal(field & (MORE_FRAGMENTS | DONT_FRAGMENT), 0)
})

test('options are read and written', () => {
  const { options } = parseIpv4(packetOf('tcp4-ip-options'))!
  const list = parseIpv4Options(options)
  assert.deepEqual(list, [
    { type: 7, data: bytesOf('0400000000') }, // record route: pointer, one empty slot
    { type: 1, data: NO_BYTES },
  ])
  assert.deepEqual(emitIpv4Options(list), options)
  assert.deepEqual(emitIpv4Options([{ type: 148, data: bytesOf('0000') }]), bytesOf('94040000'))
  assert.deepEqual(emitIpv4Options([{ type: 1, data: NO_BYTES }]), bytesOf('01000000'))
  assert.deepEqual(parseIpv4Options(bytesOf('01010000')), [
    { type: 1, data: NO_BYTES },
    { type: 1, data: NO_BYTES },
  ])
})

test('impossible options are refused', () => {
  for (const hex of ['07', '0700', '0701', '07050000', '01010107']) {
    assert.equal(parseIpv4Options(bytesOf(hex)), undefined, hex)
  }
})

test('cut anywhere a packet is refused; quoted, only its header must be whole', () => {
  for (const name of ['udp4', 'tcp4-ip-options']) {
    const bytes = packetOf(name)
    const headerLength = (bytes[0]! & 15) * 4
    for (const cut of everyCut(bytes)) {
      assert.equal(parseIpv4(cut), undefined)
      assert.equal(parseIpv4(cut, true) !== undefined, cut.length >= headerLength, `${cut.length}`)
    }
  }
})

test('inconsistent headers are refused', () => {
  const wrong: [string, number, number][] = [
    ['version 6', 0, 0x65],
    ['header of 16 bytes', 0, 0x44],
    ['header longer than the packet', 0, 0x4f],
    ['total length below the header', 3, 19],
    ['total length above what is there', 3, 37],
  ]
  for (const [description, at, value] of wrong) {
    const bytes = Uint8Array.from(packetOf('udp4'))
    bytes[at] = value
    assert.equal(parseIpv4(bytes), undefined, description)
  }
})

test("Ethernet's padding is not payload", () => {
  assert.equal(parseIpv4(packetOf('udp4-padded'))!.payload.length, 9)
})

test('it prints as tcpdump -v does', () => {
  assert.equal(
    formatIpv4(parseIpv4(packetOf('tcp4-fin'))!),
    '10.0.0.10 > 10.0.0.100 (tos 0x0, ttl 64, id 4660, offset 0, flags [DF], proto TCP (6), length 40)',
  )
  const first = parseIpv4(packetOf('udp4-first-fragment'))!
  assert.match(formatIpv4(first), /offset 0, flags \[\+\], proto UDP \(17\), length 52\)$/)
  assert.match(formatIpv4(parseIpv4(packetOf('tcp4-ip-options'))!), /length 48, options 8 bytes\)$/)
})

test('what cannot be emitted is a bug of the caller', () => {
  const packet = parseIpv4(packetOf('udp4'))!
  assert.throws(() => emitIpv4({ ...packet, options: new Uint8Array(3) }), /3 bytes of options/)
  assert.throws(() => emitIpv4({ ...packet, options: new Uint8Array(44) }), /44 bytes of options/)
  assert.throws(() => emitIpv4({ ...packet, fragmentOffset: 4 }), /fragment at 4/)
  assert.throws(() => emitIpv4({ ...packet, payload: new Uint8Array(65_516) }), /65516 bytes/)
})
