import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parsePrefix } from '../base/ip.ts'
import type { InterfaceAddress } from '../kernel/netlink/address.ts'
import type { Link } from '../kernel/netlink/link.ts'
import { Table, type Route } from '../kernel/netlink/route.ts'
import { planSetup, type Facts, type Wish } from './plan.ts'

const LINKS = ['lo', 'eth0', 'eth1', 'dummy0', 'tunl0']
const KINDS: Readonly<Record<string, string>> = { dummy0: 'dummy', tunl0: 'ipip' }

/** A host written down in few words: settings by name, 'IP/BITS IFACE' and 'PREFIX IFACE [METRIC]'. */
interface Host {
  readonly addresses?: readonly string[]
  readonly routes?: readonly string[]
  readonly settings?: Readonly<Record<string, string>>
}

function factsOf({ addresses = [], routes = [], settings = {} }: Host): Facts {
  return {
    links: LINKS.map((name, i) => ({
      index: i + 1,
      name,
      isLoopback: name === 'lo',
      isUp: true,
      kind: KINDS[name],
    })) as Link[],
    addresses: ['127.0.0.1/8 lo', ...addresses].map((text) => {
      const [address = '', name = ''] = text.split(' ')
      const [ip, bits] = address.split('/')
      const interfaceIndex = LINKS.indexOf(name) + 1
      return { ip, bits: Number(bits), interfaceIndex, scope: name === 'lo' ? 254 : 0 }
    }) as InterfaceAddress[],
    routes: routes.map((text) => {
      const [prefix = '', name = '', metric = '0'] = text.split(' ')
      return {
        destination: parsePrefix(prefix)!,
        type: 'unicast',
        table: Table.main,
        metric: Number(metric),
        nextHops: name.split('+').map((one) => ({ interfaceIndex: LINKS.indexOf(one) + 1 })),
      }
    }) as unknown as Route[],
    setting: (name) => ({ 'net.ipv6.conf.lo.disable_ipv6': '0', ...settings })[name],
  }
}

const eth0 = { addresses: ['10.0.0.1/24 eth0'] }
const setting = (name: string, before: string, after: string) => ({
  kind: 'setting',
  name: `net.ipv4.conf.${name}`,
  before,
  after,
})
const address = (ip: string) => ({ kind: 'address', ip })
const QUIET = [setting('eth0.arp_ignore', '0', '1'), setting('eth0.arp_announce', '0', '2')]
const wish = (vips: string, interfaceName?: string, mode: 'dr' | 'tun' = 'dr'): Wish => ({
  mode,
  vips: vips.split(' '),
  interfaceName,
})

describe('a plan', () => {
  const plans: {
    what: string
    wish: Wish
    host: Host
    interfaceName?: string
    changes: object[]
    kept?: RegExp
  }[] = [
    {
      what: 'first makes the only interface quiet, then adds the VIPs',
      wish: wish('10.0.0.100 10.0.0.101'),
      host: eth0,
      interfaceName: 'eth0',
      changes: [...QUIET, address('10.0.0.100'), address('10.0.0.101')],
    },
    {
      what: 'takes the interface that is named',
      wish: wish('10.0.0.100', 'eth1'),
      host: eth0,
      interfaceName: 'eth1',
      changes: [
        setting('eth1.arp_ignore', '0', '1'),
        setting('eth1.arp_announce', '0', '2'),
        address('10.0.0.100'),
      ],
    },
    {
      what: 'takes the interface of the best default route',
      wish: wish('10.0.0.100'),
      host: {
        addresses: ['10.0.0.1/24 eth0', '10.1.0.1/24 eth1'],
        routes: ['0.0.0.0/0 eth1 100', '0.0.0.0/0 eth0 50', '::/0 eth1 1'],
      },
      interfaceName: 'eth0',
      changes: [...QUIET, address('10.0.0.100')],
    },
    {
      what: 'asks for no interface where all VIPs are IPv6, and sets nothing',
      wish: wish('2001:db8::100'),
      host: {},
      changes: [address('2001:db8::100')],
    },
    {
      what: 'has nothing against tunnels of the kernel that carry something else',
      wish: wish('2001:db8::100', undefined, 'tun'),
      host: {},
      changes: [address('2001:db8::100')],
    },
    {
      what: 'leaves values that are enough, also those of all interfaces',
      wish: wish('10.0.0.100'),
      host: {
        ...eth0,
        settings: {
          'net.ipv4.conf.eth0.arp_ignore': '8',
          'net.ipv4.conf.all.arp_announce': '2',
        },
      },
      interfaceName: 'eth0',
      changes: [address('10.0.0.100')],
      kept: /arp_ignore: 8, with 0 .*\n.*arp_announce: 0, with 2/,
    },
    {
      what: 'raises a value that is not enough',
      wish: wish('10.0.0.100'),
      host: { ...eth0, settings: { 'net.ipv4.conf.eth0.arp_announce': '1' } },
      interfaceName: 'eth0',
      changes: [QUIET[0]!, setting('eth0.arp_announce', '1', '2'), address('10.0.0.100')],
    },
    {
      what: 'keeps a VIP that is on lo or a dummy',
      wish: wish('10.0.0.100 10.0.0.101'),
      host: { addresses: [...eth0.addresses, '10.0.0.100/32 lo', '10.0.0.101/24 dummy0'] },
      interfaceName: 'eth0',
      changes: QUIET,
      kept: /^10\.0\.0\.100\/32 on lo: there already, and stays\n10\.0\.0\.101\/24 on dummy0: /,
    },
  ]
  for (const { what, wish, host, interfaceName, changes, kept } of plans) {
    it(what, () => {
      const plan = planSetup(wish, factsOf(host))
      assert.deepEqual(plan.problems, [])
      assert.deepEqual(plan.changes, changes)
      assert.equal(plan.interfaceName, interfaceName)
      assert.match(plan.kept.join('\n'), kept ?? /^$/)
    })
  }

  const refusals: { what: string; wish: Wish; host: Host; problem: RegExp }[] = [
    {
      what: 'two interfaces and no default route',
      wish: wish('10.0.0.100'),
      host: { addresses: ['10.0.0.1/24 eth0', '10.1.0.1/24 eth1'] },
      problem: /^cannot tell which .*: it may be any of eth0, eth1; say --interface$/,
    },
    {
      what: 'default routes by two interfaces',
      wish: wish('10.0.0.100'),
      host: { ...eth0, routes: ['0.0.0.0/0 eth0+eth1'] },
      problem: /any of eth0, eth1/,
    },
    {
      what: 'a host without addresses',
      wish: wish('10.0.0.100'),
      host: {},
      problem: /none has a global IPv4 address/,
    },
    {
      what: 'an interface that does not exist',
      wish: wish('10.0.0.100', 'eth7'),
      host: eth0,
      problem: /^there is no interface eth7$/,
    },
    {
      what: 'an interface that does not exist, for IPv6 too',
      wish: wish('2001:db8::100', 'eth7'),
      host: eth0,
      problem: /^there is no interface eth7$/,
    },
    {
      what: 'the loopback device as the interface',
      wish: wish('10.0.0.100', 'lo'),
      host: eth0,
      problem: /^lo is the loopback device/,
    },
    {
      what: 'a VIP on an interface that answers for it',
      wish: wish('10.0.0.100 2001:db8::100'),
      host: { addresses: [...eth0.addresses, '10.0.0.100/24 eth0', '2001:db8::100/64 eth1'] },
      problem: /^10\.0\.0\.100\/24 on eth0: eth0 would answer .*\n2001:db8::100\/64 on eth1: eth1 /,
    },
    {
      what: 'a value for all interfaces that means nothing',
      wish: wish('10.0.0.100'),
      host: { ...eth0, settings: { 'net.ipv4.conf.all.arp_ignore': '4' } },
      problem: /arp_ignore: the value in force is 4, which keeps nothing quiet$/,
    },
    {
      what: 'a tunnel that the kernel ends itself',
      wish: wish('2001:db8::100 10.0.0.100', 'eth0', 'tun'),
      host: eth0,
      problem:
        /^tunl0: the kernel's own ipip would .*; unload it, or .*sysctl [^ ]+\.tunl0\.rp_filter=2$/,
    },
    {
      what: 'IPv6 where it is switched off',
      wish: wish('2001:db8::100'),
      host: { settings: { 'net.ipv6.conf.lo.disable_ipv6': '1' } },
      problem: /^IPv6 is switched off on lo/,
    },
  ]
  for (const { what, wish, host, problem } of refusals) {
    it(`refuses ${what}`, () => {
      assert.match(planSetup(wish, factsOf(host)).problems.join('\n'), problem)
    })
  }
})
