import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { before, describe, it, type TestContext } from 'node:test'
import {
  addVeth,
  enterOwnNetwork,
  ip,
  notRoot,
  startPeer,
  until,
  type Link,
} from '../../tests/kernel/own-network.ts'
import { TUNNEL_KINDS, TUNNEL_PORT, wrap } from '../../tests/packets/tunnels.ts'
import { concatBytes } from '../base/bytes.ts'
import { bytesToMac } from '../base/mac.ts'
import { addressOf, Readiness } from '../kernel/ffi.ts'
import { changeOffloads } from '../kernel/packet/offload.ts'
import { PacketSocket } from '../kernel/packet/packet-socket.ts'
import { openRtnetlink } from '../kernel/netlink/rtnetlink.ts'
import { writeSysctl } from '../kernel/sysctl.ts'
import { VIRTIO_HEADER_SIZE } from '../kernel/packet/virtio-header.ts'
import { ArpOperation } from '../wire/arp.ts'
import { EtherType } from '../wire/ethernet.ts'
import { emitFrame, emitIpLayers, parseFrame, type Frame, type IpSpec } from '../wire/frame.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { Decapsulator } from './decapsulator.ts'
import type { Refusal } from './unwrap.ts'

const MTU = 1500
const OUTER = {
  4: { source: '10.97.0.2', destination: '10.97.0.1' },
  6: { source: '2001:db8:97::2', destination: '2001:db8:97::1' },
}
const OPTIONS = { mtu: MTU, guePort: TUNNEL_PORT, directors: [OUTER[4].source, OUTER[6].source] }
const STRANGER = { 4: '10.97.0.9', 6: '2001:db8:97::9' }
const INNER = {
  4: { source: '192.0.2.9', destination: '10.97.1.100' },
  6: { source: '2001:db8:9::9', destination: '2001:db8:97:1::100' },
}

describe('a decapsulator', { skip: notRoot }, () => {
  let real: Link
  let far: Link

  before(() => {
    enterOwnNetwork()
    ;[real, far] = addVeth('slreal', 'slfar')
    ip('addr add 10.97.0.1/24 dev slreal')
    ip('addr add 2001:db8:97::1/64 dev slreal nodad')
    ip(`addr add ${INNER[4].destination}/32 dev lo scope host`)
    ip(`addr add ${INNER[6].destination}/128 dev lo nodad`)
    for (const router of [OUTER[4].source, OUTER[6].source]) {
      ip(`route add default via ${router}`)
      ip(`neigh add ${router} lladdr ${bytesToMac(far.mac)} dev slreal`)
    }
    writeSysctl('net.ipv4.conf.all.rp_filter', 1) // the strictest
  })

  function open(context: TestContext): { decapsulator: Decapsulator; heard: Refusal[] } {
    const heard: Refusal[] = []
    const vips = [INNER[4].destination, INNER[6].destination]
    const decapsulator = Decapsulator.open(vips, OPTIONS, (refusal) => heard.push(refusal))
    context.after(() => decapsulator.close())
    return { decapsulator, heard }
  }

  /** Sends to the real server, from the far end of its cable, a packet of this protocol. */
  function sendOuter(out: PacketSocket, protocol: number, payload: Uint8Array, ip: IpSpec): void {
    const packet = emitIpLayers({ ip: { ...ip, protocol, payload } })
    sendFrame(out, {
      sourceMac: bytesToMac(far.mac),
      destinationMac: bytesToMac(real.mac),
      type: packet[0]! >>> 4 === 4 ? EtherType.ipv4 : EtherType.ipv6,
      payload: packet,
    })
  }

  function openFar(context: TestContext): PacketSocket {
    const socket = PacketSocket.open(far.index, { slots: 15 })
    context.after(() => socket.close())
    return socket
  }

  /** Answers each datagram to port 7 of the VIP with itself. */
  async function echo(context: TestContext, family: 4 | 6): Promise<void> {
    const server = createSocket(family === 4 ? 'udp4' : 'udp6')
    server.on('message', (message, { port, address }) => server.send(message, port, address))
    context.after(() => server.close())
    server.bind(7, INNER[family].destination)
    await once(server, 'listening')
  }

  const mixtures = ([4, 6] as const).flatMap((outer) =>
    ([4, 6] as const).flatMap((inner) => TUNNEL_KINDS.map((kind) => ({ outer, inner, kind }))),
  )
  for (const { outer, inner, kind } of mixtures) {
    it(`has a server answer from the VIP what came as IPv${inner} in IPv${outer}, ${kind.name}`, async (context) => {
      const { decapsulator, heard } = open(context)
      const cable = openFar(context)
      await echo(context, inner)
      const udp = { sourcePort: 4000, destinationPort: 7, payload: Buffer.from('hello') }
      const packet = emitIpLayers({ ip: INNER[inner], udp })
      const macs = { sourceMac: bytesToMac(far.mac), destinationMac: bytesToMac(real.mac) }
      sendBytes(cable, wrap(kind.tunnel, packet, OUTER[outer], 50_000, macs))
      let answer: Frame | undefined
      await until('the answer', () => {
        answer = takeFrames(cable).find((frame) => frame.udp?.destinationPort === 4000)
        return answer !== undefined
      })
      assert.equal(answer?.ip?.source, INNER[inner].destination)
      assert.equal(answer?.ip?.destination, INNER[inner].source)
      assert.deepEqual(answer?.udp?.payload, Uint8Array.from(udp.payload))
      assert.equal(decapsulator.counts().delivered, 1)
      assert.deepEqual(heard, [])
    })
  }

  it('passes congestion marks on from GUE, too', async (context) => {
    const { decapsulator, heard } = open(context)
    const cable = openFar(context)
    const udp = { sourcePort: 4000, destinationPort: 7 }
    const macs = { sourceMac: bytesToMac(far.mac), destinationMac: bytesToMac(real.mac) }
    for (const family of [4, 6] as const) {
      const packet = emitIpLayers({ ip: INNER[family], udp })
      const outer = { ...OUTER[family], typeOfService: 3, trafficClass: 3 }
      sendBytes(cable, wrap(TUNNEL_KINDS[3]!.tunnel, packet, outer, 50_000, macs))
    }
    await until('both are refused', () => decapsulator.counts().refused.congested === 2)
    assert.deepEqual(heard, ['congested'])
  })

  it('counts what it refuses, tells of the first, and has nothing answered with an ICMP error', async (context) => {
    const { decapsulator, heard } = open(context)
    const cable = openFar(context)
    await echo(context, 4)
    const udp = { sourcePort: 4000, destinationPort: 7 }
    const good = emitIpLayers({ ip: INNER[4], udp })
    const other = emitIpLayers({ ip: { ...INNER[4], destination: '10.97.0.1' }, udp })
    const macs = { sourceMac: bytesToMac(far.mac), destinationMac: bytesToMac(real.mac) }
    for (const packet of [other, other, good.subarray(0, 27)]) {
      sendOuter(cable, Protocol.ipip, packet, OUTER[4])
    }
    for (const outer of [4, 6] as const) {
      const strange = { ...OUTER[outer], source: STRANGER[outer] }
      sendOuter(cable, Protocol.ipip, good, strange)
      sendBytes(cable, wrap(TUNNEL_KINDS[3]!.tunnel, good, strange, 50_000, macs))
    }
    sendOuter(cable, Protocol.ipip, good, { ...OUTER[4], typeOfService: 3 })
    sendOuter(cable, Protocol.ipip, good, OUTER[4])
    const seen: Frame[] = []
    await until('the last one is answered', () => {
      seen.push(...takeFrames(cable))
      return seen.some((frame) => frame.udp !== undefined)
    })
    assert.deepEqual(decapsulator.counts(), {
      delivered: 1,
      refused: {
        malformed: 1,
        otherTunnel: 0,
        wrongChecksum: 0,
        otherDestination: 2,
        congested: 1,
        mergedDatagrams: 0,
        stranger: 4,
      },
      overrun: 0,
      failed: {},
    })
    assert.deepEqual(heard.sort(), ['congested', 'malformed', 'otherDestination', 'stranger'])
    assert.deepEqual(
      seen.filter((frame) => frame.icmp !== undefined),
      [],
    )
  })

  it('leaves tunnel packets to the kernel’s refusal when closed', async (context) => {
    Decapsulator.open([INNER[4].destination], OPTIONS, () => undefined).close()
    assert.doesNotMatch(ip('link show'), /sluicetun/)
    const cable = openFar(context)
    const udp = { sourcePort: 4000, destinationPort: 7 }
    sendOuter(cable, Protocol.ipip, emitIpLayers({ ip: INNER[4], udp }), OUTER[4])
    await until('an ICMP error', () => takeFrames(cable).some(({ icmp }) => icmp?.code === 2))
  })

  for (const { n, what, gro } of [
    { n: 1, what: 'large segments with partial checksums', gro: false },
    { n: 2, what: 'segments that the kernel puts together again', gro: true },
  ]) {
    it(`carries a TCP transfer of ${what}`, async (context) => {
      const cable = openFar(context)
      const { decapsulator, heard } = open(context)
      const [director] = addVeth(`sldir${n}`, `slcli${n}`)
      ip(`route replace 10.97.1.2 dev ${director.name}`)
      // Or the kernel's own questions would tell the client that the VIP is here.
      writeSysctl(`net.ipv4.conf.${director.name}.arp_announce`, 2)
      writeSysctl(`net.ipv4.conf.${director.name}.arp_ignore`, 8)
      for (const name of ['slreal', 'slfar']) ip(`link set ${name} mtu ${gro ? 1600 : 65_535}`)
      const netlink = openRtnetlink()
      changeOffloads(netlink, 'slreal', { gro })
      if (gro) changeOffloads(netlink, 'slfar', { tso: false }) // or a veth leaves GRO out
      if (gro) delayGro('slreal')
      if (gro) changeOffloads(netlink, `slcli${n}`, { gso: false, tso: false, txChecksum: false })
      netlink.close()
      const sent = tunnel(context, director, { cable, real, far })
      const server = createServer().listen(8080, INNER[4].destination)
      context.after(() => server.close())
      const hash = createHash('sha256')
      const taken = new Promise<void>((resolve) => {
        server.on('connection', (socket) => {
          socket.on('data', (chunk: Buffer) => hash.update(chunk)).on('close', () => resolve())
        })
      })
      const to = [INNER[4].destination, '8080', '4']
      const client = await startPeer(context, `slcli${n}`, '10.97.1.2/24', 'send', ...to)
      const [result] = await Promise.all([client.result, taken])
      assert.equal(result, `4194304 ${hash.digest('hex')}`)
      const counts = decapsulator.counts()
      context.diagnostic(`${JSON.stringify(sent)}, delivered ${counts.delivered}`)
      if (gro) assert.ok(sent.frames > 2 * counts.delivered, 'put together')
      else assert.ok(sent.large > 30, 'large')
      assert.deepEqual(heard, [])
      assert.deepEqual([...cable.sendErrors], [])
    })
  }
})

/** Has GRO wait 1 ms for more to put together. Network devices are seen in a sysfs mounted in their namespace. */
function delayGro(name: string): void {
  const script = `mount -t sysfs sysfs /sys && echo 1000000 > /sys/class/net/${name}/gro_flush_timeout`
  execFileSync('unshare', ['--mount', 'sh', '-c', script])
}

/** What went through the tunnel. */
interface Sent {
  frames: number
  large: number
}

/** Be a director: put what comes from the client into a tunnel, offloads and all. Answers the client's ARP. */
function tunnel(
  context: TestContext,
  director: Link,
  to: { cable: PacketSocket; real: Link; far: Link },
): Sent {
  const sent: Sent = { frames: 0, large: 0 }
  const socket = PacketSocket.open(director.index)
  const mac = '02:00:00:00:00:99' // nobody's, so that the kernel takes no frame of the client itself
  const readiness = new Readiness(socket.fd, () => {
    for (let slot = socket.next(); slot >= 0; slot = socket.next()) {
      const { memory, frameStart, frameLength } = socket
      const bytes = new Uint8Array(memory.bytes.buffer, frameStart, frameLength).slice()
      socket.release(slot)
      const frame = parseFrame(bytes)
      const { arp } = frame ?? {}
      if (arp?.operation === ArpOperation.request && arp.targetIp === INNER[4].destination) {
        const reply = { operation: ArpOperation.reply, senderMac: mac, senderIp: arp.targetIp }
        const target = { targetMac: arp.senderMac, targetIp: arp.senderIp }
        const destinationMac = arp.senderMac
        sendFrame(socket, { sourceMac: mac, destinationMac, arp: { ...reply, ...target } })
      }
      if (frame?.destinationMac !== mac || frame.tcp === undefined) continue
      sent.frames++
      if (bytes.length > 14 + MTU) sent.large++
      const packet = { ...OUTER[4], protocol: Protocol.ipip, payload: bytes.subarray(14) }
      sendFrame(to.cable, {
        sourceMac: bytesToMac(to.far.mac),
        destinationMac: bytesToMac(to.real.mac),
        type: EtherType.ipv4,
        payload: emitIpLayers({ ip: packet }),
      })
    }
  })
  context.after(() => {
    readiness.stop() // before the descriptor is closed
    socket.close()
  })
  return sent
}

function sendFrame(out: PacketSocket, frame: Parameters<typeof emitFrame>[0]): void {
  sendBytes(out, emitFrame(frame))
}

function sendBytes(out: PacketSocket, emitted: Uint8Array): void {
  const bytes = concatBytes(new Uint8Array(VIRTIO_HEADER_SIZE), emitted, new Uint8Array(4096)) // large: never moved
  const memory = { bytes: new DataView(bytes.buffer), address: addressOf(bytes) }
  out.send(memory, VIRTIO_HEADER_SIZE, emitted.length)
  out.flush()
}

function takeFrames(socket: PacketSocket): Frame[] {
  const frames: Frame[] = []
  for (let slot = socket.next(); slot >= 0; slot = socket.next()) {
    const { memory, frameStart, frameLength } = socket
    const bytes = new Uint8Array(memory.bytes.buffer, frameStart, frameLength).slice()
    frames.push(...[parseFrame(bytes)].filter((frame) => frame !== undefined))
    socket.release(slot)
  }
  return frames
}
