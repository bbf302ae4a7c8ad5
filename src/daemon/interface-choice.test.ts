import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Link } from '../kernel/netlink/link.ts'
import { ATTACHED_MAX, chooseInterfaces, type ChoiceFacts } from './interface-choice.ts'

const PLAIN: Link = {
  index: 2,
  name: 'eth0',
  mac: '02:00:00:00:00:02',
  mtu: 1500,
  isUp: true,
  isRunning: true,
  isLoopback: false,
  kind: undefined,
  master: undefined,
  peer: undefined,
  peerNamespaceId: undefined,
}

function link(index: number, name: string, more: Partial<Link> = {}): Link {
  return { ...PLAIN, index, name, mac: `02:00:00:00:00:${String(index).padStart(2, '0')}`, ...more }
}

const LINKS = [
  link(1, 'lo', { isLoopback: true }),
  link(2, 'eth0'),
  link(3, 'eth1'),
  link(4, 'down0', { isUp: false }),
  link(5, 'tun0', { mac: undefined }),
  link(6, 'br0'),
  link(7, 'port0', { master: 6 }),
  link(8, 'sluice0'),
]

function chosen(facts: Partial<ChoiceFacts>): string {
  const none = { withAddress: new Set<number>(), wanted: [], mayBeDown: false }
  const all = { links: LINKS, except: 8, ...none }
  return chooseInterfaces({ ...all, ...facts })
    .map(({ name }) => name)
    .join(' ')
}

describe('the engine takes frames', () => {
  it('from every Ethernet interface that is up and has an address, none below a bridge', () => {
    assert.equal(chosen({ withAddress: new Set([1, 2, 4, 5, 6, 7, 8]) }), 'eth0 br0')
    assert.equal(chosen({}), '')
  })

  it('from those that are named alone, address or not, once they are up', () => {
    const withAddress = new Set([2, 6])
    assert.equal(chosen({ withAddress, wanted: ['eth1', 'port0'] }), 'eth1 port0')
    assert.equal(chosen({ withAddress, wanted: ['down0', 'nowhere0'] }), '')
  })

  it('from those that are down, too, where that is possible', () => {
    const withAddress = new Set([2, 4])
    assert.equal(chosen({ withAddress, mayBeDown: true }), 'eth0 down0')
    assert.equal(chosen({ wanted: ['down0', 'nowhere0'], mayBeDown: true }), 'down0')
  })

  it('never from the loopback, a tunnel, or its own device', () => {
    assert.equal(chosen({ wanted: ['lo', 'tun0', 'sluice0'] }), '')
  })

  it('from no more than there may be', () => {
    const links = Array.from({ length: ATTACHED_MAX + 5 }, (_, i) => link(i + 10, `eth${i}`))
    const withAddress = new Set(links.map(({ index }) => index))
    assert.equal(chosen({ links, withAddress }).split(' ').length, ATTACHED_MAX)
  })
})
