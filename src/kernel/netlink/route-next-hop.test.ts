import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Attributes, BodyWriter } from './netlink-message.ts'
import { parseRouteHops, routeFlags, writeRouteHops, type NewNextHop } from './route-next-hop.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytes = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
const written = (destination: string, hops: readonly NewNextHop[]) => {
  const body = new BodyWriter(new Uint8Array(0))
  writeRouteHops(body, destination, hops)
  return body.finish()
}
const parsed = (attributes: Uint8Array, flags = 0) =>
  parseRouteHops(Attributes.parse(attributes)!, flags)
const PLAIN = {
  gateway: undefined,
  interfaceIndex: 2,
  weight: 1,
  isOnLink: false,
  isDead: false,
}

/** What iproute2 6.1 sends for RTA_MULTIPATH (strace), eth0 being interface 2. `ends`: where a hop does. */
const GOLDENS = [
  {
    // ip route add 10.2.0.0/24 nexthop via 10.0.0.2 dev eth0 weight 3 nexthop dev eth0
    //     nexthop via inet6 2001:db8::2 dev eth0 weight 256 onlink
    destination: '10.2.0.0',
    hops: [
      { ...PLAIN, gateway: '10.0.0.2', weight: 3 },
      PLAIN,
      { ...PLAIN, gateway: '2001:db8::2', weight: 256, isOnLink: true },
    ],
    ends: [0, 16, 24, 56],
    attributes: bytes(`3c000900 10000002 02000000 08000500 0a000002 08000000 02000000
      200004ff 02000000 16001200 0a002001 0db80000 00000000 00000000 00020000`),
  },
  {
    // ip route add 2001:db8:2::/64
    //     nexthop via 2001:db8::2 dev eth0 weight 2 nexthop via 2001:db8::3 dev eth0
    destination: '2001:db8:2::',
    hops: [
      { ...PLAIN, gateway: '2001:db8::2', weight: 2 },
      { ...PLAIN, gateway: '2001:db8::3' },
    ],
    ends: [0, 28, 56],
    attributes: bytes(`3c000900 1c000001 02000000 14000500 20010db8000000000000000000000002
      1c000000 02000000 14000500 20010db8000000000000000000000003`),
  },
]

describe('next hops of a route', () => {
  for (const { destination, hops, attributes } of GOLDENS) {
    it(`are written and read as ip writes those of ${destination}`, () => {
      assert.equal(hex(written(destination, hops)), hex(attributes))
      assert.deepEqual(parsed(attributes), hops)
    })
  }

  it('stand in the route itself where there is one', () => {
    const one = { gateway: '10.0.0.2', interfaceIndex: 2 }
    assert.equal(hex(written('10.1.0.0', [one])), '0800040002000000080005000a000002')
    assert.deepEqual(parsed(written('10.1.0.0', [one])), [{ ...PLAIN, ...one }])
    assert.deepEqual(parsed(written('10.1.0.0', [{ interfaceIndex: 2 }])), [PLAIN])
    const via = { ...PLAIN, gateway: '2001:db8::2' }
    assert.deepEqual(parsed(written('10.1.0.0', [via])), [via])
    assert.deepEqual(written('10.1.0.0', []), new Uint8Array(0))
    assert.deepEqual(parsed(new Uint8Array(0)), [])
  })

  it('may have a gateway and no interface: the kernel finds it', () => {
    const hop = { ...PLAIN, gateway: '10.0.0.2', interfaceIndex: undefined }
    assert.deepEqual(parsed(written('10.1.0.0', [{ gateway: '10.0.0.2' }])), [hop])
  })

  it('have flags, which one alone has in the route itself', () => {
    assert.equal(routeFlags([{ isOnLink: true }]), 0x4)
    assert.equal(routeFlags([{ isOnLink: true }, { isOnLink: true }]), 0)
    assert.equal(routeFlags([{ gateway: '10.0.0.2' }]), 0)
    const attributes = written('10.1.0.0', [{ interfaceIndex: 2 }])
    for (const [flags, isOnLink, isDead] of [
      [0x1, false, true],
      [0x2, false, false],
      [0x4, true, false],
      [0x8, false, false],
      [0x10, false, true],
      [0x15, true, true],
    ] as const) {
      assert.deepEqual(parsed(attributes, flags), [{ ...PLAIN, isOnLink, isDead }], `${flags}`)
    }
  })

  it('are refused where they are cut or lie about their length', () => {
    for (const { hops, ends, attributes } of GOLDENS) {
      const list = attributes.subarray(4)
      const several = (value: Uint8Array) =>
        parsed(new BodyWriter(new Uint8Array(0)).bytes(9, value).finish())
      for (let length = 0; length <= list.length; length++) {
        const count = ends.indexOf(length)
        const wanted = count < 0 ? undefined : hops.slice(0, count)
        assert.deepEqual(several(list.subarray(0, length)), wanted, `${length} bytes`)
      }
      for (const length of [0, 7, list.length + 1, 0xffff]) {
        const lying = list.slice()
        lying[0] = length & 0xff
        lying[1] = length >> 8
        assert.equal(several(lying), undefined, `${length}`)
      }
    }
  })

  it('are refused with gateways that are no addresses', () => {
    const route = (type: number, gateway: string) =>
      parsed(new BodyWriter(new Uint8Array(0)).u32(4, 2).bytes(type, bytes(gateway)).finish())
    for (const gateway of ['', '0a0000', '0a00000200', '20010db80000']) {
      assert.equal(route(5, gateway), undefined, gateway)
    }
    for (const via of ['', '02', '0200', '0a000a000002', '02000a0000', '00000a000002']) {
      assert.equal(route(18, via), undefined, via)
    }
    assert.equal(route(18, '02000a000002')?.[0]?.gateway, '10.0.0.2')
  })
})
