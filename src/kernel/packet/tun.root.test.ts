import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { before, describe, it, type TestContext } from 'node:test'
import { addVeth, enterOwnNetwork, ip, notRoot } from '../../../tests/kernel/own-network.ts'
import { emitIpLayers } from '../../wire/frame.ts'
import { addressOf } from '../ffi.ts'
import { readSysctl, writeSysctl } from '../sysctl.ts'
import { Tun } from './tun.ts'
import { clearVirtioHeader, VIRTIO_HEADER_SIZE } from './virtio-header.ts'

const START = VIRTIO_HEADER_SIZE

function openTun(context: TestContext, name?: string): Tun {
  const tun = Tun.open(name)
  context.after(() => tun.close())
  return tun
}

/** Writes a datagram to port 5000 of the host, from a client that is routed elsewhere. */
function inject(tun: Tun, source: string, destination: string, payload: Uint8Array): boolean {
  const packet = emitIpLayers({
    ip: { source, destination },
    udp: { sourcePort: 4000, destinationPort: 5000, payload },
  })
  const bytes = new Uint8Array(4096 + packet.length) // large: small arrays may be moved
  bytes.set(packet, START)
  const memory = { bytes: new DataView(bytes.buffer), address: addressOf(bytes) }
  clearVirtioHeader(memory.bytes, 0)
  return tun.inject(memory, START, packet.length)
}

describe('a TUN device', { skip: notRoot }, () => {
  before(() => {
    enterOwnNetwork()
    addVeth('slout', 'slfar')
    ip('addr add 10.95.0.1/24 dev slout')
    ip('addr add 2001:db8:95::1/64 dev slout nodad')
    ip('route add default via 10.95.0.254')
    writeSysctl('net.ipv4.conf.all.rp_filter', 1) // the strictest
    writeSysctl('net.ipv6.conf.default.disable_ipv6', 1)
  })

  for (const { family, own, client } of [
    { family: 4, own: '10.95.0.1', client: '10.1.2.3' },
    { family: 6, own: '2001:db8:95::1', client: '2001:db8:95::9' },
  ] as const) {
    it(`gives sockets IPv${family} packets of any size, whatever the strictness of the host`, async (context) => {
      const tun = openTun(context)
      const server = createSocket(family === 4 ? 'udp4' : 'udp6').bind(5000, own)
      context.after(() => server.close())
      await once(server, 'listening')
      for (const size of [1, 1472, 9000, 65_000]) {
        const payload = Buffer.alloc(size, size)
        const message = once(server, 'message') as Promise<[Buffer, { address: string }]>
        assert.ok(inject(tun, client, own, payload))
        const [got, sender] = await message
        assert.ok(got.equals(payload))
        assert.equal(sender.address, client)
      }
      assert.equal(tun.injected, 4)
      assert.deepEqual([...tun.errors], [])
    })
  }

  it('is silent, without routes, and has a loose reverse-path filter', (context) => {
    const tun = openTun(context, 'slquiet')
    assert.equal(tun.name, 'slquiet')
    const text = ip('-o addr show dev slquiet')
    assert.match(text, /inet 127\.83\.76\.1\/32 scope host/)
    assert.doesNotMatch(text, /inet6/)
    const [link] = JSON.parse(ip('-j -d link show dev slquiet')) as [
      { ifindex: number; flags: string[]; linkinfo: { info_data: { type: string } } },
    ]
    assert.equal(link.ifindex, tun.interfaceIndex)
    assert.ok(link.flags.includes('UP') && link.flags.includes('NOARP'), link.flags.join())
    assert.ok(!link.flags.includes('MULTICAST'), link.flags.join())
    assert.equal(link.linkinfo.info_data.type, 'tun')
    assert.doesNotMatch(ip('route show') + ip('-6 route show'), /slquiet/)
    assert.equal(readSysctl('net.ipv4.conf.slquiet.rp_filter'), '2')
  })

  it('counts packets that the kernel refuses', (context) => {
    const tun = openTun(context)
    const bytes = new Uint8Array(4096)
    const memory = { bytes: new DataView(bytes.buffer), address: addressOf(bytes) }
    assert.equal(tun.inject(memory, START, 60), false, 'version 0')
    assert.equal(tun.inject({ ...memory, address: 8 }, START, 60), false, 'no memory of ours')
    assert.deepEqual(
      [...tun.errors],
      [
        ['EINVAL', 1],
        ['EFAULT', 1],
      ],
    )
  })

  it('is gone when closed', () => {
    const tun = Tun.open()
    assert.match(ip('link show'), new RegExp(tun.name))
    tun.close()
    assert.doesNotMatch(ip('link show'), /sluicetun/)
  })
})
