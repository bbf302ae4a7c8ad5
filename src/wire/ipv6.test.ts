import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesOf, everyCut, goldenFrame } from '../../tests/packets/golden-frames.ts'
import { concatBytes, viewOf } from '../base/bytes.ts'
import { Protocol } from './ip-protocol.ts'
import { emitIpv6, formatIpv6, fragmentExtension, fragmentOf, Ipv6 } from './ipv6.ts'
import { IPV6_EXTENSIONS_MAX, Ipv6Extension, Ipv6Fragment, parseIpv6 } from './ipv6.ts'

const packetOf = (name: string) => goldenFrame(name).subarray(14)

test('a packet by scapy: every field, both views', () => {
  const bytes = packetOf('tcp6-extensions')
  const ip = Ipv6.view(viewOf(bytes), 0)
  assert.equal(Ipv6.size, 40)
  assert.equal(ip.versionClassFlow, 0x6b812345)
  assert.equal(ip.payloadLength, bytes.length - 40)
  assert.equal(ip.nextHeader, Protocol.hopByHop)
  assert.equal(ip.hopLimit, 7)
  assert.deepEqual([ip.source0, ip.source1, ip.source2, ip.source3], [0x20010db8, 0xa0000, 0, 0x10])
  assert.equal(ip.destination3, 0x100)
  assert.deepEqual(parseIpv6(bytes), {
    version: 6,
    trafficClass: 0xb8,
    flowLabel: 0x12345,
    hopLimit: 7,
    source: '2001:db8:a::10',
    destination: '2001:db8:a::100',
    extensions: [
      { type: Protocol.hopByHop, data: bytes.subarray(42, 48) },
      { type: Protocol.destinationOptions, data: bytes.subarray(50, 64) },
    ],
    protocol: Protocol.tcp,
    payload: bytes.subarray(64),
  })
  const hopByHop = Ipv6Extension.view(viewOf(bytes), 40)
  assert.deepEqual([hopByHop.nextHeader, hopByHop.length], [Protocol.destinationOptions, 0])
})

test('packets are emitted as they were', () => {
  const names = ['tcp6-syn', 'tcp6-extensions', 'udp6-first-fragment', 'udp6-later-fragment']
  for (const name of [...names, 'kernel-mld-report', 'kernel-tcp6-syn', 'keepalived-vrrp3-ip6']) {
    const packet = parseIpv6(packetOf(name))
    assert.ok(packet !== undefined, name)
    assert.deepEqual(emitIpv6(packet), packetOf(name), name)
  }
})

test('fragments: header, offset, and no walk behind a later one', () => {
  const want = { identification: 0xdeadbeef }
  const first = parseIpv6(packetOf('udp6-first-fragment'))!
  const later = parseIpv6(packetOf('udp6-later-fragment'))!
  assert.deepEqual(fragmentOf(first), { ...want, offset: 0, moreFragments: true })
  assert.deepEqual(fragmentOf(later), { ...want, offset: 32, moreFragments: false })
  assert.equal(fragmentOf(parseIpv6(packetOf('udp6'))!), undefined)
  assert.deepEqual(fragmentExtension(fragmentOf(later)!), later.extensions[0])
  const header = Ipv6Fragment.view(viewOf(packetOf('udp6-later-fragment')), 40)
  assert.deepEqual([header.nextHeader, header.offsetAndFlags], [Protocol.udp, 32])
  assert.equal(header.identification, 0xdeadbeef)

  const options = { type: Protocol.destinationOptions, data: bytesOf('010400000000') }
  const inside = emitIpv6({ ...later, extensions: [...later.extensions, options] })
  assert.equal(parseIpv6(inside)!.protocol, Protocol.destinationOptions)
  assert.equal(parseIpv6(inside)!.extensions.length, 1)
})

test('an authentication header counts its length in words', () => {
  const ah = { type: Protocol.ah, data: bytesOf('0000000000010000000200112233445566778899aabb') }
  const packet = { ...parseIpv6(packetOf('udp6'))!, extensions: [ah] }
  const bytes = emitIpv6(packet)
  assert.equal(bytes[41], 4) // RFC 4302 §2.2: six words, less two
  assert.deepEqual(parseIpv6(bytes), packet)
})

test('the walk is bounded', () => {
  const packet = parseIpv6(packetOf('udp6'))!
  const options = { type: Protocol.destinationOptions, data: bytesOf('010400000000') }
  const extensions = Array<typeof options>(IPV6_EXTENSIONS_MAX).fill(options)
  const bytes = emitIpv6({ ...packet, extensions })
  assert.equal(parseIpv6(bytes)!.extensions.length, IPV6_EXTENSIONS_MAX)
  const oneMore = concatBytes(bytes.subarray(0, 40), Uint8Array.of(60, 0, 1, 4, 0, 0, 0, 0))
  const longer = concatBytes(oneMore, bytes.subarray(40))
  longer[6] = 60
  viewOf(longer).setUint16(4, longer.length - 40)
  assert.equal(parseIpv6(longer), undefined)
  assert.throws(() => emitIpv6({ ...packet, extensions: [...extensions, options] }), /9 extension/)
})

test('cut anywhere a packet is refused; quoted, only its headers must be whole', () => {
  const bytes = packetOf('tcp6-extensions')
  for (const cut of everyCut(bytes)) {
    assert.equal(parseIpv6(cut), undefined)
    assert.equal(parseIpv6(cut, true) !== undefined, cut.length >= 64, `${cut.length}`)
  }
})

test('inconsistent headers are refused', () => {
  const wrong: [string, number, number][] = [
    ['version 4', 0, 0x4b],
    ['payload length above what is there', 5, 200],
    ['an extension header that reaches beyond', 41, 6],
  ]
  for (const [description, at, value] of wrong) {
    const bytes = Uint8Array.from(packetOf('tcp6-extensions'))
    bytes[at] = value
    assert.equal(parseIpv6(bytes), undefined, description)
  }
  const packet = parseIpv6(packetOf('udp6'))!
  const odd = { type: Protocol.destinationOptions, data: new Uint8Array(7) }
  assert.throws(() => emitIpv6({ ...packet, extensions: [odd] }), /9 bytes/)
})

test('it prints its header', () => {
  assert.equal(
    formatIpv6(parseIpv6(packetOf('tcp6-extensions'))!),
    '2001:db8:a::10 > 2001:db8:a::100 (hlim 7, class 0xb8, flow 0x12345, ' +
      'next-header unknown (0), payload length 44)',
  )
})
