import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { INTERFACE, Laboratory } from '../../tests/goldens/laboratory.ts'
import { ipToWords, maskIp, parsePrefix, prefixContains, wordsToIp } from '../base/ip.ts'
import { Random } from '../base/random.ts'
import type { Route } from '../director/hops/routes.ts'
import { Flow } from './flow.ts'
import { findHop, hopToServer } from './route.ts'
import { hops, NONE, servers } from './tables.ts'

const flow = Flow.local()

/** A route to its own gateway on the client side, on the link there, or to nowhere. */
function route(prefix: string, gateway: string | undefined | 'unreachable', metric = 0): Route {
  const common = { prefix: parsePrefix(prefix)!, metric }
  if (gateway === 'unreachable') return { kind: 'unreachable', ...common }
  const nexthops = [{ gateway, interfaceIndex: INTERFACE.client }] as const
  return { kind: 'forward', ...common, nexthops, mtu: undefined, preferredSource: undefined }
}

/** The neighbour that packets to this address go to, in words. */
function nextOf(address: string): string {
  const row = findHop(flow, ...ipToWords(address))
  if (flow.egress === 0) return 'nowhere'
  const next = wordsToIp(flow.next0, flow.next1, flow.next2, flow.next3)
  return row === NONE ? `${next}, unknown` : next
}

function laboratoryWith(routes: readonly Route[]): Laboratory {
  const lab = new Laboratory({
    capacities: { routeNodes: 256 * 2048, hops: 2048, neighbourIndex: 4096 },
  })
  lab.hops.apply({ routes })
  return lab
}

describe('the longest prefix decides', () => {
  const routes = [
    route('0.0.0.0/0', '10.0.0.1'),
    route('10.0.0.0/24', undefined),
    route('10.8.0.0/13', '10.0.0.2'),
    route('10.9.0.0/16', '10.0.0.3'),
    route('10.9.128.0/17', '10.0.0.4'),
    route('10.9.128.7/32', '10.0.0.5'),
    route('10.9.129.0/24', 'unreachable'),
    route('172.16.0.0/12', '10.0.0.7', 20),
    route('172.16.0.0/12', '10.0.0.6', 10),
    route('2001:db8::/32', 'fe80::1'),
    route('2001:db8:0:8000::/49', 'fe80::2'),
    route('2001:db8:0:8000::1/128', 'fe80::3'),
  ]
  const cases = [
    ['192.0.2.1', '10.0.0.1'],
    ['10.0.0.10', '10.0.0.10'],
    ['10.0.0.77', '10.0.0.77, unknown'],
    ['10.7.255.255', '10.0.0.1'],
    ['10.8.0.0', '10.0.0.2'],
    ['10.15.255.255', '10.0.0.2'],
    ['10.16.0.0', '10.0.0.1'],
    ['10.9.1.1', '10.0.0.3'],
    ['10.9.128.6', '10.0.0.4'],
    ['10.9.128.7', '10.0.0.5'],
    ['10.9.128.8', '10.0.0.4'],
    ['10.9.129.1', 'nowhere'],
    ['172.31.255.255', '10.0.0.6'],
    ['2001:db8::9', 'fe80::1'],
    ['2001:db8:0:7fff::', 'fe80::1'],
    ['2001:db8:0:ffff::', 'fe80::2'],
    ['2001:db8:0:8000::1', 'fe80::3'],
    ['2001:db9::', 'nowhere'],
  ] as const
  for (const [address, want] of cases) {
    it(`${address}: ${want}`, () => {
      laboratoryWith(routes)
      assert.equal(nextOf(address), want)
    })
  }
})

it('random tables of routes, against looking through all of them', () => {
  const random = new Random(5)
  for (const bitsMax of [32, 128]) {
    const draw = () => {
      const words = [0, 0, 0, 0].map(
        () => random.next32() & random.pick([0, 0xf0f00000, 0xc0c00003]),
      )
      return bitsMax === 32
        ? wordsToIp(0, 0, 0xffff, words[3]! >>> 0)
        : wordsToIp(
            (words[0]! | 0x20000000) >>> 0,
            words[1]! >>> 0,
            words[2]! >>> 0,
            words[3]! >>> 0,
          )
    }
    const prefixes = new Set(
      Array.from({ length: 150 }, () => {
        const bits = random.below(bitsMax + 1)
        return `${maskIp(draw(), bits)}/${bits}`
      }),
    )
    const routes = [...prefixes].map((prefix, i) =>
      route(
        prefix,
        bitsMax === 32 ? wordsToIp(0, 0, 0xffff, 0x0a000000 + i) : `fe80::${(i + 1).toString(16)}`,
      ),
    )
    laboratoryWith(routes)
    for (let i = 0; i < 1000; i++) {
      const address = draw()
      const best = routes
        .filter(({ prefix }) => prefixContains(prefix, address))
        .sort((a, b) => b.prefix.bits - a.prefix.bits)[0]
      const want = best?.kind === 'forward' ? best.nexthops[0].gateway! : 'nowhere'
      assert.equal(nextOf(address).replace(', unknown', ''), want, address)
    }
  }
})

function gatewayOf(row: number): string {
  const { address0, address1, address2, address3 } = hops.row(row)
  return wordsToIp(address0, address1, address2, address3)
}

it("a server's hop is kept until routes change", () => {
  const lab = laboratoryWith([route('0.0.0.0/0', '10.0.0.2')])
  const server = servers.row(0)
  ;[server.address0, server.address1, server.address2, server.address3] = ipToWords('192.0.2.1')
  const row = hopToServer(flow, server)
  const kept = server.hop
  assert.deepEqual([row === NONE, kept === 0], [false, false])
  assert.deepEqual([hopToServer(flow, server), server.hop], [row, kept])
  assert.equal(gatewayOf(row), '10.0.0.2')
  lab.hops.apply({ routes: [route('0.0.0.0/0', '10.0.0.10')] })
  assert.equal(gatewayOf(hopToServer(flow, server)), '10.0.0.10')
  lab.hops.apply({ routes: [] })
  assert.equal(hopToServer(flow, server), NONE)
  assert.equal(flow.egress, 0)
})
