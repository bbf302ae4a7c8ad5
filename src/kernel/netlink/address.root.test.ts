import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { notRoot, until } from '../../../tests/kernel/own-network.ts'
import { createTwoHosts, type Host, type TwoHosts } from '../../../tests/kernel/two-hosts.ts'
import {
  addAddress,
  deleteAddress,
  followAddresses,
  listAddresses,
  Scope,
  type InterfaceAddress,
} from './address.ts'
import { inNamespace } from '../netns.ts'
import type { Change } from './rtnetlink.ts'
import { writeSysctl } from '../sysctl.ts'

interface IpAddress {
  readonly local: string
  readonly address?: string
  readonly prefixlen: number
  readonly scope: keyof typeof Scope
  readonly label?: string
  readonly dynamic?: boolean
  readonly tentative?: boolean
  readonly dadfailed?: boolean
  readonly deprecated?: boolean
}

/** What `ip` says of an interface's addresses, in our words. */
function secondOpinion(host: Host, name = 'eth0'): InterfaceAddress[] {
  const [link] = host.ipJson(`address show dev ${name}`)
  return (link!['addr_info'] as IpAddress[]).map((one) => ({
    interfaceIndex: link!['ifindex'] as number,
    ip: one.local,
    bits: one.prefixlen,
    scope: Scope[one.scope],
    peer: one.address,
    label: one.label,
    isTemporary: one.dynamic ?? false,
    isTentative: one.tentative ?? false,
    isDuplicate: one.dadfailed ?? false,
    isDeprecated: one.deprecated ?? false,
  }))
}

describe('addresses', { skip: notRoot }, () => {
  let hosts: TwoHosts
  let host: Host
  let interfaceIndex: number
  let first: InterfaceAddress[]
  before(async () => {
    hosts = await createTwoHosts()
    host = hosts.a
    interfaceIndex = host.eth0.index
    first = listAddresses(host.socket, interfaceIndex)
  })
  after(() => hosts?.remove())

  const list = () => listAddresses(host.socket, interfaceIndex)
  const added = () => list().filter(({ ip }) => first.every((one) => one.ip !== ip))
  beforeEach(() => {
    for (const address of hosts === undefined ? [] : added()) deleteAddress(host.socket, address)
  })

  it('are listed as ip lists them', () => {
    const own = ['10.0.0.1/24', '2001:db8::1/64', 'fe80::1/64']
    assert.deepEqual(
      first.map(({ ip, bits }) => `${ip}/${bits}`),
      own,
    )
    assert.deepEqual(first, secondOpinion(host))
    assert.deepEqual(listAddresses(host.socket, 1), secondOpinion(host, 'lo'))
    assert.equal(listAddresses(host.socket).length, 5)
  })

  it('are listed as ip lists them, also when ip made them', () => {
    host.ip('address add 10.0.0.10/32 dev eth0 label eth0:vip')
    host.ip('address add 10.0.0.11 peer 10.1.0.1/24 dev eth0 scope link')
    host.ip('address add 10.0.0.12/24 dev eth0 valid_lft 1000 preferred_lft 0')
    host.ip('address add 2001:db8::10/128 dev eth0 valid_lft 1000 preferred_lft 1000 nodad')
    host.ip('address add 2001:db8::11/64 dev eth0 valid_lft 1000 preferred_lft 0 nodad')
    host.ip('address add 2001:db8::12 peer 2001:db8:1::1/64 dev eth0 nodad')
    assert.equal(added().length, 6)
    assert.deepEqual(list(), secondOpinion(host))
    const flags = added().flatMap((one) => [
      ...(one.isTemporary ? [`${one.ip} is temporary`] : []),
      ...(one.isDeprecated ? [`${one.ip} is deprecated`] : []),
    ])
    assert.deepEqual(flags.sort(), [
      '10.0.0.12 is deprecated',
      '10.0.0.12 is temporary',
      '2001:db8::10 is temporary',
      '2001:db8::11 is deprecated',
      '2001:db8::11 is temporary',
    ])
  })

  it('are added as they are given', () => {
    const add = (ip: string, bits: number, options = {}) =>
      addAddress(host.socket, { interfaceIndex, ip, bits, ...options })
    add('10.0.0.10', 32, { label: 'eth0:vip' })
    add('10.2.0.1', 24, { scope: Scope.link })
    add('10.3.0.1', 24, { noPrefixRoute: true })
    add('2001:db8::10', 128, { noDad: true })
    add('fe80::10', 64, { noDad: true, scope: Scope.link })
    add('2001:db8:3::1', 64, { noDad: true, noPrefixRoute: true })
    assert.deepEqual(list(), secondOpinion(host))
    const said = added().map(({ ip, bits, scope, label }) => [`${ip}/${bits}`, scope, label])
    assert.deepEqual(said.sort(), [
      ['10.0.0.10/32', Scope.global, 'eth0:vip'],
      ['10.2.0.1/24', Scope.link, 'eth0'],
      ['10.3.0.1/24', Scope.global, 'eth0'],
      ['2001:db8:3::1/64', Scope.global, undefined],
      ['2001:db8::10/128', Scope.global, undefined],
      ['fe80::10/64', Scope.link, undefined],
    ])
    const routes = `${host.ip('route show')}${host.ip('-6 route show')}`
    assert.deepEqual(
      routes.split('\n').map((line) => line.split(' ')[0]),
      ['10.0.0.0/24', '10.2.0.0/24', '2001:db8::10', '2001:db8::/64', 'fe80::/64', ''],
    )
  })

  it('of IPv6 are looked for on the link first, and found to be in use', async () => {
    inNamespace(host.namespace, () => {
      writeSysctl('net.ipv6.conf.eth0.router_solicitation_delay', 0)
      writeSysctl('net.ipv6.neigh.eth0.retrans_time_ms', 100)
    })
    const changes: Change<InterfaceAddress>[] = []
    const subscription = followAddresses(
      { onChange: (change) => changes.push(change), onOverflow: assert.fail },
      { namespace: host.namespace },
    )
    try {
      addAddress(host.socket, { interfaceIndex, ip: '2001:db8::2', bits: 64 }) // host b's
      await until('a duplicate is told', () => changes.some(({ entry }) => entry.isDuplicate))
      const told = changes.map(({ entry }) => [entry.ip, entry.isTentative, entry.isDuplicate])
      assert.deepEqual(
        [told.at(0), told.at(-1)],
        [
          ['2001:db8::2', true, false],
          ['2001:db8::2', true, true],
        ],
      )
      assert.deepEqual(list(), secondOpinion(host))
    } finally {
      subscription.stop()
    }
  })

  it('are deleted, the one that was meant', () => {
    host.ip('address add 10.0.0.11 peer 10.1.0.1/24 dev eth0')
    host.ip('address add 10.0.0.11 peer 10.2.0.1/24 dev eth0')
    addAddress(host.socket, { interfaceIndex, ip: '10.0.0.11', bits: 32 })
    for (const peer of ['10.2.0.1', undefined, '10.1.0.1']) {
      const all = list()
      const one = all.find((address) => address.ip === '10.0.0.11' && address.peer === peer)!
      deleteAddress(host.socket, one)
      assert.deepEqual(
        list(),
        all.filter((address) => address !== one),
      )
    }
    assert.deepEqual(list(), first)
  })

  it("are refused in the kernel's words", () => {
    const at = (address: string, index = interfaceIndex) => {
      const [ip = '', bits] = address.split('/')
      return { interfaceIndex: index, ip, bits: Number(bits) }
    }
    const add = (address: string, index?: number) => addAddress(host.socket, at(address, index))
    const remove = (address: string) => deleteAddress(host.socket, at(address))
    assert.throws(() => add('10.0.0.1/24'), {
      message: 'add address 10.0.0.1/24: exists already (EEXIST): ipv4: Address already assigned',
    })
    assert.throws(() => add('2001:db8::1/64'), { code: 'EEXIST' })
    assert.throws(() => add('10.0.0.9/33'), { code: 'EINVAL' })
    assert.throws(() => add('10.0.0.9/24', 9999), { code: 'ENODEV' })
    assert.throws(() => remove('10.0.0.9/24'), { code: 'EADDRNOTAVAIL' })
    assert.throws(() => remove('10.0.0.1/25'), { code: 'EADDRNOTAVAIL' })
    assert.throws(() => remove('2001:db8::9/64'), { code: 'EADDRNOTAVAIL' })
  })

  it('are followed', async () => {
    const seen: string[] = []
    const subscription = followAddresses(
      {
        onChange: ({ kind, entry }) => seen.push(`${kind} ${entry.ip}/${entry.bits}`),
        onOverflow: assert.fail,
      },
      { namespace: host.namespace },
    )
    try {
      for (const [ip, bits] of [
        ['10.0.0.10', 32],
        ['2001:db8::10', 128],
      ] as const) {
        const address = { interfaceIndex, ip, bits, noDad: true }
        addAddress(host.socket, address)
        await until(`${ip} is there`, () => seen.includes(`present ${ip}/${bits}`))
        deleteAddress(host.socket, address)
        await until(`${ip} is gone`, () => seen.includes(`gone ${ip}/${bits}`))
      }
    } finally {
      subscription.stop()
    }
  })
})
