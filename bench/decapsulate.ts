/**
 * The end of a tunnel on a real server: what it costs to take a packet out, in the kernel and in the process.
 *
 *   this process: frames ─► slfar ── veth ── slreal ─► [ the tunnel's end ] ─► a UDP socket on the VIP
 *
 * One thread sends and, for the process's own end, takes; the kernel's part runs within the call that sends. The peer
 * is the packet inside, sent as it is: no tunnel at all.
 *
 *   npm run bench -- decapsulate
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { bytesToMac } from '../src/base/mac.ts'
import { addressOf } from '../src/kernel/ffi.ts'
import { listLinks } from '../src/kernel/netlink/link.ts'
import { PacketSocket } from '../src/kernel/packet/packet-socket.ts'
import { openRtnetlink } from '../src/kernel/netlink/rtnetlink.ts'
import { VIRTIO_HEADER_SIZE } from '../src/kernel/packet/virtio-header.ts'
import { Decapsulator } from '../src/realserver/decapsulator.ts'
import { KernelDecapsulator } from '../src/realserver/kernel-decapsulator.ts'
import { emitFrame, emitIpLayers } from '../src/wire/frame.ts'
import { addVeth, enterOwnNetwork, ip } from '../tests/kernel/own-network.ts'
import { TUNNEL_KINDS, TUNNEL_PORT, wrap } from '../tests/packets/tunnels.ts'
import { printTable } from './parts/measure.ts'

const ROUNDS = 5
const FRAMES = 100_000
/** Frames between two looks at what came. */
const BATCH = 50
const VIP = '10.97.1.100'
const PORT = 9
const OUTER = { source: '10.97.0.2', destination: '10.97.0.1' }
const OPTIONS = { guePort: TUNNEL_PORT, directors: [OUTER.source] }

enterOwnNetwork()
const [real, far] = addVeth('slreal', 'slfar')
ip('addr add 10.97.0.1/24 dev slreal')
ip(`addr add ${VIP}/32 dev lo`)
ip(`route add default via ${OUTER.source}`)
ip(`neigh add ${OUTER.source} lladdr ${bytesToMac(far.mac)} dev slreal`)
const netlink = openRtnetlink()
const links = listLinks(netlink).filter(({ name }) => name === 'slreal')
const cable = PacketSocket.open(far.index, { slots: 15 })
// Never read: once it is full, what comes is dropped at its door.
const server = createSocket({ type: 'udp4', recvBufferSize: 4096 })
server.bind(PORT, VIP)
await once(server, 'listening')

const macs = { sourceMac: bytesToMac(far.mac), destinationMac: bytesToMac(real.mac) }
const udp = { sourcePort: 4000, destinationPort: PORT, payload: Buffer.alloc(64) }
const innerIp = { source: '192.0.2.9', destination: VIP }
const inner = emitIpLayers({ ip: innerIp, udp })

const rows = [['tunnel', 'ends in', 'frames/s', 'ns a frame', 'times the process']]
const plain = await measure(emitFrame({ ...macs, ip: innerIp, udp }), undefined)
rows.push(['none', '', ...cells(plain), ''])
for (const { tunnel, name } of TUNNEL_KINDS.slice(0, 5)) {
  const ends: [string, number][] = []
  const frame = wrap(tunnel, inner, OUTER, 50_000, macs)
  for (const attach of ['tc', 'xdp'] as const) {
    const options = { ...OPTIONS, instance: `bench-${process.pid}`, attach, vips: [VIP], links }
    const kernel = KernelDecapsulator.open(options, netlink)
    const { how } = kernel.attached[0]!
    const kind = tunnel.type
    const ns = await measure(frame, () => kernel.counts()[kind])
    kernel.close()
    ends.push([`the kernel, ${how}`, ns])
  }
  const sockets = Decapsulator.open([VIP], { ...OPTIONS, mtu: 1500 }, (refusal) => {
    throw new Error(refusal)
  })
  const ns = await measure(frame, () => sockets.counts().delivered)
  sockets.close()
  ends.push(['the process', ns])
  for (const [end, one] of ends) rows.push([name, end, ...cells(one), (ns / one).toFixed(1)])
}
printTable(rows)
console.log(
  '\nSending included; one core, best of several rounds; 106 bytes of IPv4 and UDP inside.',
)
netlink.close()
cable.close()
server.close()

/** Nanoseconds a frame, the best round; `delivered`: how many have come out so far, all of which must. */
async function measure(frame: Uint8Array, delivered: (() => number) | undefined): Promise<number> {
  const bytes = new Uint8Array(VIRTIO_HEADER_SIZE + frame.length)
  bytes.set(frame, VIRTIO_HEADER_SIZE)
  const memory = { bytes: new DataView(bytes.buffer), address: addressOf(bytes) }
  let best = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    const before = delivered?.() ?? 0
    const start = process.hrtime.bigint()
    for (let sent = 0; sent < FRAMES;) {
      for (let i = 0; i < BATCH; i++) cable.send(memory, VIRTIO_HEADER_SIZE, frame.length)
      cable.flush()
      sent += BATCH
      while (delivered !== undefined && delivered() - before < sent) await turn()
    }
    best = Math.min(best, Number(process.hrtime.bigint() - start) / FRAMES)
  }
  return best
}

function cells(ns: number): string[] {
  return [Math.round(1e9 / ns).toLocaleString('en'), ns.toFixed(0)]
}
