import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { before, describe, it, type TestContext } from 'node:test'
import {
  addVeth,
  enterOwnNetwork,
  ip,
  notRoot,
  startPeer,
  type Link,
} from '../../../tests/kernel/own-network.ts'
import { isClaimed } from '../claim/claim.ts'
import { Readiness } from '../ffi.ts'
import { IngressClaim } from '../claim/ingress-claim.ts'
import { PacketSocket } from './packet-socket.ts'
import { Tap } from './tap.ts'
import { VIRTIO_HEADER_SIZE, writeVirtioHeader } from './virtio-header.ts'

interface Address {
  local: string
  prefixlen: number
  scope: string
}

/** Gives every claimed frame back to the kernel: an engine that wants none. */
function giveBack(context: TestContext, link: Link, claim: IngressClaim, tap: Tap): void {
  const socket = PacketSocket.open(link.index)
  const readiness = new Readiness(socket.fd, () => {
    for (let slot = socket.next(); slot >= 0; slot = socket.next()) {
      const { bytes } = socket.memory
      const { frameStart, frameLength, vlanTci, packetType } = socket
      if (isClaimed(claim.sets, bytes, frameStart, frameLength, vlanTci, packetType)) {
        writeVirtioHeader(bytes, frameStart - VIRTIO_HEADER_SIZE, socket.offloads, 0)
        tap.inject(socket.memory, frameStart, frameLength)
      }
      socket.release(slot)
    }
  })
  context.after(() => {
    readiness.stop() // before the descriptor is closed
    socket.close()
  })
}

/** Takes one connection; what came on it, once it is over. */
function takeOne(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.once('connection', (socket: Socket) => {
      const hash = createHash('sha256')
      let bytes = 0
      socket.on('data', (chunk: Buffer) => {
        hash.update(chunk)
        bytes += chunk.length
      })
      socket.on('close', () => resolve(`${bytes} ${hash.digest('hex')}`))
    })
  })
}

describe('a TAP device', { skip: notRoot }, () => {
  before(() => {
    enterOwnNetwork()
    writeFileSync('/proc/sys/net/ipv4/conf/all/rp_filter', '1') // the strictest
  })

  for (const { family, virtual, client, bits } of [
    { family: 4, virtual: '10.88.0.1', client: '10.88.0.2', bits: 24 },
    { family: 6, virtual: '2001:db8:88::1', client: '2001:db8:88::2', bits: 64 },
  ]) {
    it(`gives a listening socket claimed IPv${family} frames; answers leave by the real interface`, async (context) => {
      const [link] = addVeth(`sldir${family}`, `slcli${family}`)
      ip(`addr add ${virtual}/${bits} dev ${link.name}${family === 6 ? ' nodad' : ''}`)
      const tap = Tap.open()
      const claim = IngressClaim.open()
      context.after(() => {
        claim.close()
        tap.close()
      })
      claim.attach(link.name)
      claim.replace({ destinations: [{ address: virtual, protocol: 6, port: 8080 }], sources: [] })
      giveBack(context, link, claim, tap)
      const server = createServer().listen(8080, virtual)
      context.after(() => server.close())
      await once(server, 'listening')
      const taken = takeOne(server)
      const to = [virtual, '8080', '32']
      const peer = await startPeer(context, `slcli${family}`, `${client}/${bits}`, 'send', ...to)
      const [sent, got] = await Promise.all([peer.result, taken])
      assert.equal(got, sent)
      assert.match(got, /^33554432 /)
      assert.ok(tap.injected > 500, `${tap.injected} frames injected`)
      assert.deepEqual([...tap.errors], [])
      // All of the connection's frames were dropped at ingress, or the kernel would have got them twice.
      const [{ stats64 }] = JSON.parse(ip(`-j -s link show dev ${tap.name}`)) as [
        { stats64: { rx: { packets: number }; tx: { packets: number } } },
      ]
      assert.equal(stats64.rx.packets, tap.injected)
      assert.equal(stats64.tx.packets, 0, 'nothing leaves through the device')
    })
  }

  it('is up and silent: no ARP, no multicast, no address, loose reverse-path filter', (context) => {
    const tap = Tap.open('slquiet')
    context.after(() => tap.close())
    assert.equal(tap.name, 'slquiet')
    const [link] = JSON.parse(ip('-j addr show dev slquiet')) as [
      { ifindex: number; flags: string[]; address: string; addr_info: Address[] },
    ]
    assert.deepEqual([link.ifindex, link.address], [tap.interfaceIndex, tap.mac])
    assert.ok(link.flags.includes('UP') && link.flags.includes('NOARP'), link.flags.join())
    assert.ok(!link.flags.includes('MULTICAST'), link.flags.join())
    const addresses = link.addr_info.map(({ local, prefixlen, scope }) => ({
      local,
      prefixlen,
      scope,
    }))
    assert.deepEqual(addresses, [{ local: '127.83.76.1', prefixlen: 32, scope: 'host' }])
    assert.doesNotMatch(ip('route show'), /slquiet/)
    const filter = readFileSync('/proc/sys/net/ipv4/conf/slquiet/rp_filter', 'utf8')
    assert.equal(filter.trim(), '2')
  })

  it('is numbered, is nobody else’s, and is gone when closed', () => {
    const first = Tap.open()
    const second = Tap.open()
    assert.notEqual(first.name, second.name)
    assert.throws(() => Tap.open(first.name), /EBUSY/)
    first.close()
    second.close()
    assert.doesNotMatch(ip('link show'), /sluice/)
  })

  it('counts frames that the kernel refuses', (context) => {
    const tap = Tap.open()
    context.after(() => tap.close())
    const bytes = new Uint8Array(4096)
    const memory = { bytes: new DataView(bytes.buffer), address: 8 } // no memory of ours
    assert.equal(tap.inject(memory, 100, 60), false)
    assert.deepEqual([...tap.errors], [['EFAULT', 1]])
    assert.equal(tap.injected, 0)
  })
})
