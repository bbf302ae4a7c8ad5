import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { before, describe, it, type TestContext } from 'node:test'
import {
  addVeth,
  enterOwnNetwork,
  ip,
  linkOf,
  notRoot,
  until,
} from '../../../tests/kernel/own-network.ts'
import { isKernelError } from '../errno.ts'
import { MulticastReceiver, MulticastSender, type MulticastPlace } from './multicast-socket.ts'

/** Where each is sent from: to hosts of the link one may speak without an address. */
const GROUPS = [
  ['224.0.0.81', 'bare', 'bare-too'],
  ['239.1.2.3', 'one', 'other'],
  ['ff02::81', 'one', 'other'],
  ['ff05::81', 'one', 'other'],
] as const
const LENGTH_MAX = 64

describe('multicast sockets', { skip: notRoot }, () => {
  const places = new Map<string, number>()

  before(() => {
    enterOwnNetwork()
    for (const link of addVeth('bare', 'bare-too')) places.set(link.name, link.index)
    for (const link of addVeth('one', 'other')) places.set(link.name, link.index)
    ip('address add 10.98.0.1/24 dev one')
    // Both ends are this host's.
    for (const name of ['bare-too', 'other']) {
      writeFileSync(`/proc/sys/net/ipv4/conf/${name}/accept_local`, '1')
      writeFileSync(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, '0')
    }
    writeFileSync('/proc/sys/net/ipv4/conf/all/rp_filter', '0')
    ip('address add fe80::1/64 dev one nodad')
    ip('link add idle type veth peer name away')
    places.set('idle', linkOf('idle').index)
  })

  function placeOf(name: string, group: string): MulticastPlace {
    return { interfaceIndex: places.get(name)!, group, port: 8848, bufferBytes: 0 }
  }

  /** What comes in at an interface. */
  function listen(context: TestContext, name: string, group: string): Uint8Array[] {
    const heard: Uint8Array[] = []
    const receiver = MulticastReceiver.open(placeOf(name, group), LENGTH_MAX, (message) => {
      heard.push(message.slice())
    })
    context.after(() => receiver.close())
    return heard
  }

  for (const [group, from, to] of GROUPS) {
    it(`carry a message to ${group} from ${from} to ${to}`, async (t) => {
      const [here, there] = [listen(t, from, group), listen(t, to, group)]
      const sender = MulticastSender.open(placeOf(from, group), 1)
      t.after(() => sender.close())
      const messages = [Uint8Array.of(1, 2, 3), new Uint8Array(LENGTH_MAX + 1).fill(7)]
      for (const message of messages) assert.equal(sender.send(message), 'sent')
      await until('both messages are there', () => there.length === 2)
      assert.deepEqual(there, [messages[0], messages[1]!.subarray(0, LENGTH_MAX)])
      assert.deepEqual(here, [], 'nobody hears himself')
    })
  }

  it('refuse what the kernel refuses', () => {
    const cases: [string, string, string][] = [
      ['idle', '224.0.0.81', 'ENETUNREACH'],
      ['bare', '10.99.0.7', 'ENETUNREACH'],
    ]
    for (const [name, group, wanted] of cases) {
      assert.throws(
        () => MulticastSender.open(placeOf(name, group), 1).close(),
        (error) => isKernelError(error, wanted),
        `${name} ${group}`,
      )
    }
    assert.throws(
      () => MulticastReceiver.open(placeOf('one', '10.98.0.7'), LENGTH_MAX, () => undefined),
      (error) => isKernelError(error, 'EADDRNOTAVAIL', 'EINVAL'),
    )
  })

  it('are there before their interface is up, and say why nothing can be sent once it is down', (t) => {
    const group = '224.0.0.81'
    listen(t, 'idle', group)
    ip('link set idle up')
    const sender = MulticastSender.open(placeOf('idle', group), 1)
    t.after(() => sender.close())
    assert.equal(sender.send(Uint8Array.of(1)), 'sent')
    ip('link set idle down')
    assert.notEqual(sender.send(Uint8Array.of(1)), 'sent')
    sender.close()
  })
})
