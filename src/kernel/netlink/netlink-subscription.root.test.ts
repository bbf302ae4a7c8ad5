import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, before, describe, it, type TestContext } from 'node:test'
import { notRoot, until } from '../../../tests/kernel/own-network.ts'
import { createTwoHosts, type Host, type TwoHosts } from '../../../tests/kernel/two-hosts.ts'
import { addAddress, deleteAddress, listAddresses, parseAddress } from './address.ts'
import { inNamespace } from '../netns.ts'
import type { Message } from './netlink-message.ts'
import { NetlinkSubscription, type SubscriptionOptions } from './netlink-subscription.ts'
import { NetlinkProtocol } from './netlink.ts'
import { RtnetlinkGroup, RtnetlinkType } from './rtnetlink.ts'

describe('a netlink subscription', { skip: notRoot }, () => {
  let hosts: TwoHosts
  let host: Host
  before(async () => {
    hosts = await createTwoHosts()
    host = hosts.a
  })
  after(() => hosts?.remove())

  const addressOf = (n: number) => ({
    interfaceIndex: host.eth0.index,
    ip: `10.1.${n >> 8}.${n & 255}`,
    bits: 32,
  })
  const add = (n: number) => addAddress(host.socket, addressOf(n))
  const remove = (n: number) => deleteAddress(host.socket, addressOf(n))
  const count = () => listAddresses(host.socket).length

  /** Follows IPv4 addresses; what comes is noted in `seen`. Ends with the test. */
  function follow(context: TestContext, options: SubscriptionOptions & { onSeen?(): void } = {}) {
    const seen: string[] = []
    const note = (text: string) => {
      seen.push(text)
      options.onSeen?.()
    }
    const subscriber = {
      onMessage: ({ type, body }: { type: number; body: Uint8Array }) =>
        note(`${type === RtnetlinkType.address.new ? '+' : '-'}${parseAddress(body)!.ip}`),
      onOverflow: () => note('overflow'),
    }
    const groups = [RtnetlinkGroup.address4]
    const subscription = inNamespace(host.namespace, () =>
      NetlinkSubscription.open(NetlinkProtocol.route, groups, subscriber, options),
    )
    context.after(() => subscription.stop())
    return { seen, subscription }
  }

  it('tells what happens, in order', async (context) => {
    const { seen } = follow(context)
    const wanted: string[] = []
    for (let n = 1; n <= 500; n++) {
      add(n)
      wanted.push(`+${addressOf(n).ip}`)
    }
    for (let n = 500; n >= 1; n--) {
      remove(n)
      wanted.push(`-${addressOf(n).ip}`)
    }
    assert.deepEqual(seen, [])
    await until('all is told', () => seen.length >= wanted.length)
    assert.deepEqual(seen, wanted)
  })

  it('tells of its namespace and its groups only', async (context) => {
    const { seen } = follow(context)
    addAddress(hosts.b.socket, { ...addressOf(1), interfaceIndex: hosts.b.eth0.index })
    addAddress(host.socket, { ...addressOf(1), ip: '2001:db8::99', bits: 128, noDad: true })
    add(2)
    remove(2)
    await until('it is told', () => seen.length >= 2)
    assert.deepEqual(seen, ['+10.1.0.2', '-10.1.0.2'])
    deleteAddress(host.socket, { ...addressOf(1), ip: '2001:db8::99', bits: 128 })
  })

  it('says that news were lost, throws the rest away, and goes on', async (context) => {
    const lists: number[] = []
    const onSeen = () => lists.push(count())
    const { seen } = follow(context, { receiveBuffer: 8 << 10, onSeen })
    for (let n = 1; n <= 200; n++) add(n)
    const whole = count()
    await until('the overflow is told', () => seen.length > 0)
    add(201)
    await until('what follows is told', () => seen.length > 1)
    assert.deepEqual(seen, ['overflow', '+10.1.0.201'])
    assert.deepEqual(lists, [whole, whole + 1])
    for (let n = 1; n <= 201; n++) remove(n)
    await until('the next overflow is told', () => seen.length > 2)
    assert.equal(seen[2], 'overflow')
    assert.equal(lists[2], whole - 200)
  })

  it('tells nothing after its end, even of what waits', async (context) => {
    let stop = () => {}
    const one = follow(context, { onSeen: () => stop() })
    const other = follow(context)
    stop = () => one.subscription.stop()
    for (let n = 1; n <= 10; n++) add(n)
    await until('the other has seen all', () => other.seen.length === 10)
    assert.deepEqual(one.seen, ['+10.1.0.1'])
    other.subscription.stop()
    for (let n = 1; n <= 10; n++) remove(n)
    const third = follow(context)
    add(1)
    remove(1)
    await until('a third has seen it', () => third.seen.length === 2)
    assert.deepEqual([one.seen.length, other.seen.length], [1, 10])
  })

  it('leaves no descriptor', () => {
    const descriptors = () => readdirSync('/proc/self/fd').length
    const subscriber = { onMessage: () => assert.fail(), onOverflow: () => assert.fail() }
    const groups = [RtnetlinkGroup.link]
    const open = () => NetlinkSubscription.open(NetlinkProtocol.route, groups, subscriber)
    open().stop()
    const before = descriptors()
    for (let i = 0; i < 20; i++) {
      const subscription = open()
      subscription.stop()
      subscription.stop()
      const bad = () => NetlinkSubscription.open(NetlinkProtocol.route, [9999], subscriber)
      assert.throws(bad, { code: 'EINVAL' })
    }
    assert.equal(descriptors(), before)
  })

  it('needs no privileges', async () => {
    const seen: Message[] = []
    const subscriber = { onMessage: (one: Message) => seen.push(one), onOverflow: assert.fail }
    const subscription = inNamespace(host.namespace, () => {
      process.seteuid!(65534)
      try {
        const groups = [RtnetlinkGroup.address4]
        return NetlinkSubscription.open(NetlinkProtocol.route, groups, subscriber)
      } finally {
        process.seteuid!(0)
      }
    })
    add(1)
    remove(1)
    await until('it is told', () => seen.length === 2)
    subscription.stop()
  })
})
