import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { notRoot, until } from '../../../tests/kernel/own-network.ts'
import { createTwoHosts, type Host, type TwoHosts } from '../../../tests/kernel/two-hosts.ts'
import * as links from './link.ts'
import type { Change } from './rtnetlink.ts'

/** What `ip` says of the host's links, in our words. */
function secondOpinion(host: Host): links.Link[] {
  const all = host.ipJson('link show')
  const indexOf = (name: unknown) => all.find(({ ifname }) => ifname === name)?.['ifindex']
  return all.map((one) => {
    const flags = one['flags'] as string[]
    const isRunning = ['UP', 'UNKNOWN'].includes(one['operstate'] as string)
    return {
      index: one['ifindex'] as number,
      name: one['ifname'] as string,
      mac: one['address'] as string,
      mtu: one['mtu'] as number,
      isUp: flags.includes('UP'),
      isRunning: flags.includes('UP') && isRunning,
      isLoopback: flags.includes('LOOPBACK'),
      kind: (one['linkinfo'] as { info_kind?: string } | undefined)?.info_kind,
      master: indexOf(one['master']) as number | undefined,
      peer: (one['link_index'] ?? indexOf(one['link'])) as number | undefined,
      peerNamespaceId: one['link_netnsid'] as number | undefined,
    }
  })
}

describe('links', { skip: notRoot }, () => {
  let hosts: TwoHosts
  let host: Host
  before(async () => {
    hosts = await createTwoHosts()
    host = hosts.a
  })
  after(() => hosts?.remove())

  const get = (which: string | number) => links.getLink(host.socket, which)
  const remove = (name: string) => links.deleteLink(host.socket, get(name)!.index)

  it('are listed as ip lists them, of many kinds', () => {
    links.addLink(host.socket, 'bridge', { name: 'bridge0' })
    links.addMacvlan(host.socket, { name: 'above' }, host.eth0.index, 'private')
    links.addVeth(host.socket, { name: 'one' }, { name: 'other' })
    links.changeLink(host.socket, get('one')!.index, { master: get('bridge0')!.index, isUp: true })
    const listed = links.listLinks(host.socket)
    assert.deepEqual(listed, secondOpinion(host))
    assert.deepEqual(Object.fromEntries(listed.map(({ name, kind }) => [name, kind])), {
      lo: undefined,
      eth0: 'veth',
      bridge0: 'bridge',
      above: 'macvlan',
      one: 'veth',
      other: 'veth',
    })
    for (const link of listed) assert.deepEqual([get(link.index), get(link.name)], [link, link])
    for (const name of ['one', 'above', 'bridge0']) remove(name)
    assert.deepEqual(
      links.listLinks(host.socket).map(({ name }) => name),
      ['lo', 'eth0'],
    )
  })

  it('are made with the name, MAC and MTU they are given, in the namespace they are given', () => {
    const here = { name: 'fifteen-letters', mac: '02:00:00:00:00:0a', mtu: 1400 }
    const there = { name: 'there', mac: '02:00:00:00:00:0b', mtu: 9000 }
    links.addVeth(host.socket, here, { ...there, namespace: hosts.b.namespace })
    const [one, other] = [get(here.name)!, links.getLink(hosts.b.socket, 'there')!]
    const { name, mac, mtu } = one
    assert.deepEqual({ name, mac, mtu }, here)
    assert.deepEqual({ name: other.name, mac: other.mac, mtu: other.mtu }, there)
    assert.deepEqual([one.peer, other.peer], [other.index, one.index])
    assert.notEqual(one.peerNamespaceId, undefined)
    remove(here.name)
    assert.equal(links.getLink(hosts.b.socket, 'there'), undefined)
  })

  it('change in what is given and in nothing else', () => {
    links.addVeth(host.socket, { name: 'one' }, { name: 'other' })
    const before = get('one')!
    const change = (what: links.LinkChange) => {
      links.changeLink(host.socket, before.index, what)
      return get(before.index)
    }
    const name = { ...before, name: 'renamed' }
    assert.deepEqual(change({ name: 'renamed' }), name)
    const mac = { ...name, mac: '02:00:00:00:00:01' }
    assert.deepEqual(change({ mac: mac.mac }), mac)
    const mtu = { ...mac, mtu: 1280 }
    assert.deepEqual(change({ mtu: 1280 }), mtu)
    const up = { ...mtu, isUp: true }
    assert.deepEqual(change({ isUp: true }), up)
    assert.deepEqual(change({}), up)
    links.addLink(host.socket, 'bridge', { name: 'bridge0' })
    const { index: master } = get('bridge0')!
    assert.deepEqual(change({ master }), { ...up, master })
    assert.deepEqual(change({ master: 0 }), up)
    assert.deepEqual(change({ isUp: false }), mtu)
    remove('renamed')
    remove('bridge0')
  })

  it('move to another namespace, as the kernel moves them', () => {
    links.addVeth(host.socket, { name: 'one' }, { name: 'other' })
    links.changeLink(host.socket, get('one')!.index, {
      namespace: hosts.b.namespace,
      name: 'moved',
    })
    assert.equal(get('one'), undefined)
    assert.equal(links.getLink(hosts.b.socket, 'moved')?.isUp, false)
    remove('other')
    assert.equal(links.getLink(hosts.b.socket, 'moved'), undefined)
  })

  it('are asked for in vain where there are none', () => {
    assert.equal(get('nothing'), undefined)
    assert.equal(get(9999), undefined)
  })

  it("are refused in the kernel's words", () => {
    const add = (kind: string, name: string) => links.addLink(host.socket, kind, { name })
    assert.throws(() => add('bridge', 'eth0'), {
      message: 'add link eth0 (bridge): exists already (EEXIST)',
    })
    assert.throws(() => add('cheese', 'one'), {
      message: 'add link one (cheese): operation not supported (EOPNOTSUPP): Unknown device type',
    })
    assert.throws(() => add('bridge', 'sixteen-letters!'), { code: 'ERANGE' })
    assert.throws(() => links.addMacvlan(host.socket, { name: 'one' }, 9999), { code: 'ENODEV' })
    assert.throws(() => links.changeLink(host.socket, 9999, { mtu: 1400 }), { code: 'ENODEV' })
    assert.throws(() => links.changeLink(host.socket, host.eth0.index, { mtu: 67 }), {
      code: 'EINVAL',
      hint: 'mtu less than device minimum',
    })
    assert.throws(() => links.deleteLink(host.socket, 9999), { code: 'ENODEV' })
    assert.throws(() => remove('lo'), { code: 'EOPNOTSUPP' })
  })

  it('are followed: made, changed, without carrier, moved away', async () => {
    const seen: string[] = []
    const say = ({ kind, entry }: Change<links.Link>) =>
      `${kind} ${entry.name}${entry.isUp ? ' up' : ''}${entry.isRunning ? ' running' : ''}`
    const subscription = links.followLinks(
      { onChange: (change) => seen.push(say(change)), onOverflow: assert.fail },
      { namespace: host.namespace },
    )
    const expect = (what: string) => until(`${what} in ${seen.join()}`, () => seen.includes(what))
    try {
      links.addVeth(host.socket, { name: 'one' }, { name: 'two', namespace: hosts.b.namespace })
      await expect('present one')
      links.changeLink(host.socket, get('one')!.index, { isUp: true })
      await expect('present one up')
      const two = links.getLink(hosts.b.socket, 'two')!
      links.changeLink(hosts.b.socket, two.index, { isUp: true })
      await expect('present one up running')
      seen.length = 0
      links.changeLink(hosts.b.socket, two.index, { isUp: false })
      await expect('present one up')
      links.changeLink(host.socket, get('one')!.index, { namespace: hosts.b.namespace })
      await expect('gone one')
      links.deleteLink(hosts.b.socket, two.index)
    } finally {
      subscription.stop()
    }
  })
})
