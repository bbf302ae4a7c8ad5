/**
 * What happens to traffic that is not of the easy kind, end to end, in all four ways of forwarding and both families:
 * fragments, paths that are too narrow, hops that are not resolved, errors on the way there and back.
 */
import assert from 'node:assert/strict'
import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { after, before, describe, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { getLink } from '../../src/kernel/netlink/link.ts'
import { deleteNeighbour, listNeighbours } from '../../src/kernel/netlink/neighbour.ts'
import { addRoute, deleteRoute } from '../../src/kernel/netlink/route.ts'
import type { AttachChoice, EngineChoice } from '../../src/lab/director.ts'
import type { Family } from '../../src/lab/host.ts'
import { bracketed, HOST_BITS } from '../../src/lab/modes.ts'
import { udpFrame } from '../../src/wire/flow.ts'
import { notRoot } from '../kernel/own-network.ts'
import { Station } from '../kernel/station.ts'
import {
  askUdp,
  bindUdp,
  connectTcp,
  connectUdp,
  exchangeTcp,
  failure,
  listenTcp,
} from './sockets.ts'
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
} from './ways-lan.ts'

/** More than any frame here takes. */
const LARGE = Buffer.alloc(4000, 'sluice ')
/** Fits one frame, in any tunnel. */
const SEGMENT = Buffer.alloc(1000, 'part ')
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

/** `it` of the test file, by a function that stands there: Node counts a test where it is called. */
export type Try = (name: string, run: (t: TestContext) => Promise<void>) => void

/** All of it, by an engine that sits as `attach` says. */
export function tryEveryWay(it: Try, engine: EngineChoice, attach: AttachChoice = 'auto'): void {
  const where = engine === 'v8' ? 'in V8' : `in the kernel, by ${attach}`
  describe(`every way through a director ${where}`, { skip: notRoot }, () => {
    const ways = new Ways(it)
    before(() => ways.build(engine, attach))
    after(() => ways.clear())
    for (const family of FAMILIES) {
      for (const way of WAYS) {
        describe(`${way}, IPv${family}`, () => ways.tryThere(way, family))
      }
      describe(`tun, IPv${family}, narrowed`, () => ways.tryTunnel(family))
      for (const way of ['nat', 'fullnat'] as const) {
        describe(`${way}, IPv${family}, back`, () => ways.tryBack(way, family))
      }
    }
    ways.tryAfterwards(engine === 'v8' ? ['waitedInVain', 'lostInRing'] : ['cutInVain'])
  })
}

class Ways {
  readonly #it: Try
  #built: WaysLan | undefined

  constructor(it: Try) {
    this.#it = it
  }

  async build(engine: EngineChoice, attach: AttachChoice): Promise<void> {
    this.#built = await WaysLan.build(engine, attach)
  }

  clear(): void {
    clearWays(this.#built)
  }

  get #lan(): WaysLan {
    return this.#built!
  }

  tryThere(way: Way, family: Family): void {
    this.#tryDatagrams(way, family)
    this.#it('an upload finds its way through a path that is too narrow', async (t) => {
      await this.#countUploads(t, way)
      this.#narrow(t, ...towards(way, family))
      await this.#untilTold(way, async () => {
        const socket = await connectTcp(this.#lan.client, vipOf(way, family), PORT)
        assert.equal(String(await exchangeTcp(socket, BULK)), String(BULK.length))
      })
    })
    this.#it('a port where nobody listens is reported to the client', async (t) => {
      const client = await this.#udpClient(t, way, family)
      client.send('anybody there?')
      assert.equal(await failure(client), 'ECONNREFUSED')
    })
    this.#it('a traceroute sees the router, then the VIP for each station behind it', async (t) => {
      const hops = await this.#traceroute(t, way, family)
      const [router, vip] = [at(family, 1, 1), vipOf(way, family)]
      const behind = Array.from({ length: hops.length - 2 }, () => `${vip} too old`)
      assert.deepEqual(hops, [`${router} too old`, ...behind, `${vip} no such port`])
    })
  }

  #tryDatagrams(way: Way, family: Family): void {
    this.#it('a datagram in fragments gets there, and its answer back', async (t) => {
      await this.#echo(t, way, family)
      const client = await this.#udpClient(t, way, family)
      assert.deepEqual(await askTwice(client, LARGE), LARGE)
    })
    this.#it('a datagram waits for a next hop that is not resolved, and is not lost', async (t) => {
      await this.#echo(t, way, family)
      const client = await this.#udpClient(t, way, family)
      this.#forgetNeighbours()
      assert.equal(String(await askUdp(client, 'patience')), 'patience')
    })
    if (family === 6) return // Of IPv6 only senders cut.
    this.#it('fragments too long for their way are cut, those that wait, too', async (t) => {
      await this.#echo(t, way, family)
      const client = await this.#udpClient(t, way, family)
      this.#narrow(t, ...towards(way, family))
      assert.deepEqual(await askUdp(client, LARGE), LARGE)
      this.#forgetNeighbours()
      assert.deepEqual(await askUdp(client, LARGE), LARGE)
    })
  }

  tryTunnel(family: Family): void {
    this.#it('an upload finds its way through a tunnel that a router narrows', async (t) => {
      await this.#countUploads(t, 'tun')
      const { router, newcomer } = this.#lan
      const way = { host: router, mtu: NARROWER }
      this.#narrow(t, 'net3', serverIp('tun', family), undefined, way)
      const told = await this.#lan.counted('icmpToClient')
      const socket = await connectTcp(newcomer, vipOf('tun', family), PORT)
      assert.equal(String(await exchangeTcp(socket, BULK)), String(BULK.length))
      assert.ok((await this.#lan.counted('icmpToClient')) > told, 'the client was told')
    })
    for (const type of ['--tun-type gre --tun-csum', '--tun-type gue --tun-port 6080 --tun-csum']) {
      this.#it(`a segment, many and a datagram go through ${type}`, async (t) => {
        await this.#lan.setTunnel(family, type)
        t.after(() => this.#lan.setTunnel(family, '--tun-type ipip'))
        await this.#countUploads(t, 'tun')
        const vip = vipOf('tun', family)
        // Of a segment only the headers lie together in the sender's memory, and its checksum is still to be finished.
        const socket = await connectTcp(this.#lan.newcomer, vip, PORT)
        assert.equal(String(await exchangeTcp(socket, SEGMENT)), String(SEGMENT.length))
        // Large frames, whose segments have tunnel checksums each.
        const upload = await connectTcp(this.#lan.newcomer, vip, PORT)
        assert.equal(String(await exchangeTcp(upload, BULK)), String(BULK.length))
        await this.#echo(t, 'tun', family)
        const client = await this.#udpClient(t, 'tun', family)
        assert.deepEqual(await askUdp(client, SEGMENT), SEGMENT)
      })
    }
  }

  tryBack(way: 'nat' | 'fullnat', family: Family): void {
    this.#it('a download finds its way through a path that is too narrow', async (t) => {
      const serve = (socket: Socket) => void socket.end(BULK)
      const server = await listenTcp(this.#lan.servers[way], PORT, serve)
      t.after(() => void server.close())
      // A client that has not learnt from the uploads.
      this.#narrow(t, 'net2', at(family, 1, 3), at(family, 2, 1))
      await this.#untilTold(way, async () => {
        const client = await connectTcp(this.#lan.newcomer, vipOf(way, family), PORT)
        const got = await exchangeTcp(client, '')
        assert.ok(got.equals(BULK), `${got.length} bytes`)
      })
    })
    this.#it("the client's port that is closed is reported to the server", async (t) => {
      const { servers } = this.#lan
      const server = await bindUdp(servers[way], serverIp(way, family), PORT)
      t.after(() => void server.close())
      const to = vipOf(way, family)
      const client = await connectUdp(this.#lan.client, clientIp(family), to, PORT)
      client.send('bye')
      const [, from] = (await once(server, 'message')) as [Buffer, RemoteInfo]
      client.close()
      const connected = once(server, 'connect')
      server.connect(from.port, from.address)
      await connected
      server.send('wait!')
      assert.equal(await failure(server), 'ECONNREFUSED')
    })
  }

  /** `inVain`: the engine's counters of what it lost. */
  tryAfterwards(inVain: readonly string[]): void {
    this.#it('some frames did wait for a next hop, none in vain', async () => {
      assert.ok((await this.#lan.counted('nextHopUnresolved')) > 0)
      const { engineCounters } = await this.#lan.control.call('status', {})
      for (const name of inVain) assert.equal(engineCounters[name], 0, name)
    })
    this.#it('connections that have ended are taken out of the table', async () => {
      const { control } = this.#lan
      for (const end = performance.now() + 10_000; ;) {
        const listed = await control.call('connection.list', {})
        const { connections } = await control.call('status', {})
        // Of TCP the last state is kept for longer.
        if (listed.every(([protocol]) => protocol === 'tcp') && connections === listed.length) break
        assert.ok(performance.now() < end, `${connections} connections, ${listed.length} listed`)
        await sleep(50)
      }
    })
  }

  /** The server answers each datagram with itself, until the test ends. */
  async #echo(t: TestContext, way: Way, family: Family): Promise<void> {
    const socket = await bindUdp(this.#lan.servers[way], serviceIp(way, family), PORT)
    t.after(() => void socket.close())
    socket.on('message', (message, { port, address }) => socket.send(message, port, address))
  }

  /** The server answers each upload with its length, until the test ends. */
  async #countUploads(t: TestContext, way: Way): Promise<void> {
    const server = await listenTcp(this.#lan.servers[way], PORT, (socket) => {
      let bytes = 0
      socket.on('data', (chunk) => (bytes += chunk.length))
      socket.on('end', () => socket.end(String(bytes)))
    })
    t.after(() => void server.close())
  }

  async #udpClient(t: TestContext, way: Way, family: Family): Promise<UdpSocket> {
    const { client } = this.#lan
    const socket = await connectUdp(client, clientIp(family), vipOf(way, family), PORT)
    t.after(() => void socket.close())
    return socket
  }

  /** Who answers a datagram that may travel 1, 2, … hops, and what. */
  async #traceroute(t: TestContext, way: Way, family: Family): Promise<string[]> {
    const station = new Station(this.#lan.client, 'net1')
    t.after(() => station.close())
    const routerMac = getLink(this.#lan.router.socket, 'net1')!.mac!
    const hops: string[] = []
    for (const hop of HOPS[way]) {
      const ip = { timeToLive: hop, hopLimit: hop }
      const over = { sourceMac: station.mac, destinationMac: routerMac, ip }
      const [from, to] = [clientIp(family), vipOf(way, family)].map(bracketed)
      const frame = udpFrame(`${from}:${33434 + hop}`, `${to}:${PORT}`, { over })
      const heard = await station.ask(frame, /time exceeded|unreachable/)
      assert.equal(heard.length, 1, heard.join('\n'))
      const source = /IP6? (\S+) > /.exec(heard[0]!)![1]
      hops.push(`${source} ${heard[0]!.includes('time exceeded') ? 'too old' : 'no such port'}`)
    }
    return hops
  }

  /**
   * Transfers until the director has told a sender that it sent too much: soon, for it has to learn of the narrow path
   * itself. With FULLNAT both sides know at the beginning.
   */
  async #untilTold(way: Way, transfer: () => Promise<void>): Promise<void> {
    const tooBig = () => this.#lan.counted('answeredTooBig')
    const before = await tooBig()
    for (const end = performance.now() + 10_000; ;) {
      await transfer()
      if (way === 'fullnat' || (await tooBig()) > before) return
      assert.ok(performance.now() < end, 'nobody is told that he sends too much')
    }
  }

  /** From now on the director has to ask for every MAC address. */
  #forgetNeighbours(): void {
    const { socket } = this.#lan.director
    for (const { interfaceIndex, ip, mac } of listNeighbours(socket)) {
      if (mac !== undefined) deleteNeighbour(socket, interfaceIndex, ip)
    }
  }

  /** From now on until the test ends the way of the director, or of `host`, to `ip` takes no more than `mtu` bytes. */
  #narrow(
    t: TestContext,
    network: string,
    ip: string,
    gateway: string | undefined,
    { host = this.#lan.director, mtu = NARROW } = {},
  ): void {
    const { socket } = host
    const destination = { ip, bits: HOST_BITS[ip.includes(':') ? 6 : 4] }
    const interfaceIndex = host.indexOf(network)
    addRoute(socket, { destination, nextHops: [{ interfaceIndex, gateway }], mtu })
    t.after(() => deleteRoute(socket, { destination }))
  }
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

/** The director's way to the server: network, address, gateway. */
function towards(way: Way, family: Family): [string, string, string | undefined] {
  return [way === 'nat' ? 'net4' : 'net2', serverIp(way, family), gatewayTo(way, family)]
}

/** The director's, on the way to a server; undefined: it is a neighbour. */
function gatewayTo(way: Way, family: Family): string | undefined {
  if (way === 'dr') return undefined
  return way === 'nat' ? at(family, 4, 2) : at(family, 2, 1)
}
