import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { formatPrefix, parsePrefix, type Prefix } from '../../base/ip.ts'
import { notRoot, until } from '../../../tests/kernel/own-network.ts'
import { createTwoHosts, type Host, type TwoHosts } from '../../../tests/kernel/two-hosts.ts'
import { addVeth, changeLink, deleteLink, getLink } from './link.ts'
import type { NextHop } from './route-next-hop.ts'
import * as routes from './route.ts'
import type { Change } from './rtnetlink.ts'

interface IpNextHop {
  readonly dev?: string
  readonly gateway?: string
  readonly via?: { readonly host: string }
  readonly weight?: number
  readonly flags: readonly string[]
}
interface IpRoute extends IpNextHop {
  readonly dst: string
  readonly from?: string
  readonly type: routes.RouteType
  readonly table: string
  readonly protocol: string
  readonly prefsrc?: string
  readonly metric?: number
  readonly tos?: string
  readonly metrics?: readonly { readonly mtu?: number }[]
  readonly nexthops?: readonly IpNextHop[]
}

const PROTOCOLS: Readonly<Record<string, number>> = { kernel: 2, boot: 3, static: 4 }

/** What `ip` says of the host's routes, in our words. */
function secondOpinion(host: Host): routes.Route[] {
  const indexOf = (name: string | undefined) =>
    name === undefined ? undefined : getLink(host.socket, name)?.index
  const hopOf = (one: IpNextHop): NextHop => ({
    gateway: one.gateway ?? one.via?.host,
    interfaceIndex: indexOf(one.dev),
    weight: one.weight ?? 1,
    isOnLink: one.flags.includes('onlink'),
    isDead: one.flags.includes('dead') || one.flags.includes('linkdown'),
  })
  const isRefusal = (type: string) => ['blackhole', 'unreachable', 'prohibit'].includes(type)
  return (['-4', '-6'] as const).flatMap((family) => {
    const all = host.ipJson(`${family} route show table all`) as unknown as IpRoute[]
    const toPrefix = (text: string): Prefix => {
      if (text === 'default') return { ip: family === '-4' ? '0.0.0.0' : '::', bits: 0 }
      const whole = family === '-4' ? 32 : 128
      return parsePrefix(text.includes('/') ? text : `${text}/${whole}`)!
    }
    return all.map((one) => ({
      destination: toPrefix(one.dst),
      type: one.type,
      table: { main: 254, local: 255 }[one.table] ?? Number(one.table),
      nextHops: isRefusal(one.type) ? [] : (one.nexthops ?? [one]).map(hopOf),
      metric: one.metric ?? 0,
      preferredSource: one.prefsrc,
      from: one.from === undefined ? undefined : toPrefix(one.from),
      tos: Number(one.tos ?? 0),
      mtu: one.metrics?.[0]?.mtu,
      protocol: PROTOCOLS[one.protocol] ?? Number(one.protocol),
    }))
  })
}

const TABLES = [routes.Table.main, routes.Table.local, 100]

describe('routes', { skip: notRoot }, () => {
  let hosts: TwoHosts
  let host: Host
  let interfaceIndex: number
  let first: routes.Route[]
  before(async () => {
    hosts = await createTwoHosts()
    host = hosts.a
    interfaceIndex = host.eth0.index
    first = routes.listRoutes(host.socket, TABLES)
  })
  after(() => hosts?.remove())

  const byText = (all: readonly routes.Route[]) =>
    [...all].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  const list = () => routes.listRoutes(host.socket, TABLES)
  const nameOf = (route: Pick<routes.Route, 'destination' | 'metric'>) =>
    `${formatPrefix(route.destination)} ${route.metric}`
  const added = () => {
    const known = new Set(first.map(nameOf))
    return list().filter((route) => !known.has(nameOf(route)))
  }
  const to = (text: string) => ({ destination: parsePrefix(text)! })
  const through = (gateway: string) => ({ nextHops: [{ gateway, interfaceIndex }] })

  beforeEach(() => {
    if (hosts === undefined) return
    host.ip('route flush proto boot table all')
    host.ip('-6 route flush proto boot table all')
    host.ip('route flush proto static table all')
    host.ip('-6 route flush proto static table all')
  })

  it('are listed as ip lists them', () => {
    assert.equal(first.length, 12)
    assert.deepEqual(byText(first), byText(secondOpinion(host)))
    assert.deepEqual(routes.listRoutes(host.socket, [4000]), [])
    const main = routes.listRoutes(host.socket, [routes.Table.main]).map(nameOf)
    assert.deepEqual(main, ['10.0.0.0/24 0', '2001:db8::/64 256', 'fe80::/64 256'])
  })

  it('are listed as ip lists them, also when ip made them', () => {
    for (const route of [
      'route add default via 10.0.0.2',
      'route add 10.1.0.0/24 via 10.0.0.2 metric 5 mtu 1400 src 10.0.0.1',
      'route add 10.2.0.0/24 nexthop via 10.0.0.2 weight 3 nexthop via 10.0.0.3 weight 256',
      'route add 10.3.0.0/24 via inet6 2001:db8::2 dev eth0',
      'route add 10.4.0.0/24 via 192.168.7.7 dev eth0 onlink',
      'route add blackhole 10.5.0.0/24',
      'route add unreachable 10.6.0.0/24 table 100',
      'route add prohibit 10.7.0.0/24',
      'route add 10.9.0.0/24 via 10.0.0.2 tos 0x10',
      'route add local 10.10.0.0/24 dev lo table 100',
      '-6 route add default via 2001:db8::2',
      '-6 route add 2001:db8:1::/64 via 2001:db8::2 metric 7',
      '-6 route add 2001:db8:2::/64 nexthop via 2001:db8::2 weight 2 nexthop via 2001:db8::3',
      '-6 route add blackhole 2001:db8:5::/64',
      '-6 route add unreachable 2001:db8:6::/64',
    ]) {
      host.ip(route)
    }
    assert.equal(added().length, 15)
    assert.deepEqual(byText(list()), byText(secondOpinion(host)))
  })

  it('are added as they are given', () => {
    const several = ['10.0.0.2', '10.0.0.3'].map((gateway, at) => ({
      gateway,
      interfaceIndex,
      weight: at + 255,
    }))
    const several6 = [2, 3].map((n) => ({ gateway: `2001:db8::${n}`, interfaceIndex, weight: n }))
    const given: routes.NewRoute[] = [
      { ...to('0.0.0.0/0'), ...through('10.0.0.2'), metric: 9 },
      { ...to('10.1.0.0/24'), nextHops: [{ interfaceIndex }], preferredSource: '10.0.0.1' },
      { ...to('10.2.0.0/16'), ...through('10.0.0.2'), mtu: 1400, tos: 8, protocol: 3 },
      { ...to('10.3.0.0/24'), nextHops: several },
      { ...to('10.4.0.0/24'), ...through('2001:db8::2') },
      {
        ...to('10.5.0.0/24'),
        nextHops: [{ gateway: '192.168.7.7', interfaceIndex, isOnLink: true }],
      },
      { ...to('10.6.0.0/24'), type: 'blackhole', table: 100 },
      { ...to('10.7.0.0/24'), type: 'local', nextHops: [{ interfaceIndex: 1 }] },
      { ...to('::/0'), ...through('2001:db8::2'), metric: 9 },
      { ...to('2001:db8:1::/64'), nextHops: [{ interfaceIndex }], mtu: 1300, table: 100 },
      { ...to('2001:db8:2::/64'), nextHops: several6, metric: 7 },
      { ...to('2001:db8:3::/64'), type: 'unreachable', metric: 5 },
      { ...to('2001:db8:4::/64'), type: 'local', nextHops: [{ interfaceIndex: 1 }], metric: 5 },
    ]
    for (const route of given) routes.addRoute(host.socket, route)
    assert.deepEqual(byText(list()), byText(secondOpinion(host)))
    const asGiven = new Map(added().map((route) => [formatPrefix(route.destination), route]))
    assert.equal(asGiven.size, given.length)
    for (const { nextHops, ...traits } of given) {
      const made = asGiven.get(formatPrefix(traits.destination))!
      for (const [trait, value] of Object.entries(traits)) {
        assert.deepEqual(made[trait as keyof routes.Route], value, `${trait} of ${nameOf(made)}`)
      }
      const defaults = { gateway: undefined, weight: 1, isOnLink: false, isDead: false }
      assert.deepEqual(
        made.nextHops,
        (nextHops ?? []).map((hop) => ({ ...defaults, ...hop })),
      )
    }
    assert.equal(asGiven.get('10.7.0.0/24')!.table, routes.Table.local)
    for (const route of given) routes.deleteRoute(host.socket, route)
    assert.deepEqual(list(), first)
  })

  it('are replaced', () => {
    for (const [prefix, one, other] of [
      ['10.1.0.0/24', '10.0.0.2', '10.0.0.3'],
      ['2001:db8:1::/64', '2001:db8::2', '2001:db8::3'],
    ] as const) {
      routes.replaceRoute(host.socket, { ...to(prefix), ...through(one), metric: 3 })
      routes.replaceRoute(host.socket, { ...to(prefix), ...through(other), metric: 3 })
      routes.replaceRoute(host.socket, { ...to(prefix), ...through(other), metric: 4 })
    }
    assert.deepEqual(
      added().map((route) => `${nameOf(route)} ${route.nextHops[0]?.gateway}`),
      [
        '10.1.0.0/24 3 10.0.0.3',
        '10.1.0.0/24 4 10.0.0.3',
        '2001:db8:1::/64 3 2001:db8::3',
        '2001:db8:1::/64 4 2001:db8::3',
      ],
    )
  })

  it('are deleted by what is given', () => {
    for (const [prefix, gateway] of [
      ['10.1.0.0/24', '10.0.0.2'],
      ['2001:db8:1::/64', '2001:db8::2'],
    ] as const) {
      for (const metric of [1, 2, 3]) {
        routes.addRoute(host.socket, { ...to(prefix), ...through(gateway), metric, protocol: 3 })
      }
      routes.deleteRoute(host.socket, { ...to(prefix), metric: 2 })
      assert.deepEqual(added().map(nameOf), [`${prefix} 1`, `${prefix} 3`])
      routes.deleteRoute(host.socket, to(prefix))
      assert.deepEqual(added().map(nameOf), [`${prefix} 3`])
      assert.throws(() => routes.deleteRoute(host.socket, { ...to(prefix), protocol: 4 }), {
        code: 'ESRCH',
        call: `delete route ${prefix}`,
      })
      routes.deleteRoute(host.socket, { ...to(prefix), ...through(gateway) })
      assert.deepEqual(added(), [])
    }
  })

  it("are refused in the kernel's words", () => {
    const add = (prefix: string, gateway: string) =>
      routes.addRoute(host.socket, { ...to(prefix), ...through(gateway) })
    assert.throws(() => add('10.0.0.0/24', '192.168.1.1'), {
      message:
        'add route 10.0.0.0/24: network is unreachable (ENETUNREACH): Nexthop has invalid gateway',
    })
    add('10.1.0.0/24', '10.0.0.2')
    assert.throws(() => add('10.1.0.0/24', '10.0.0.3'), { code: 'EEXIST' })
    add('2001:db8:1::/64', '2001:db8::2')
    assert.throws(() => add('2001:db8:1::/64', '2001:db8::2'), { code: 'EEXIST' })
    const nowhere = { ...to('10.2.0.0/24'), nextHops: [{ interfaceIndex: 9999 }] }
    assert.throws(() => routes.addRoute(host.socket, nowhere), { code: 'ENODEV' })
    assert.throws(() => routes.deleteRoute(host.socket, to('10.9.0.0/24')), { code: 'ESRCH' })
  })

  it('are found for a packet', () => {
    const table = { ...to('10.1.0.0/24'), table: 100 }
    routes.addRoute(host.socket, { ...to('10.1.0.0/24'), ...through('10.0.0.2'), mtu: 1400 })
    routes.addRoute(host.socket, { ...table, ...through('10.0.0.3') })
    routes.addRoute(host.socket, { ...to('2001:db8:1::/64'), ...through('2001:db8::2') })
    host.ip('rule add fwmark 7 table 100')
    const find = (ip: string, options = {}) => {
      const found = routes.findRoute(host.socket, ip, options)
      if (found === undefined) return undefined
      const [hop] = found.nextHops
      assert.equal(found.nextHops.length, 1)
      assert.equal(found.from, undefined)
      assert.equal(formatPrefix(found.destination), `${ip}/${ip.includes(':') ? 128 : 32}`)
      return [found.type, hop!.gateway, hop!.interfaceIndex, found.preferredSource, found.mtu]
    }
    const { index } = host.eth0
    const own = '10.0.0.1'
    assert.deepEqual(find('10.1.0.9'), ['unicast', '10.0.0.2', index, own, 1400])
    assert.deepEqual(find('10.1.0.9', { mark: 7 }), ['unicast', '10.0.0.3', index, own, undefined])
    assert.deepEqual(find('10.0.0.2'), ['unicast', undefined, index, own, undefined])
    assert.deepEqual(find('10.0.0.1'), ['local', undefined, 1, own, undefined])
    const own6 = '2001:db8::1'
    assert.deepEqual(find('2001:db8:1::9'), ['unicast', '2001:db8::2', index, own6, undefined])
    assert.deepEqual(find('2001:db8::2'), ['unicast', undefined, index, own6, undefined])
    host.ip('rule delete fwmark 7 table 100')
  })

  it('are found in vain', () => {
    const types = ['blackhole', 'unreachable', 'prohibit', 'throw'] as const
    types.forEach((type, at) => {
      routes.addRoute(host.socket, { ...to(`10.1.${at}.0/24`), type })
      routes.addRoute(host.socket, { ...to(`2001:db8:1:${at}::/64`), type })
      for (const ip of [`10.1.${at}.1`, `2001:db8:1:${at}::1`]) {
        assert.equal(routes.findRoute(host.socket, ip), undefined, `${type} ${ip}`)
      }
    })
    for (const ip of ['192.168.1.1', '2001:db8:2::1']) {
      assert.equal(routes.findRoute(host.socket, ip), undefined, ip)
    }
  })

  it('tell of next hops that are dead', async () => {
    addVeth(host.socket, { name: 'one' }, { name: 'other' })
    const [one, other] = ['one', 'other'].map((name) => getLink(host.socket, name)!.index)
    for (const index of [one!, other!]) changeLink(host.socket, index, { isUp: true })
    await until('a cable', () => getLink(host.socket, one!)!.isRunning)
    const nextHops = [{ interfaceIndex }, { interfaceIndex: one! }]
    routes.addRoute(host.socket, { ...to('10.1.0.0/24'), nextHops })
    routes.addRoute(host.socket, { ...to('10.2.0.0/24'), nextHops: [nextHops[1]!] })
    const dead = () => added().map(({ nextHops }) => nextHops.map(({ isDead }) => isDead))
    assert.deepEqual(dead(), [[false, false], [false]])
    changeLink(host.socket, other!, { isUp: false })
    await until('no carrier', () => !getLink(host.socket, one!)!.isRunning)
    await until('the routes know', () => added().at(-1)?.nextHops[0]?.isDead === true)
    assert.deepEqual(dead(), [[false, true], [true]])
    assert.deepEqual(byText(list()), byText(secondOpinion(host)))
    changeLink(host.socket, one!, { isUp: false })
    assert.deepEqual(dead(), [[false, true]])
    assert.deepEqual(byText(list()), byText(secondOpinion(host)))
    deleteLink(host.socket, one!)
  })

  it('are followed', async () => {
    const seen: string[] = []
    const say = ({ kind, entry }: Change<routes.Route>) =>
      `${kind} ${nameOf(entry)} ${entry.nextHops.map(({ gateway }) => gateway).join()}`
    const subscription = routes.followRoutes(
      { onChange: (change) => seen.push(say(change)), onOverflow: assert.fail },
      { namespace: host.namespace },
    )
    const expect = (what: string) => until(`${what} in ${seen.join()}`, () => seen.includes(what))
    try {
      for (const [prefix, one, other] of [
        ['10.1.0.0/24', '10.0.0.2', '10.0.0.3'],
        ['2001:db8:1::/64', '2001:db8::2', '2001:db8::3'],
      ] as const) {
        const nextHops = [one, other].map((gateway) => ({ gateway, interfaceIndex }))
        routes.addRoute(host.socket, { ...to(prefix), ...through(one), metric: 3 })
        await expect(`present ${prefix} 3 ${one}`)
        routes.replaceRoute(host.socket, { ...to(prefix), ...through(other), metric: 3 })
        await expect(`present ${prefix} 3 ${other}`)
        routes.deleteRoute(host.socket, to(prefix))
        await expect(`gone ${prefix} 3 ${other}`)
        routes.addRoute(host.socket, { ...to(prefix), nextHops, metric: 4 })
        await expect(`present ${prefix} 4 ${one},${other}`)
      }
    } finally {
      subscription.stop()
    }
  })
})
