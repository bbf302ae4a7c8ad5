/**
 * Every header, random: what is emitted is read back as it was, is refused when cut, and mutated does no harm.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { everyCut, goldenFrames, recordedFrames } from '../../tests/packets/golden-frames.ts'
import { bytesToIp } from '../base/ip.ts'
import { bytesToMac } from '../base/mac.ts'
import { Random } from '../base/random.ts'
import { emitArp, parseArp } from './arp.ts'
import { emitEthernet, parseEthernet } from './ethernet.ts'
import { emitFrame, parseFrame } from './frame.ts'
import { emitGre, parseGre } from './gre.ts'
import { emitGue, parseGue } from './gue.ts'
import { emitIcmp, parseIcmp } from './icmp.ts'
import { emitIcmpv6, parseIcmpv6 } from './icmpv6.ts'
import { emitIpv4, emitIpv4Options, parseIpv4, parseIpv4Options } from './ipv4.ts'
import { emitIpv6, fragmentExtension, parseIpv6 } from './ipv6.ts'
import { emitNdp, parseNdp } from './ndp.ts'
import { readPcap, writePcap } from './pcap.ts'
import type { Pcap } from './pcap.ts'
import { printFrame } from './print.ts'
import { emitSctp, parseSctp } from './sctp.ts'
import { emitTcp, emitTcpOptions, parseTcp, parseTcpOptions } from './tcp.ts'
import type { TcpOption } from './tcp.ts'
import { emitUdp, parseUdp } from './udp.ts'
import { emitVlan, parseVlan } from './vlan.ts'
import { emitVrrp, parseVrrp } from './vrrp.ts'

/** Plain objects, as our parsers make them. */
const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(fields, { noNullPrototype: true })
const byte = fc.nat(0xff)
const half = fc.nat(0xffff)
const word = fc.nat(0xffffffff)
const exactly = (n: number) => fc.uint8Array({ minLength: n, maxLength: n })
const mac = exactly(6).map(bytesToMac)
const ip4 = exactly(4).map(bytesToIp)
const ip6 = exactly(16).map(bytesToIp)
const payload = fc.uint8Array({ maxLength: 40 })
const padded = (unit: number, less: number, most: number) =>
  fc.integer({ min: 1, max: most }).chain((n) => exactly(n * unit - less))
const S = '10.0.0.1'
const D = '10.0.0.2'
const S6 = '2001:db8::1'
const D6 = '2001:db8::2'

const extension = fc.oneof(
  record({ type: fc.constantFrom(0, 43, 60, 135), data: padded(8, 2, 3) }),
  record({ type: fc.constant(51), data: padded(4, 2, 6).filter((data) => data.length >= 6) }),
  record({ moreFragments: fc.boolean(), identification: word }).map((fragment) =>
    fragmentExtension({ ...fragment, offset: 0 }),
  ),
)
const tcpOption: fc.Arbitrary<TcpOption> = fc.oneof(
  fc.constant({ type: 'nop' } as const),
  fc.constant({ type: 'sackPermitted' } as const),
  record({ type: fc.constant('mss' as const), size: half }),
  record({ type: fc.constant('windowScale' as const), shift: byte }),
  record({ type: fc.constant('timestamps' as const), value: word, echo: word }),
  record({
    type: fc.constant('sack' as const),
    blocks: fc.array(record({ left: word, right: word }), { minLength: 1, maxLength: 4 }),
  }),
  record({
    type: fc.constant('other' as const),
    kind: fc.integer({ min: 9, max: 255 }),
    data: fc.uint8Array({ maxLength: 6 }),
  }),
)

interface Case<T> {
  readonly messages: fc.Arbitrary<T>
  readonly emit: (message: T) => Uint8Array
  readonly parse: (bytes: Uint8Array) => T | undefined
  /** Is a message of this many bytes a whole one already? Only where nothing says how long it is. */
  readonly mayEnd?: (length: number) => boolean
}

/** A round trip, and every cut. */
function roundTrip<T>(name: string, { messages, emit, parse, mayEnd }: Case<T>): void {
  test(`${name}: emitted and read it is the same; cut it is refused`, () => {
    fc.assert(
      fc.property(messages, (message) => {
        const bytes = emit(message)
        assert.deepEqual(parse(bytes), message)
        for (const cut of everyCut(bytes)) {
          if (mayEnd?.(cut.length) !== true) assert.equal(parse(cut), undefined, `${cut.length}`)
        }
      }),
      { numRuns: 60 },
    )
  })
}

roundTrip('ethernet', {
  messages: record({ destination: mac, source: mac, type: half, payload }),
  emit: emitEthernet,
  parse: parseEthernet,
  mayEnd: (length) => length >= 14,
})

roundTrip('vlan', {
  messages: record({
    id: fc.nat(4095),
    priority: fc.nat(7),
    dropEligible: fc.boolean(),
    type: half,
    payload,
  }),
  emit: emitVlan,
  parse: parseVlan,
  mayEnd: (length) => length >= 4,
})

roundTrip('arp', {
  messages: record({
    operation: half,
    senderMac: mac,
    senderIp: ip4,
    targetMac: mac,
    targetIp: ip4,
  }),
  emit: emitArp,
  parse: parseArp,
})

roundTrip('ipv4', {
  messages: record({
    version: fc.constant(4 as const),
    typeOfService: byte,
    identification: half,
    dontFragment: fc.boolean(),
    moreFragments: fc.boolean(),
    fragmentOffset: fc.nat(0x1fff).map((offset) => offset * 8),
    timeToLive: byte,
    protocol: byte,
    source: ip4,
    destination: ip4,
    options: fc.nat(10).chain((words) => exactly(4 * words)),
    payload,
    checksum: half,
  }),
  emit: emitIpv4,
  parse: (bytes) => parseIpv4(bytes),
})

roundTrip('ipv6', {
  messages: record({
    version: fc.constant(6 as const),
    trafficClass: byte,
    flowLabel: fc.nat(0xfffff),
    hopLimit: byte,
    source: ip6,
    destination: ip6,
    extensions: fc.array(extension, { maxLength: 8 }),
    protocol: fc.constantFrom(6, 17, 58, 59, 132, 253),
    payload,
  }),
  emit: emitIpv6,
  parse: (bytes) => parseIpv6(bytes),
})

roundTrip('tcp', {
  messages: record({
    sourcePort: half,
    destinationPort: half,
    sequence: word,
    acknowledgement: word,
    flags: fc.nat(0xfff),
    window: half,
    urgent: half,
    options: fc.nat(10).chain((words) => exactly(4 * words)),
    payload,
    checksum: half,
  }),
  emit: (segment) => emitTcp(segment, S, D),
  parse: parseTcp,
  mayEnd: (length) => length >= 20, // behind a header of unknown length comes what is there
})

roundTrip('udp', {
  messages: record({ sourcePort: half, destinationPort: half, payload, checksum: half }),
  emit: (datagram) => emitUdp(datagram, S, D),
  parse: parseUdp,
})

const icmp = record({ type: byte, code: byte, rest: word, payload, checksum: half })

roundTrip('icmp', {
  messages: icmp,
  emit: emitIcmp,
  parse: parseIcmp,
  mayEnd: (length) => length >= 8,
})

roundTrip('icmpv6', {
  messages: icmp,
  emit: (message) => emitIcmpv6(message, S6, D6),
  parse: parseIcmpv6,
  mayEnd: (length) => length >= 8,
})

roundTrip('ndp', {
  messages: record({
    type: fc.constantFrom(135, 136),
    flags: word,
    target: ip6,
    options: fc.array(record({ type: byte, data: padded(8, 2, 3) }), { maxLength: 3 }),
    checksum: half,
  }),
  emit: (message) => emitNdp(message, S6, D6),
  parse: parseNdp,
  mayEnd: (length) => length >= 24 && length % 8 === 0, // between options
})

roundTrip('sctp', {
  messages: record({
    sourcePort: half,
    destinationPort: half,
    tag: word,
    chunks: fc.array(record({ type: byte, flags: byte, value: payload }), { maxLength: 4 }),
    checksum: word,
  }),
  emit: emitSctp,
  parse: parseSctp,
  mayEnd: (length) => length >= 12 && length % 4 === 0, // between chunks
})

roundTrip('gre', {
  messages: record({
    protocol: half,
    checksum: fc.option(half, { nil: undefined }),
    key: fc.option(word, { nil: undefined }),
    sequence: fc.option(word, { nil: undefined }),
    payload,
  }),
  emit: emitGre,
  parse: (bytes) => parseGre(bytes) as ReturnType<typeof parseGre> & { checksum?: number },
  mayEnd: (length) => length >= 4, // gre.test.ts cuts inside the header
})

roundTrip('gue', {
  messages: record({
    isControl: fc.boolean(),
    protocol: byte,
    flags: half,
    extensions: fc.nat(31).chain((words) => exactly(4 * words)),
    payload,
  }),
  emit: emitGue,
  parse: parseGue,
  mayEnd: (length) => length >= 4, // gue.test.ts cuts inside the header
})

roundTrip('vrrp version 2', {
  messages: record({
    version: fc.constant(2 as const),
    virtualRouterId: byte,
    priority: byte,
    intervalMs: byte.map((seconds) => seconds * 1000),
    addresses: fc.array(ip4, { maxLength: 6 }),
    authentication: record({ type: byte, data: exactly(8) }),
    checksum: half,
  }),
  emit: (advertisement) => emitVrrp(advertisement, S, '224.0.0.18'),
  parse: (bytes) => parseVrrp(bytes, 4) as never,
})

roundTrip('vrrp version 3', {
  messages: record({
    version: fc.constant(3 as const),
    virtualRouterId: byte,
    priority: byte,
    intervalMs: fc.nat(0xfff).map((centiseconds) => centiseconds * 10),
    addresses: fc.array(ip6, { maxLength: 6 }),
    checksum: half,
  }),
  emit: (advertisement) => emitVrrp(advertisement, 'fe80::1', 'ff02::12'),
  parse: (bytes) => parseVrrp(bytes, 6) as never,
})

roundTrip('pcap', {
  messages: record({
    snapLength: fc.constant(262_144),
    frames: fc.array(
      record({
        seconds: word,
        nanoseconds: fc.nat(999_999_999),
        bytes: payload,
        originalLength: word,
      }),
      { maxLength: 4 },
    ),
  }),
  emit: ({ frames }: Pcap) => writePcap(frames),
  parse: (bytes) => {
    const pcap = readPcap(bytes)
    return 'error' in pcap ? undefined : pcap
  },
  mayEnd: (length) => length >= 24, // between frames; pcap.test.ts cuts inside one
})

test('options: emitted and read they are the same', () => {
  fc.assert(
    fc.property(fc.array(tcpOption, { maxLength: 6 }), (options) => {
      assert.deepEqual(parseTcpOptions(emitTcpOptions(options)), options)
    }),
  )
  const ipOption = record({ type: fc.integer({ min: 2, max: 255 }), data: payload })
  fc.assert(
    fc.property(fc.array(ipOption, { maxLength: 4 }), (options) => {
      assert.deepEqual(parseIpv4Options(emitIpv4Options(options)), options)
    }),
  )
})

test('random bytes do no harm', () => {
  const parsers = [parseArp, parseTcp, parseUdp, parseNdp, parseSctp, parseGre, parseGue, parseVlan]
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      for (const parse of parsers) parse(bytes)
      parseVrrp(bytes, 4)
      parseVrrp(bytes, 6)
      parseTcpOptions(bytes)
      parseIpv4Options(bytes)
      readPcap(bytes)
      printFrame(bytes, { verbose: true })
    }),
    { numRuns: 2000 },
  )
})

test('mutated frames do no harm, and what is still a frame is emitted and read the same', () => {
  const seed = 20_241_123
  const random = new Random(seed)
  const frames = [...goldenFrames(), ...recordedFrames()].map(({ bytes }) => bytes)
  let read = 0
  for (let i = 0; i < 10_000; i++) {
    const bytes = Uint8Array.from(random.pick(frames))
    for (let n = random.below(4); n >= 0; n--) bytes[random.below(bytes.length)] = random.below(256)
    const cut = random.oneIn(4) ? bytes.subarray(0, random.below(bytes.length)) : bytes
    printFrame(cut, { link: true })
    const frame = parseFrame(cut)
    if (frame === undefined) continue
    read++
    const again = emitFrame(frame)
    assert.deepEqual(emitFrame(parseFrame(again)!), again, `seed ${seed}, frame ${i}`)
  }
  assert.ok(read > 2500, `${read}`)
})
