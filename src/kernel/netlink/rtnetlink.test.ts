import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Random } from '../../base/random.ts'
import { parseAddress } from './address.ts'
import { parseLink } from './link.ts'
import { parseNeighbour } from './neighbour.ts'
import { parseRoute } from './route.ts'
import { AF_INET, AF_INET6, AF_UNSPEC, familyNumber, readIp } from './rtnetlink.ts'

const bytes = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
const ROUTE_FACTS = { metric: 0, preferredSource: undefined, from: undefined, tos: 0 }

/** What Linux 6.18 lists, the structure first, then an attribute a line. Without `needed`, in bytes, it is nothing. */
const SAMPLES = [
  {
    what: 'a link',
    // Of about 40 attributes those that we read, and some between.
    body: bytes(`00000100 02000000 43100100 00000000
      09000300 6574683000000000  08000d00 e8030000  05001000 06000000  08000400 dc050000
      08000500 02000000  0a000100 56ac706e7d350000  0a000200 ffffffffffff0000
      10001200 09000100 7665746800000000  08002500 00000000`),
    structure: 16,
    needed: 25,
    parse: parseLink,
    parsed: {
      index: 2,
      name: 'eth0',
      mac: '56:ac:70:6e:7d:35',
      mtu: 1500,
      isUp: true,
      isRunning: true,
      isLoopback: false,
      kind: 'veth',
      master: undefined,
      peer: 2,
      peerNamespaceId: 0,
    },
  },
  {
    what: 'an IPv4 address',
    body: bytes(`02188000 02000000
      08000100 0a000001  08000200 0a000001  09000300 6574683000000000  08000800 80000000
      14000600 fffffffffffffffff3f20500f3f20500`),
    structure: 8,
    needed: 16,
    parse: parseAddress,
    parsed: {
      interfaceIndex: 2,
      ip: '10.0.0.1',
      bits: 24,
      scope: 0,
      peer: undefined,
      label: 'eth0',
      isTemporary: false,
      isTentative: false,
      isDuplicate: false,
      isDeprecated: false,
    },
  },
  {
    what: 'an IPv6 address',
    body: bytes(`0a4082fd 02000000
      14000100 fe800000000000000000000000000001  14000600 fffffffffffffffff3f20500f3f20500
      08000800 82000000`),
    structure: 8,
    needed: 28,
    parse: parseAddress,
    parsed: {
      interfaceIndex: 2,
      ip: 'fe80::1',
      bits: 64,
      scope: 253,
      peer: undefined,
      label: undefined,
      isTemporary: false,
      isTentative: false,
      isDuplicate: false,
      isDeprecated: false,
    },
  },
  {
    what: 'an IPv4 route',
    body: bytes(`02180000 fe030001 00000000
      08000f00 fe000000  08000100 0a010000  08000600 05000000  0c000800 08000200 78050000
      08000700 0a000001  08000500 0a000002  08000400 02000000`),
    structure: 12,
    needed: 12,
    parse: parseRoute,
    parsed: {
      ...ROUTE_FACTS,
      destination: { ip: '10.1.0.0', bits: 24 },
      type: 'unicast',
      table: 254,
      nextHops: [
        { gateway: '10.0.0.2', interfaceIndex: 2, weight: 1, isOnLink: false, isDead: false },
      ],
      metric: 5,
      preferredSource: '10.0.0.1',
      mtu: 1400,
      protocol: 3,
    },
  },
  {
    what: 'an IPv6 route',
    body: bytes(`0a400000 fe030001 00000000
      08000f00 fe000000  14000100 20010db8000100000000000000000000  08000600 00040000
      14000500 20010db8000000000000000000000002  08000400 02000000
      24000c00 ${'00'.repeat(32)}  05001400 00000000`),
    structure: 12,
    needed: 12,
    parse: parseRoute,
    parsed: {
      ...ROUTE_FACTS,
      destination: { ip: '2001:db8:1::', bits: 64 },
      type: 'unicast',
      table: 254,
      nextHops: [
        { gateway: '2001:db8::2', interfaceIndex: 2, weight: 1, isOnLink: false, isDead: false },
      ],
      metric: 1024,
      mtu: undefined,
      protocol: 3,
    },
  },
  {
    what: 'an IPv4 neighbour',
    body: bytes(`02000000 02000000 02000001
      08000100 0a000002  0a000200 0200000000020000  08000400 00000000
      14000300 01000000010000000100000001000000`),
    structure: 12,
    needed: 20,
    parse: parseNeighbour,
    parsed: {
      interfaceIndex: 2,
      ip: '10.0.0.2',
      mac: '02:00:00:00:00:02',
      state: 'reachable',
      isRouter: false,
    },
  },
  {
    what: 'an IPv6 neighbour',
    body: bytes(`0a000000 02000000 04008001
      14000100 20010db8000000000000000000000002  0a000200 0200000000020000  08000400 00000000
      14000300 70170000000000000000000000000000`),
    structure: 12,
    needed: 32,
    parse: parseNeighbour,
    parsed: {
      interfaceIndex: 2,
      ip: '2001:db8::2',
      mac: '02:00:00:00:00:02',
      state: 'stale',
      isRouter: true,
    },
  },
]

/** Is there a whole number of attributes in the first `length` bytes? The last one may lack its padding. */
function isWhole(body: Uint8Array, structure: number, length: number): boolean {
  let at = structure
  while (at + 4 <= length) {
    const end = at + body[at]!
    if (length < end) return false
    at = (end + 3) & ~3
  }
  return at >= length
}

describe('what rtnetlink says', () => {
  for (const { what, body, structure, needed, parse, parsed } of SAMPLES) {
    it(`of ${what} is read`, () => assert.deepEqual(parse(body), parsed))

    it(`of ${what} is refused cut at any byte, but between attributes`, () => {
      for (let length = 0; length < body.length; length++) {
        const isReadable = length >= needed && isWhole(body, structure, length)
        const said = parse(body.subarray(0, length))
        assert.equal(said !== undefined, isReadable, `${length} of ${body.length} bytes`)
      }
    })

    it(`of ${what} is read or refused, whatever it is, and never throws`, () => {
      const random = new Random(7)
      let refused = 0
      for (let i = 0; i < 2000; i++) {
        const noise = body.slice()
        for (let changes = 1 + random.below(4); changes > 0; changes--) {
          noise[random.below(noise.length)] = random.next32() & 0xff
        }
        if (parse(noise) === undefined) refused++
      }
      assert.ok(refused > 100 && refused < 2000, `${refused} of 2000 were refused`)
    })
  }

  it('is refused of other families', () => {
    for (const { what, body, parse } of SAMPLES) {
      const bridge = body.slice()
      bridge[0] = 7 // AF_BRIDGE
      assert.equal(parse(bridge), undefined, what)
    }
    const unspecified = SAMPLES[3]!.body.slice()
    unspecified[0] = AF_UNSPEC
    assert.equal(parseRoute(unspecified), undefined)
  })

  it('is refused where it is no route but a memory of one, or proxies a neighbour', () => {
    const cloned = SAMPLES[3]!.body.slice()
    cloned[9]! |= 0x02
    assert.equal(parseRoute(cloned), undefined)
    const proxy = SAMPLES[5]!.body.slice()
    proxy[10]! |= 0x08
    assert.equal(parseNeighbour(proxy), undefined)
  })
})

describe('rtnetlink addresses', () => {
  it('have the number of their family', () => {
    assert.equal(familyNumber('10.0.0.1'), AF_INET)
    assert.equal(familyNumber('::1'), AF_INET6)
    assert.equal(familyNumber('::ffff:10.0.0.1'), AF_INET6)
  })

  it('are read if family and length agree', () => {
    assert.equal(readIp(AF_INET, bytes('0a000001')), '10.0.0.1')
    assert.equal(readIp(AF_INET6, bytes(`${'00'.repeat(15)}01`)), '::1')
    assert.equal(readIp(AF_INET6, bytes('0a000001')), undefined)
    assert.equal(readIp(AF_INET, bytes('00'.repeat(16))), undefined)
    assert.equal(readIp(AF_UNSPEC, bytes('0a000001')), undefined)
    assert.equal(readIp(AF_INET, bytes('')), undefined)
    assert.equal(readIp(AF_INET, undefined), undefined)
  })
})
