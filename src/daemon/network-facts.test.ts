import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Scope, type InterfaceAddress } from '../kernel/netlink/address.ts'
import { Table, type Route, type RouteType } from '../kernel/netlink/route.ts'
import { toOwnAddress, toRoute } from './network-facts.ts'

const ADDRESS: InterfaceAddress = {
  interfaceIndex: 2,
  ip: '10.0.0.1',
  bits: 24,
  scope: Scope.global,
  peer: undefined,
  label: undefined,
  isTemporary: false,
  isTentative: false,
  isDuplicate: false,
  isDeprecated: false,
}

describe('an address of the host', () => {
  it('spans its subnet, or reaches its peer', () => {
    const own = toOwnAddress(ADDRESS)
    assert.deepEqual(own, {
      interfaceIndex: 2,
      ip: '10.0.0.1',
      subnet: { ip: '10.0.0.1', bits: 24 },
      scope: 'global',
      isDeprecated: false,
    })
    const peer = toOwnAddress({ ...ADDRESS, peer: '10.0.0.2', bits: 32 })
    assert.deepEqual(peer?.subnet, { ip: '10.0.0.2', bits: 32 })
  })

  it('is none before it can be used, and when somebody else has it', () => {
    assert.equal(toOwnAddress({ ...ADDRESS, isTentative: true }), undefined)
    assert.equal(toOwnAddress({ ...ADDRESS, isDuplicate: true }), undefined)
    assert.equal(toOwnAddress({ ...ADDRESS, isDeprecated: true })?.isDeprecated, true)
  })

  const SITE = 200
  for (const [scope, want] of [
    [Scope.global, 'global'],
    [SITE, 'global'],
    [Scope.link, 'link'],
    [Scope.host, 'host'],
    [Scope.nowhere, 'host'],
  ] as const) {
    it(`of scope ${scope} reaches: ${want}`, () => {
      assert.equal(toOwnAddress({ ...ADDRESS, scope })?.scope, want)
    })
  }
})

const HOP = { gateway: '10.0.0.254', interfaceIndex: 2, weight: 1, isOnLink: false, isDead: false }
const ROUTE: Route = {
  destination: { ip: '192.0.2.0', bits: 24 },
  type: 'unicast',
  table: Table.main,
  nextHops: [HOP],
  metric: 100,
  preferredSource: '10.0.0.9',
  from: undefined,
  tos: 0,
  mtu: 1400,
  protocol: 4,
}

describe('a route of the kernel', () => {
  it('leads out, with what it says of its packets', () => {
    assert.deepEqual(toRoute(ROUTE), {
      kind: 'forward',
      prefix: { ip: '192.0.2.0', bits: 24 },
      metric: 100,
      mtu: 1400,
      preferredSource: '10.0.0.9',
      nexthops: [{ gateway: '10.0.0.254', interfaceIndex: 2 }],
    })
  })

  it('leads over those next hops that live; without any it is none', () => {
    const dead = { ...HOP, isDead: true }
    const other = { ...HOP, gateway: undefined, interfaceIndex: 3 }
    const nowhere = { ...HOP, interfaceIndex: undefined }
    const route = toRoute({ ...ROUTE, nextHops: [dead, nowhere, other, HOP] })
    assert.ok(route?.kind === 'forward')
    assert.deepEqual(
      route.nexthops.map(({ interfaceIndex }) => interfaceIndex),
      [3, 2],
    )
    assert.equal(toRoute({ ...ROUTE, nextHops: [dead, nowhere] }), undefined)
    assert.equal(toRoute({ ...ROUTE, nextHops: [] }), undefined)
  })

  it('takes no part if it holds for some packets only', () => {
    assert.equal(toRoute({ ...ROUTE, tos: 8 }), undefined)
    assert.equal(toRoute({ ...ROUTE, from: { ip: '2001:db8::', bits: 32 } }), undefined)
  })

  const kinds: Record<RouteType, string> = {
    unicast: 'forward',
    local: 'local',
    anycast: 'local',
    broadcast: 'unreachable',
    multicast: 'unreachable',
    blackhole: 'unreachable',
    unreachable: 'unreachable',
    prohibit: 'unreachable',
    throw: 'none',
  }
  for (const [type, want] of Object.entries(kinds)) {
    it(`of type ${type}: ${want}`, () => {
      assert.equal(toRoute({ ...ROUTE, type: type as RouteType })?.kind ?? 'none', want)
    })
  }
})
