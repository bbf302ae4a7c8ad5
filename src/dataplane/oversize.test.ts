import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { INTERFACE, Laboratory } from '../../tests/goldens/laboratory.ts'
import { wordsToIp } from '../base/ip.ts'
import type { ForwardingMethod } from '../director/model.ts'
import { udpFrame } from '../wire/flow.ts'
import { flow } from './main.ts'
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
