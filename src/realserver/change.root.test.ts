import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { after, before, describe, it } from 'node:test'
import { addVeth, enterOwnNetwork, ip, notRoot, until } from '../../tests/kernel/own-network.ts'
import type { Link } from '../../tests/kernel/own-network.ts'
import { addressOf } from '../kernel/ffi.ts'
import type { NetlinkSocket } from '../kernel/netlink/netlink.ts'
import { PacketSocket } from '../kernel/packet/packet-socket.ts'
import { openRtnetlink } from '../kernel/netlink/rtnetlink.ts'
import { readSysctl, writeSysctl } from '../kernel/sysctl.ts'
import { VIRTIO_HEADER_SIZE } from '../kernel/packet/virtio-header.ts'
import { bytesToMac, macToBytes } from '../base/mac.ts'
import { ArpOperation } from '../wire/arp.ts'
import { EtherType } from '../wire/ethernet.ts'
import { emitFrame, parseFrame, type Frame } from '../wire/frame.ts'
import { Icmpv6Type } from '../wire/icmpv6.ts'
import { NdpOptionType } from '../wire/ndp.ts'
import { isInForce, makeChange, undoChange, type Change } from './change.ts'

const VIP = '10.93.0.100'
const VIP6 = '2001:db8:93::100'
const ignore: Change = {
  kind: 'setting',
  name: 'net.ipv4.conf.slreal.arp_ignore',
  before: '0',
  after: '1',
}

const announce: Change = {
  kind: 'setting',
  name: 'net.ipv4.conf.slreal.arp_announce',
  before: '0',
  after: '2',
}

describe('a change', { skip: notRoot }, () => {
  let far: Link
  let netlink: NetlinkSocket

  before(() => {
    enterOwnNetwork()
    ;[, far] = addVeth('slreal', 'slfar')
    ip('addr add 10.93.0.1/24 dev slreal')
    ip('addr add 2001:db8:93::1/64 dev slreal nodad')
    netlink = openRtnetlink()
  })
  after(() => netlink.close())

  /** Who has it, asked from the far end of the cable? The own address, asked last, says when to stop waiting. */
  async function isAnswered(address: string): Promise<boolean> {
    const socket = PacketSocket.open(far.index, { slots: 15 })
    const answered = new Set<string>()
    try {
      const own = address.includes(':') ? '2001:db8:93::1' : '10.93.0.1'
      for (const target of [address, own]) ask(socket, bytesToMac(far.mac), target)
      await until('the own address is answered', () => {
        for (const frame of takeFrames(socket)) answered.add(answeredIn(frame) ?? '')
        return answered.has(own)
      })
    } finally {
      socket.close()
    }
    return answered.has(address)
  }

  it('keeps the VIP from being answered by ARP, and can be undone', async () => {
    const address: Change = { kind: 'address', ip: VIP }
    makeChange(address, netlink)
    assert.ok(isInForce(address, netlink))
    assert.equal(await isAnswered(VIP), true, 'without the setting, Linux answers')
    makeChange(ignore, netlink)
    assert.equal(await isAnswered(VIP), false)
    assert.equal(undoChange(ignore, netlink), true)
    assert.equal(await isAnswered(VIP), true)
    assert.equal(undoChange(address, netlink), true)
    assert.equal(await isAnswered(VIP), false)
    assert.doesNotMatch(ip('addr show'), new RegExp(VIP))
  })

  it('keeps questions of the VIP’s own from teaching others its station', async (context) => {
    const socket = PacketSocket.open(far.index, { slots: 15 })
    context.after(() => socket.close())
    const address: Change = { kind: 'address', ip: VIP }
    makeChange(address, netlink)
    assert.equal(await askerOf(socket, '10.93.0.7'), VIP, 'without the setting, Linux tells')
    makeChange(announce, netlink)
    assert.equal(await askerOf(socket, '10.93.0.8'), '10.93.0.1')
    undoChange(announce, netlink)
    undoChange(address, netlink)
  })

  it('of an IPv6 VIP on lo needs no setting: it is not solicited with success', async () => {
    const address: Change = { kind: 'address', ip: VIP6 }
    makeChange(address, netlink)
    assert.match(ip('-6 addr show dev lo'), /2001:db8:93::100\/128/)
    assert.equal(await isAnswered(VIP6), false)
    undoChange(address, netlink)
    ip(`addr add ${VIP6}/128 dev slreal nodad`)
    assert.equal(await isAnswered(VIP6), true, 'on the interface itself it is')
    ip(`addr del ${VIP6}/128 dev slreal`)
  })

  it('gives this host’s own connections no other source, if it has one', () => {
    makeChange({ kind: 'address', ip: VIP }, netlink)
    makeChange({ kind: 'address', ip: VIP6 }, netlink)
    ip('addr del 10.93.0.1/24 dev slreal')
    ip('route add 10.93.0.0/24 dev slreal')
    assert.doesNotMatch(ip('route get 10.93.0.9'), new RegExp(`src ${VIP}`))
    assert.match(ip('-6 route get 2001:db8:93::9'), /src 2001:db8:93::1 /)
    ip('addr del 2001:db8:93::1/64 dev slreal')
    ip('-6 route add 2001:db8:93::/64 dev slreal')
    assert.match(
      ip('-6 route get 2001:db8:93::9'),
      /src 2001:db8:93::100 /,
      'IPv6 knows no host scope',
    )
    ip('-6 route del 2001:db8:93::/64 dev slreal')
    ip('addr add 2001:db8:93::1/64 dev slreal nodad')
    ip('route del 10.93.0.0/24 dev slreal')
    ip('addr add 10.93.0.1/24 dev slreal')
    undoChange({ kind: 'address', ip: VIP }, netlink)
    undoChange({ kind: 'address', ip: VIP6 }, netlink)
  })

  it('is not undone where somebody else changed it since', () => {
    makeChange(ignore, netlink)
    writeSysctl('net.ipv4.conf.slreal.arp_ignore', '2')
    assert.equal(undoChange(ignore, netlink), false)
    assert.equal(readSysctl('net.ipv4.conf.slreal.arp_ignore'), '2')
    writeSysctl('net.ipv4.conf.slreal.arp_ignore', '0')
    assert.equal(undoChange({ kind: 'address', ip: VIP }, netlink), false)
    const gone = { ...ignore, name: 'net.ipv4.conf.slgone.arp_ignore' }
    assert.equal(undoChange(gone, netlink), false)
  })
})

/** Has the VIP send something to `neighbour`; as whom is asked for its station? */
async function askerOf(socket: PacketSocket, neighbour: string): Promise<string | undefined> {
  const sender = createSocket('udp4').bind({ address: VIP })
  sender.send('hello', 9, neighbour)
  let asker: string | undefined
  try {
    await until('the neighbour is asked for', () => {
      const asked = takeFrames(socket).find(({ arp }) => arp?.targetIp === neighbour)
      asker = asked?.arp?.senderIp
      return asked !== undefined
    })
  } finally {
    sender.close()
  }
  return asker
}

/** What has come, of what can be read. */
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

/** Sends an ARP request, or a neighbour solicitation, that only `target` may answer. */
function ask(socket: PacketSocket, mac: string, target: string): void {
  const frame = target.includes(':') ? solicitation(mac, target) : arpRequest(mac, target)
  const bytes = new Uint8Array(4096) // large: small arrays may be moved
  bytes.set(frame, VIRTIO_HEADER_SIZE)
  const memory = { bytes: new DataView(bytes.buffer), address: addressOf(bytes) }
  socket.send(memory, VIRTIO_HEADER_SIZE, frame.length)
  socket.flush()
}

function arpRequest(mac: string, target: string): Uint8Array {
  return emitFrame({
    sourceMac: mac,
    destinationMac: 'ff:ff:ff:ff:ff:ff',
    type: EtherType.arp,
    arp: {
      operation: ArpOperation.request,
      senderMac: mac,
      senderIp: '10.93.0.9',
      targetMac: '00:00:00:00:00:00',
      targetIp: target,
    },
  })
}

function solicitation(mac: string, target: string): Uint8Array {
  return emitFrame({
    sourceMac: mac,
    // All nodes: whoever has the target listens there.
    destinationMac: '33:33:00:00:00:01',
    ip: { source: '2001:db8:93::9', destination: 'ff02::1', hopLimit: 255 },
    ndp: {
      type: Icmpv6Type.neighbourSolicitation,
      flags: 0,
      target,
      options: [{ type: NdpOptionType.sourceLinkLayer, data: macToBytes(mac) }],
    },
  })
}

/** Whose station a frame tells. */
function answeredIn(frame: Frame): string | undefined {
  if (frame.arp?.operation === ArpOperation.reply) return frame.arp.senderIp
  if (frame.ndp?.type === Icmpv6Type.neighbourAdvertisement) return frame.ndp.target
  return undefined
}
