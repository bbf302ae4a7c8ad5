import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import { notRoot, until } from '../../tests/kernel/own-network.ts'
import { getNeighbour, probeNeighbour } from '../kernel/netlink/neighbour.ts'
import { listNamespaces } from '../kernel/netns.ts'
import type { Host } from './host.ts'
import { Lan } from './lan.ts'
import { clearNamespaces, labPrefix, processesIn } from './leftovers.ts'

const PREFIX = labPrefix()
const ours = () => listNamespaces().filter((name) => name.startsWith(`${PREFIX}-`))

/** A process that has ended may wait for its parent to take note of it. */
function isAlive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** Two hosts on one network. */
function buildPair(): [Lan, Host, Host] {
  const lan = new Lan(`${PREFIX}-lan`)
  lan.addNetwork('net1')
  const [one, other] = ['one', 'other'].map((name, index) => {
    const host = lan.addHost(name)
    lan.plug(host, 'net1')
    host.addAddress('net1', `10.1.0.${index + 1}`, 24)
    return host
  })
  return [lan, one!, other!]
}

describe('a LAN of namespaces', { skip: notRoot }, () => {
  after(() => clearNamespaces(`${PREFIX}-`))

  it('joins its hosts', async () => {
    const [lan, one] = buildPair()
    const index = one.indexOf('net1')
    probeNeighbour(one.socket, index, '10.1.0.2')
    await until(
      'an answer to ARP',
      () => getNeighbour(one.socket, index, '10.1.0.2')?.state === 'reachable',
    )
    lan.takeDown()
    assert.deepEqual(ours(), [])
  })

  it('is taken down with the processes in it, those it does not know and those that will not end', async () => {
    const [lan, one] = buildPair()
    // One child, and one of the child's own that outlives it.
    const child = one.start('sh', ['-c', 'sleep 1000 & exit'])
    await new Promise((resolve) => child.once('exit', resolve))
    one.start('sleep', ['1000'])
    const deaf = one.start('sh', ['-c', 'trap "" TERM; echo deaf; sleep 1000'], {
      isTalkedTo: true,
    })
    await new Promise((resolve) => deaf.stdout!.once('data', resolve))
    await until('all are there', () => processesIn([one.namespace]).length === 4)
    const pids = processesIn([one.namespace])
    lan.takeDown()
    assert.deepEqual(ours(), [])
    await until('both gone', () => !pids.some(isAlive))
  })

  it('is taken down as far as it was built', () => {
    const lan = new Lan(`${PREFIX}-half`)
    lan.addNetwork('net1')
    const host = lan.addHost('one')
    assert.throws(() => lan.addHost('one'), { code: 'EEXIST' })
    assert.throws(() => lan.plug(host, 'net2'), /no interface net2/)
    lan.takeDown()
    assert.deepEqual(ours(), [])
    lan.takeDown()
  })
})
