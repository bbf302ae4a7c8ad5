import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { ip, notRoot, until } from '../../../tests/kernel/own-network.ts'
import { createTwoHosts, type Host, type TwoHosts } from '../../../tests/kernel/two-hosts.ts'
import { addAddress, listAddresses } from './address.ts'
import { isKernelError } from '../errno.ts'
import { getLink, listLinks } from './link.ts'
import { inNamespace } from '../netns.ts'
import { RequestFlag, type Message } from './netlink-message.ts'
import { NetlinkProtocol, NetlinkSocket, parseFailure } from './netlink.ts'
import { findRoute } from './route.ts'
import { openRtnetlink, RtnetlinkType } from './rtnetlink.ts'

const bytes = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))

/** The answers that iproute2 6.1 gets (strace), with its requests quoted. */
const ANSWERS = {
  // ip link add name lo type bridge
  exists: bytes(`efffffff 38000000 10000506 7b1c056b 00000000 00000000000000000000000000000000
    07000300 6c6f0000 10001200 0a000100 6272696467650000`),
  // ip link add name x0 type cheese
  unknown: bytes(`a1ffffff 38000000 10000506 7b1c056b 00000000 00000000000000000000000000000000
    07000300 78300000 10001200 0a000100 6368656573650000
    18000100 556e6b6e6f776e20646576696365207479706500`),
}
const HAS_TEXT = 0x200
const IS_CAPPED = 0x100

describe('what the kernel says of a request', () => {
  const error = (body: Uint8Array, flags = 0): Message => ({ type: 2, flags, sequence: 1, body })
  const done = (body: string, flags = 0): Message => ({
    type: 3,
    flags: 2 | flags,
    sequence: 1,
    body: bytes(body),
  })
  const text = 'Unknown device type'

  it('is an errno, and words where it has some', () => {
    assert.deepEqual(parseFailure(error(ANSWERS.exists)), { errno: 17, text: '' })
    assert.deepEqual(parseFailure(error(ANSWERS.unknown, HAS_TEXT)), { errno: 95, text })
  })

  it('need not quote the request', () => {
    const { unknown } = ANSWERS
    const capped = Buffer.concat([unknown.subarray(0, 20), unknown.subarray(60)])
    assert.deepEqual(parseFailure(error(capped, HAS_TEXT | IS_CAPPED)), { errno: 95, text })
  })

  it('is that all is well', () => {
    const fine = ANSWERS.exists.slice().fill(0, 0, 4)
    assert.deepEqual(parseFailure(error(fine)), { errno: 0, text: '' })
    assert.deepEqual(parseFailure(done('00000000')), { errno: 0, text: '' })
    assert.deepEqual(parseFailure(done('')), { errno: 0, text: '' })
  })

  it('is at the end of a list that something went wrong', () => {
    assert.deepEqual(parseFailure(done('eaffffff')), { errno: 22, text: '' })
    const said = done('eaffffff 08000100 4e6f2100', HAS_TEXT)
    assert.deepEqual(parseFailure(said), { errno: 22, text: 'No!' })
  })

  it('is bad where the errno or the request is cut, and else without words', () => {
    const { unknown } = ANSWERS
    for (let length = 0; length < unknown.length; length++) {
      const failure = parseFailure(error(unknown.subarray(0, length), HAS_TEXT))
      const errno = length < 20 ? 74 : 95
      assert.deepEqual(failure, { errno, text: '' }, `${length} bytes`)
    }
  })
})

describe('a netlink socket', { skip: notRoot }, () => {
  let hosts: TwoHosts
  let host: Host
  before(async () => {
    hosts = await createTwoHosts()
    host = hosts.a
  })
  after(() => hosts?.remove())

  const link = (index: number) => {
    const body = new Uint8Array(16)
    new DataView(body.buffer).setInt32(4, index, true)
    return { what: `get link ${index}`, type: RtnetlinkType.link.get, body }
  }

  it('answers', () => {
    const answer = host.socket.request(link(host.eth0.index))
    assert.deepEqual(
      answer.map(({ type }) => type),
      [RtnetlinkType.link.new],
    )
    const body = new Uint8Array(16)
    const all = { what: 'list links', type: RtnetlinkType.link.get, flags: RequestFlag.dump, body }
    assert.equal(host.socket.request(all).length, 2)
    const empty = { what: 'change nothing', type: RtnetlinkType.link.new, body: link(1).body }
    assert.deepEqual(host.socket.request(empty), [])
  })

  it('says what the kernel refuses, and goes on', () => {
    assert.throws(() => host.socket.request(link(9999)), {
      name: 'KernelError',
      message: 'get link 9999: no such device (ENODEV)',
    })
    assert.throws(
      () => host.socket.request({ what: 'ask nonsense', type: 99, body: new Uint8Array(4) }),
      { code: 'EOPNOTSUPP', call: 'ask nonsense' },
    )
    const dump = { what: 'list badly', type: RtnetlinkType.address.get, flags: RequestFlag.dump }
    assert.throws(() => host.socket.request({ ...dump, body: new Uint8Array(4) }), {
      message:
        'list badly: invalid argument (EINVAL): ipv4: Invalid header for address dump request',
    })
    assert.equal(getLink(host.socket, 'eth0')?.name, 'eth0')
  })

  it('gives answers that stay what they are', () => {
    const [one] = host.socket.request(link(1))
    const before = one!.body.slice()
    listAddresses(host.socket)
    host.socket.request(link(2))
    assert.deepEqual(one!.body, before)
  })

  it('is in its namespace for good', () => {
    const [inside, outside] = [openRtnetlink(host.namespace), openRtnetlink()]
    assert.equal(inNamespace(hosts.b.namespace, () => listLinks(inside)).length, 2)
    assert.deepEqual(listLinks(inside), listLinks(host.socket))
    const around = JSON.parse(ip('-j link show')) as { ifname: string }[]
    assert.deepEqual(
      listLinks(outside).map(({ name }) => name),
      around.map(({ ifname }) => ifname),
    )
    inside.close()
    outside.close()
  })

  it('refuses protocols that the kernel lacks, and leaves no descriptor', () => {
    const count = () => readdirSync('/proc/self/fd').length
    const before = count()
    for (let i = 0; i < 10; i++) {
      assert.throws(() => NetlinkSocket.open(31), { code: 'EPROTONOSUPPORT' })
      NetlinkSocket.open(NetlinkProtocol.generic).close()
    }
    assert.equal(count(), before)
  })

  it('lists thousands: all of them while some come and go, or none', async () => {
    const COUNT = 3000
    const interfaceIndex = host.eth0.index
    for (let i = 0; i < COUNT; i++) {
      const address = { interfaceIndex, ip: `10.${1 + (i >> 8)}.${i & 255}.1`, bits: 32 }
      addAddress(host.socket, address)
    }
    const list = () => listAddresses(host.socket).map(({ ip }) => ip)
    const own = list()
    assert.equal(own.length, COUNT + 5)
    assert.equal(new Set(own).size, own.length)
    const changer = startRestless(host, '172.16.0.1')
    try {
      await until('it comes', () => findRoute(host.socket, '172.16.0.1')?.type === 'local')
      for (let i = 0; i < 10; i++) {
        const listed = attempt(list)?.filter((ip) => ip !== '172.16.0.1')
        if (listed !== undefined) assert.deepEqual(listed, own)
      }
    } finally {
      await changer.stop()
    }
    assert.deepEqual(
      list().filter((ip) => ip !== '172.16.0.1'),
      own,
    )
  })
})

/** Adds an address and deletes it, as fast as `ip` can. */
function startRestless(host: Host, address: string): { stop(): Promise<unknown> } {
  const lines = ['add', 'delete'].map((verb) => `address ${verb} ${address}/32 dev eth0`)
  const args = ['-c', `yes '${lines.join('\n')}' | ip -batch -`]
  const child = inNamespace(host.namespace, () =>
    spawn('sh', args, { detached: true, stdio: 'ignore' }),
  )
  const exit = once(child, 'exit')
  return {
    stop: () => {
      process.kill(-child.pid!, 'SIGKILL')
      return exit
    },
  }
}

/** Undefined where the list changed again and again while it was made. */
function attempt<T>(list: () => T): T | undefined {
  try {
    return list()
  } catch (error) {
    if (isKernelError(error, 'EAGAIN')) return undefined
    throw error
  }
}
