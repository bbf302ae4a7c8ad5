import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { notRoot, until } from '../../../tests/kernel/own-network.ts'
import { createTwoHosts, type Host, type TwoHosts } from '../../../tests/kernel/two-hosts.ts'
import { changeLink } from './link.ts'
import * as neighbours from './neighbour.ts'
import { inNamespace } from '../netns.ts'
import type { NetlinkSubscription } from './netlink-subscription.ts'
import { writeSysctl } from '../sysctl.ts'

interface IpNeighbour {
  readonly dst: string
  readonly dev: string
  readonly lladdr?: string
  readonly state: readonly string[]
  readonly router?: null
}

/** What `ip` says of eth0's neighbours, in our words. */
function secondOpinion(host: Host): neighbours.Neighbour[] {
  const all = host.ipJson('neighbour show dev eth0 nud all') as unknown as IpNeighbour[]
  return all.map((one) => ({
    interfaceIndex: host.eth0.index,
    ip: one.dst,
    mac: one.lladdr,
    state: one.state[0]!.toLowerCase() as neighbours.NeighbourState,
    isRouter: 'router' in one,
  }))
}

const MAC = '02:00:00:00:00:09'
/** Of each family a host that is there, and one that is not. */
const FAMILIES = [
  { family: 'ipv4', there: '10.0.0.2', away: '10.0.0.9' },
  { family: 'ipv6', there: '2001:db8::2', away: '2001:db8::9' },
]

describe('neighbours', { skip: notRoot }, () => {
  let hosts: TwoHosts
  let host: Host
  let interfaceIndex: number
  let subscription: NetlinkSubscription
  let seen: string[] = []
  before(async () => {
    hosts = await createTwoHosts()
    host = hosts.a
    interfaceIndex = host.eth0.index
    inNamespace(host.namespace, () => {
      for (const { family } of FAMILIES) {
        writeSysctl(`net.${family}.neigh.eth0.retrans_time_ms`, 50)
        writeSysctl(`net.${family}.neigh.eth0.delay_first_probe_time`, 0)
      }
    })
  })
  after(() => hosts?.remove())

  beforeEach(() => {
    seen = []
    subscription = neighbours.followNeighbours(
      {
        onChange: ({ kind, entry: { ip, state, mac } }) =>
          seen.push(`${kind} ${ip} ${state} ${mac}`),
        onOverflow: assert.fail,
      },
      { namespace: host.namespace },
    )
  })
  afterEach(() => {
    subscription.stop()
    for (const { there, away } of FAMILIES) {
      for (const ip of [there, away]) if (get(ip) !== undefined) remove(ip)
    }
  })

  const get = (ip: string) => neighbours.getNeighbour(host.socket, interfaceIndex, ip)
  const probe = (ip: string) => neighbours.probeNeighbour(host.socket, interfaceIndex, ip)
  const remove = (ip: string) => neighbours.deleteNeighbour(host.socket, interfaceIndex, ip)
  const put = (ip: string, ...state: ['stale' | 'reachable' | 'permanent'] | []) =>
    neighbours.replaceNeighbour(host.socket, { interfaceIndex, ip, mac: MAC }, ...state)
  const expect = (what: string) => until(`${what} in ${seen.join()}`, () => seen.includes(what))

  for (const { family, there, away } of FAMILIES) {
    it(`of ${family} are found out`, async () => {
      assert.equal(get(there), undefined)
      probe(there)
      await expect(`present ${there} reachable ${hosts.b.eth0.mac}`)
      const found = get(there)
      assert.deepEqual(found, {
        interfaceIndex,
        ip: there,
        mac: hosts.b.eth0.mac,
        state: 'reachable',
        isRouter: false,
      })
      assert.ok(neighbours.isUsable(found!))
    })

    it(`of ${family} are found not to be there`, async () => {
      probe(away)
      assert.ok(!neighbours.isUsable(get(away)!))
      await expect(`present ${away} failed undefined`)
      assert.ok(!neighbours.isUsable(get(away)!))
    })

    it(`of ${family} that are stale are confirmed, and their new MAC is learnt`, async () => {
      put(there, 'stale')
      await expect(`present ${there} stale ${MAC}`)
      assert.ok(neighbours.isUsable(get(there)!))
      probe(there)
      await until('nobody has that MAC', () => get(there)?.mac !== MAC)
      probe(there)
      await expect(`present ${there} reachable ${hosts.b.eth0.mac}`)
    })

    it(`of ${family} are what they are said to be, and a permanent one stays it`, async () => {
      for (const state of ['stale', 'reachable', 'permanent'] as const) {
        put(there, state)
        assert.equal(get(there)?.state, state)
        assert.equal(get(there)?.mac, MAC)
      }
      probe(there)
      assert.equal(get(there)?.state, 'permanent')
      remove(there)
      await expect(`gone ${there} failed undefined`)
      assert.equal(get(there), undefined)
      put(away)
      assert.equal(get(away)?.state, 'permanent')
    })
  }

  it('say that they are routers', async () => {
    inNamespace(hosts.b.namespace, () => writeSysctl('net.ipv6.conf.all.forwarding', 1))
    probe('2001:db8::2')
    await expect(`present 2001:db8::2 reachable ${hosts.b.eth0.mac}`)
    assert.equal(get('2001:db8::2')?.isRouter, true)
  })

  it('are listed as ip lists them', async () => {
    for (const { there, away } of FAMILIES) {
      probe(there)
      put(away, 'stale')
      await expect(`present ${there} reachable ${hosts.b.eth0.mac}`)
    }
    probe('10.0.0.8')
    await expect('present 10.0.0.8 failed undefined')
    const listed = neighbours.listNeighbours(host.socket, interfaceIndex)
    assert.deepEqual(listed, secondOpinion(host))
    const states = new Map(listed.map(({ ip, state }) => [ip, state]))
    for (const { there, away } of FAMILIES) {
      assert.deepEqual([states.get(there), states.get(away)], ['reachable', 'stale'])
    }
    assert.equal(states.get('10.0.0.8'), 'failed')
    assert.deepEqual(neighbours.listNeighbours(host.socket, 9999), [])
  })

  it('are gone with their link', async () => {
    for (const { there } of FAMILIES) {
      probe(there)
      await expect(`present ${there} reachable ${hosts.b.eth0.mac}`)
    }
    changeLink(host.socket, interfaceIndex, { isUp: false })
    for (const { there } of FAMILIES) {
      await until(`${there} is gone`, () => seen.some((line) => line.startsWith(`gone ${there}`)))
    }
    assert.deepEqual(neighbours.listNeighbours(host.socket, interfaceIndex), [])
    changeLink(host.socket, interfaceIndex, { isUp: true })
  })

  it("are refused in the kernel's words", () => {
    const ip = '10.0.0.2'
    assert.throws(() => remove(ip), { code: 'ENOENT', call: `delete neighbour ${ip}` })
    assert.throws(() => neighbours.probeNeighbour(host.socket, 9999, ip), { code: 'ENODEV' })
    assert.throws(() => neighbours.getNeighbour(host.socket, 9999, ip), { code: 'ENODEV' })
    assert.throws(
      () => neighbours.replaceNeighbour(host.socket, { interfaceIndex: 9999, ip, mac: MAC }),
      { code: 'ENODEV' },
    )
  })
})
