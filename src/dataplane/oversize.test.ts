import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { INTERFACE, Laboratory } from '../../tests/goldens/laboratory.ts'
import { wordsToIp } from '../base/ip.ts'
import type { ForwardingMethod } from '../director/model.ts'
import { tcpFrame, udpFrame } from '../wire/flow.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { flow } from './main.ts'
import { UNSUMMED } from './oversize.ts'
import { reasonName } from './reason-text.ts'
import { NONE, settings } from './tables.ts'

const CUTTER = 9
const VIP = { protocol: 'udp', address: '10.0.0.100', port: 53 } as const
const RESOLVED = '192.168.10.11'
const UNRESOLVED = '192.168.10.77'

/** Frames to the VIP are too long for the way to the server, and there is a device to cut them by. */
function narrow(address: string, forwarding: ForwardingMethod, cutter = CUTTER): Laboratory {
  const lab = new Laboratory()
  lab.addService(VIP)
  lab.addServer(VIP, { address, port: 53 }, { forwarding })
  lab.setMtu('server', 600)
  settings.row(0).cutter = cutter
  return lab
}

function send(lab: Laboratory, bytes = 1000, dontFragment = false) {
  const data = 'x'.repeat(bytes)
  const frame = udpFrame('10.0.0.10:4000', '10.0.0.100:53', {
    data,
    over: { ip: { dontFragment } },
  })
  const { reason, departed } = lab.send('client', frame)
  return { reason: reasonName(reason), egress: flow.egress, frame: departed[0]?.bytes }
}

/** What the device's reader finds in the place of the MAC addresses. */
function wayIn(frame: Uint8Array) {
  const view = new DataView(frame.buffer, frame.byteOffset)
  const row = view.getUint32(2)
  return {
    egress: view.getUint16(0) * 0x10000 + view.getUint16(6),
    isKnown: row !== NONE,
    next: wordsToIp(0, 0, 0xffff, view.getUint32(8)),
  }
}

describe('a datagram that is too long for its way', () => {
  const methods: ForwardingMethod[] = ['masquerade', 'direct', 'tunnel']
  for (const method of methods) {
    it(`leaves by the device that cuts, and says where to: ${method}`, () => {
      const { reason, egress, frame } = send(narrow(RESOLVED, method))
      assert.deepEqual([reason, egress], ['toServer', CUTTER])
      const way = { egress: INTERFACE.server, isKnown: true, next: RESOLVED }
      assert.deepEqual(wayIn(frame!), way)
    })
  }

  it('waits there for a neighbour that is not known', () => {
    const { reason, egress } = send(narrow(UNRESOLVED, 'masquerade'))
    assert.deepEqual([reason, egress], ['nextHopUnresolved', CUTTER])
    assert.equal(flow.next3, 0xc0a80a4d)
  })

  it('goes its way where the engine cuts, and where it fits', () => {
    assert.equal(send(narrow(RESOLVED, 'masquerade', 0)).egress, INTERFACE.server)
    assert.equal(send(narrow(UNRESOLVED, 'masquerade', 0)).egress, INTERFACE.server)
    assert.equal(send(narrow(RESOLVED, 'masquerade'), 572).egress, INTERFACE.server)
    assert.equal(send(narrow(RESOLVED, 'masquerade'), 573).egress, CUTTER)
    assert.equal(send(narrow(UNRESOLVED, 'masquerade'), 572).egress, INTERFACE.server)
  })

  it('is dropped, and counted, where nobody cuts', () => {
    for (const server of [RESOLVED, UNRESOLVED]) {
      assert.equal(send(narrow(server, 'masquerade', NONE)).reason, 'tooLong')
    }
  })

  it('is answered, and not cut, if its sender forbids it', () => {
    const { reason, egress } = send(narrow(RESOLVED, 'masquerade'), 1000, true)
    assert.deepEqual([reason, egress], ['answeredTooBig', INTERFACE.client])
  })
})

describe('a large frame for a tunnel with checksums', () => {
  const tunnels = [
    { type: 'gre', port: 0, checksum: 'checksum' },
    { type: 'gue', port: 6080, checksum: 'checksum' },
  ] as const
  const WEB = { protocol: 'tcp', address: '10.0.0.100', port: 80 } as const

  function sendLarge(
    tunnel: (typeof tunnels)[number],
    address: string,
    cutter: number,
    bytes = 3000,
  ) {
    const lab = new Laboratory()
    lab.addService(WEB)
    lab.addServer(WEB, { address, port: 80 }, { forwarding: 'tunnel', tunnel })
    settings.row(0).cutter = cutter
    const connect = tcpFrame('10.0.0.10:4000', '10.0.0.100:80', { flags: TcpFlag.syn })
    lab.send('client', connect)
    const data = 'x'.repeat(bytes)
    const frame = tcpFrame('10.0.0.10:4000', '10.0.0.100:80', { flags: TcpFlag.ack, data })
    const arrival = { segmentSize: 500, hasPartialChecksum: true }
    const { reason, departed } = lab.send('client', frame, arrival)
    return { reason: reasonName(reason), egress: flow.egress, frame: departed[0]?.bytes }
  }

  for (const tunnel of tunnels) {
    for (const bytes of [600, 3000]) {
      it(`leaves by the device, marked: ${tunnel.type}, ${bytes} bytes`, () => {
        const { reason, egress, frame } = sendLarge(tunnel, RESOLVED, CUTTER, bytes)
        assert.deepEqual([reason, egress], ['toServer', CUTTER])
        const way = wayIn(frame!)
        assert.deepEqual(way, {
          egress: UNSUMMED * 0x10000 + INTERFACE.server,
          isKnown: true,
          next: RESOLVED,
        })
      })
    }

    it(`waits there for its neighbour: ${tunnel.type}`, () => {
      const { reason, egress } = sendLarge(tunnel, UNRESOLVED, CUTTER)
      assert.deepEqual([reason, egress], ['nextHopUnresolved', CUTTER])
    })

    it(`goes its way where the engine cuts: ${tunnel.type}`, () => {
      const { reason, egress } = sendLarge(tunnel, RESOLVED, 0)
      assert.deepEqual([reason, egress], ['toServer', INTERFACE.server])
    })

    it(`is dropped, and counted, where nobody cuts: ${tunnel.type}`, () => {
      assert.equal(sendLarge(tunnel, RESOLVED, NONE).reason, 'largeFrame')
    })
  }
})
