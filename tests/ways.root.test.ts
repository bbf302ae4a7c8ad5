/**
 * What happens to traffic that is not of the easy kind, end to end, in all four ways of forwarding and both families:
 * fragments, paths that are too narrow, hops that are not resolved, errors on the way there and back.
 */
import assert from 'node:assert/strict'
import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { after, before, describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { getLink } from '../src/kernel/link.ts'
import { deleteNeighbour, listNeighbours } from '../src/kernel/neighbour.ts'
import { addRoute, deleteRoute } from '../src/kernel/route.ts'
import type { Family } from '../src/lab/host.ts'
import { bracketed, HOST_BITS } from '../src/lab/modes.ts'
import { udpFrame } from '../src/wire/flow.ts'
import { notRoot } from './kernel/own-network.ts'
import { Station } from './kernel/station.ts'
import {
  askUdp,
  bindUdp,
  connectTcp,
  connectUdp,
  exchangeTcp,
  failure,
  listenTcp,
} from './lan/sockets.ts'
import {
  at,
  clearWays,
  clientIp,
  FAMILIES,
  PORT,
  serverIp,
  serviceIp,
  vipOf,
  WAYS,
  WaysLan,
  type Way,
} from './lan/ways-lan.ts'

/** More than any frame here takes. */
const LARGE = Buffer.alloc(4000, 'sluice ')
const BULK = Buffer.alloc(1 << 20, 'bulk ')
/** Of the narrow paths, of one inside a tunnel, which the former has not shown: what IPv6 must take is less. */
const NARROW = 1400
const NARROWER = 1350

/** Router, director, one more router (but for DR), server. */
const HOPS: Readonly<Record<Way, readonly number[]>> = {
  nat: [1, 2, 3, 4],
  dr: [1, 2, 3],
  tun: [1, 2, 3, 4],
  fullnat: [1, 2, 3, 4],
}

describe('every way through a director', { skip: notRoot }, () => {
  let lan: WaysLan
  before(async () => {
    lan = await WaysLan.build()
  })
  after(() => clearWays(lan))

  /** Answers each datagram with itself, until the test ends. Returns the server's socket. */
  async function echo(t: TestContext, way: Way, family: Family): Promise<UdpSocket> {
    const socket = await bindUdp(lan.servers[way], serviceIp(way, family), PORT)
    t.after(() => void socket.close())
    socket.on('message', (message, { port, address }) => socket.send(message, port, address))
    return socket
  }

  /** The first datagram may be what teaches an IPv6 sender how much goes through; it is told so. */
  async function askTwice(client: UdpSocket, data: Buffer): Promise<Buffer> {
    try {
      return await askUdp(client, data)
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EMSGSIZE')
      return askUdp(client, data)
    }
  }

  async function udpClient(t: TestContext, way: Way, family: Family): Promise<UdpSocket> {
    const { client } = lan
    const socket = await connectUdp(client, clientIp(family), vipOf(way, family), PORT)
    t.after(() => void socket.close())
    return socket
  }

  const unresolved = () => lan.counted('nextHopUnresolved')

  /**
   * Transfers until the director has told a sender that it sent too much: soon, for it has to learn of the narrow path
   * itself. With FULLNAT both sides know at the beginning.
   */
  async function untilTold(way: Way, transfer: () => Promise<void>): Promise<void> {
    const tooBig = () => lan.counted('answeredTooBig')
    const before = await tooBig()
    for (const end = performance.now() + 10_000; ;) {
      await transfer()
      if (way === 'fullnat' || (await tooBig()) > before) return
      assert.ok(performance.now() < end, 'nobody is told that he sends too much')
    }
  }

  for (const family of FAMILIES) {
    for (const way of WAYS) {
      describe(`${way}, IPv${family}`, () => {
        it('a datagram in fragments gets there, and its answer back', async (t) => {
          await echo(t, way, family)
          const client = await udpClient(t, way, family)
          assert.deepEqual(await askTwice(client, LARGE), LARGE)
        })

        it('a datagram waits for a next hop that is not resolved, and is not lost', async (t) => {
          await echo(t, way, family)
          const client = await udpClient(t, way, family)
          const { socket } = lan.director
          const forgotten = listNeighbours(socket).filter(({ mac }) => mac !== undefined)
          for (const { interfaceIndex, ip } of forgotten)
            deleteNeighbour(socket, interfaceIndex, ip)
          assert.equal(String(await askUdp(client, 'patience')), 'patience')
        })

        it('an upload finds its way through a path that is too narrow', async (t) => {
          const server = await listenTcp(lan.servers[way], PORT, (socket) => {
            let bytes = 0
            socket.on('data', (chunk) => (bytes += chunk.length))
            socket.on('end', () => socket.end(String(bytes)))
          })
          t.after(() => void server.close())
          narrow(t, way === 'nat' ? 'net4' : 'net2', serverIp(way, family), gatewayTo(way, family))
          await untilTold(way, async () => {
            const socket = await connectTcp(lan.client, vipOf(way, family), PORT)
            assert.equal(String(await exchangeTcp(socket, BULK)), String(BULK.length))
          })
        })

        it('a port where nobody listens is reported to the client', async (t) => {
          const client = await udpClient(t, way, family)
          client.send('anybody there?')
          assert.equal(await failure(client), 'ECONNREFUSED')
        })

        it('a traceroute sees the router, then the VIP for each station behind it', async (t) => {
          const station = new Station(lan.client, 'net1')
          t.after(() => station.close())
          const routerMac = getLink(lan.router.socket, 'net1')!.mac!
          const hops: string[] = []
          for (const hop of HOPS[way]) {
            const ip = { timeToLive: hop, hopLimit: hop }
            const over = { sourceMac: station.mac, destinationMac: routerMac, ip }
            const [from, to] = [clientIp(family), vipOf(way, family)].map(bracketed)
            const frame = udpFrame(`${from}:${33434 + hop}`, `${to}:${PORT}`, { over })
            const heard = await station.ask(frame, /time exceeded|unreachable/)
            assert.equal(heard.length, 1, heard.join('\n'))
            const source = /IP6? (\S+) > /.exec(heard[0]!)![1]
            hops.push(
              `${source} ${heard[0]!.includes('time exceeded') ? 'too old' : 'no such port'}`,
            )
          }
          const [router, vip] = [at(family, 1, 1), vipOf(way, family)]
          const behind = Array.from({ length: hops.length - 2 }, () => `${vip} too old`)
          assert.deepEqual(hops, [`${router} too old`, ...behind, `${vip} no such port`])
        })
      })
    }

    it(`tun, IPv${family}: an upload finds its way through a tunnel that a router narrows`, async (t) => {
      const server = await listenTcp(lan.servers.tun, PORT, (socket) => {
        let bytes = 0
        socket.on('data', (chunk) => (bytes += chunk.length))
        socket.on('end', () => socket.end(String(bytes)))
      })
      t.after(() => void server.close())
      narrow(t, 'net3', serverIp('tun', family), undefined, { host: lan.router, mtu: NARROWER })
      const told = await lan.counted('icmpToClient')
      const socket = await connectTcp(lan.newcomer, vipOf('tun', family), PORT)
      assert.equal(String(await exchangeTcp(socket, BULK)), String(BULK.length))
      assert.ok((await lan.counted('icmpToClient')) > told, 'the client was told')
    })

    for (const way of ['nat', 'fullnat'] as const) {
      describe(`${way}, IPv${family}, back`, () => {
        it('a download finds its way through a path that is too narrow', async (t) => {
          const server = await listenTcp(lan.servers[way], PORT, (socket) => {
            socket.end(BULK)
          })
          t.after(() => void server.close())
          // A client that has not learnt from the uploads.
          narrow(t, 'net2', at(family, 1, 3), at(family, 2, 1))
          await untilTold(way, async () => {
            const client = await connectTcp(lan.newcomer, vipOf(way, family), PORT)
            const got = await exchangeTcp(client, '')
            assert.ok(got.equals(BULK), `${got.length} bytes`)
          })
        })

        it("the client's port that is closed is reported to the server", async (t) => {
          const { servers } = lan
          const server = await bindUdp(servers[way], serverIp(way, family), PORT)
          t.after(() => void server.close())
          const client = await connectUdp(lan.client, clientIp(family), vipOf(way, family), PORT)
          client.send('bye')
          const [, from] = (await once(server, 'message')) as [Buffer, RemoteInfo]
          client.close()
          const connected = once(server, 'connect')
          server.connect(from.port, from.address)
          await connected
          server.send('wait!')
          assert.equal(await failure(server), 'ECONNREFUSED')
        })
      })
    }
  }

  it('some frames did wait for a next hop, none in vain', async () => {
    assert.ok((await unresolved()) > 0)
    const { engineCounters } = await lan.control.call('status', {})
    assert.equal(engineCounters['waitedInVain'], 0)
    assert.equal(engineCounters['lostInRing'], 0)
  })

  it('connections that have ended are taken out of the table', async () => {
    const { control } = lan
    for (const end = performance.now() + 10_000; ;) {
      const listed = await control.call('connection.list', {})
      const { connections } = await control.call('status', {})
      // Of TCP the last state is kept for longer.
      if (listed.every(([protocol]) => protocol === 'tcp') && connections === listed.length) break
      assert.ok(performance.now() < end, `${connections} connections, ${listed.length} listed`)
      await sleep(50)
    }
  })

  /** From now on until the test ends the way of the director, or of `host`, to `ip` takes no more than `mtu` bytes. */
  function narrow(
    t: TestContext,
    network: string,
    ip: string,
    gateway: string | undefined,
    { host = lan.director, mtu = NARROW } = {},
  ): void {
    const { socket } = host
    const destination = { ip, bits: HOST_BITS[ip.includes(':') ? 6 : 4] }
    const interfaceIndex = host.indexOf(network)
    addRoute(socket, { destination, nextHops: [{ interfaceIndex, gateway }], mtu })
    t.after(() => deleteRoute(socket, { destination }))
  }
})

/** The director's, on the way to a server; undefined: it is a neighbour. */
function gatewayTo(way: Way, family: Family): string | undefined {
  if (way === 'dr') return undefined
  return way === 'nat' ? at(family, 4, 2) : at(family, 2, 1)
}
