/**
 * Frames that come with the sum of all their bytes (CHECKSUM_COMPLETE in the kernel's struct sk_buff), as some network
 * cards deliver them. Under tc the packet path writes into a frame, and that sum stays what it was.
 *
 * Out of a network card the frame leaves as it is, and nobody looks at the sum. A stack on the same machine finds that
 * the sum does not fit the new address, adds up the bytes itself (__skb_checksum_validate_complete) and takes the
 * packet if they are right, and only then.
 *
 *   client ─ net1 ─ port ─ bridge1, director ─ cable ─ server
 *
 * The sum is netfilter's here: connection tracking on a bridge verifies the checksum of a frame that nobody has
 * verified, and leaves in the frame what its bytes sum up to (nf_ip_checksum).
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { after, before, describe, it, type TestContext } from 'node:test'
import * as i from '../src/bpf/instruction.ts'
import { addLink, addVeth, changeLink, getLink } from '../src/kernel/netlink/link.ts'
import { openNamespace } from '../src/kernel/netns.ts'
import { changeOffloads } from '../src/kernel/packet/offload.ts'
import { Director } from '../src/lab/director.ts'
import type { Host } from '../src/lab/host.ts'
import { Lan } from '../src/lab/lan.ts'
import { clearLab, labFolder, labPrefix } from '../src/lab/leftovers.ts'
import { tcpFrame } from '../src/wire/flow.ts'
import { TcpFlag } from '../src/wire/tcp.ts'
import { countFrames } from './kernel/frame-counter.ts'
import { notRoot, until } from './kernel/own-network.ts'
import { Station } from './kernel/station.ts'
import { connectTcp, exchangeTcp, listenTcp } from './lan/sockets.ts'

const VIP = '10.1.0.100'
const SERVER = '10.2.0.2'
const PORT = 8000
const DATA = Buffer.alloc(100_000, 'sums ')
/** s64 bpf_csum_update(struct __sk_buff *, __wsum): negative where the frame has no such sum. */
const UPDATE_SUM = 40
const { r0, r1, r2 } = i
const TRACKING = `table ip sums {
  chain seen {
    type filter hook prerouting priority 0
    ct state new counter
  }
}
`

/** Counts the frames that come in at that interface with a sum of all their bytes. */
function countComplete(t: TestContext, host: Host, name: string): () => number {
  const count = countFrames(t, host, name, [
    i.move(r2, 0),
    i.call(UPDATE_SUM),
    i.branch(r0, 'signedLess', 0, 'out'),
    i.mapValue(r1, 'index', 0, 0),
    i.move32(r2, 1),
    i.atomicAdd(i.u32(r1, 0), r2),
  ])
  return () => count(0)
}

/** A cable, without the switch of the lab, which like every bridge takes the sum away. */
function connect(one: Host, other: Host): void {
  const namespace = openNamespace(other.namespace)
  try {
    addVeth(one.socket, { name: 'net2' }, { name: 'net2', namespace })
  } finally {
    closeSync(namespace)
  }
  for (const host of [one, other]) host.raise('net2')
}

/** TCP segments that the host's stack threw away because their checksum was wrong. */
function wrongSums(host: Host): number {
  const text = host.run(() => readFileSync('/proc/thread-self/net/snmp', 'utf8'))
  const [names, values] = text.split('\n').filter((line) => line.startsWith('Tcp:'))
  return Number(values!.split(' ')[names!.split(' ').indexOf('InCsumErrors')])
}

const cannot = existsSync('/proc/sys/net/bridge') ? notRoot : 'the kernel lacks br_netfilter'

describe('frames with a sum of all their bytes, by tc', { skip: cannot }, () => {
  const folder = labFolder()
  let lan: Lan
  let client: Host
  let director: Host
  let server: Host

  before(async () => {
    mkdirSync(folder, { recursive: true })
    lan = new Lan(labPrefix())
    lan.addNetwork('net1')
    ;[client, director, server] = ['client', 'director', 'server'].map((name) =>
      lan.addHost(name),
    ) as [Host, Host, Host]
    for (const host of [client, director]) lan.plug(host, 'net1')
    connect(director, server)
    addLink(director.socket, 'bridge', { name: 'bridge1' })
    const master = director.indexOf('bridge1')
    changeLink(director.socket, director.indexOf('net1'), { master })
    director.raise('bridge1')
    client.addAddress('net1', '10.1.0.2', 24)
    director.addAddress('bridge1', '10.1.0.1', 24)
    director.addAddress('bridge1', VIP, 32)
    director.addAddress('net2', '10.2.0.1', 24)
    server.addAddress('net2', SERVER, 24)
    server.setDefaultRoute('10.2.0.1')
    director.forward()
    director.set('net.bridge.bridge-nf-call-iptables', 1)
    director.set('net.netfilter.nf_conntrack_checksum', 1)
    director.run(() => execFileSync('nft', ['-f', '-'], { input: TRACKING }))
    // Or nobody has to verify anything.
    changeOffloads(client.socket, 'net1', { txChecksum: false })
    const running = await Director.start(director, ['bridge1', 'net2'], 'kernel', folder)
    await running.ipvsadm(
      '-R',
      [`-A -t ${VIP}:${PORT} -s rr`, `-a -t ${VIP}:${PORT} -r ${SERVER}:${PORT} -m`].join('\n'),
    )
  })
  after(() => {
    lan?.takeDown()
    clearLab()
  })

  it('reach the server, and their answers the client', async (t) => {
    const arrived = countComplete(t, director, 'bridge1')
    const left = countComplete(t, server, 'net2')
    const listening = await listenTcp(server, PORT, (socket) => socket.pipe(socket))
    t.after(() => listening.close())
    const socket = await connectTcp(client, VIP, PORT)
    assert.ok((await exchangeTcp(socket, DATA)).equals(DATA))
    assert.ok(arrived() > 10, `${arrived()} frames came with a sum`)
    assert.ok(left() > 10, `${left()} frames left with one`)
    assert.equal(wrongSums(server), 0)
  })

  it('are thrown away by the server if their bytes are wrong', async () => {
    const station = new Station(client, 'net1')
    try {
      const destinationMac = getLink(director.socket, 'bridge1')!.mac!
      const over = { sourceMac: station.mac, destinationMac }
      const frame = tcpFrame(`10.1.0.2:4000`, `${VIP}:${PORT}`, { flags: TcpFlag.syn, over })
      frame[frame.length - 1]! ^= 1 // the urgent pointer: part of nothing but the checksum
      station.send(frame)
      await until('it is counted', () => wrongSums(server) > 0)
    } finally {
      station.close()
    }
  })
})
