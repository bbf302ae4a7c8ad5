import assert from 'node:assert/strict'
import { it } from 'node:test'
import { INTERFACE, Laboratory } from '../../tests/goldens/laboratory.ts'
import { packetOf } from '../../tests/packets/packet-of.ts'
import { wordsToIp } from '../base/ip.ts'
import type { ForwardingMethod } from '../director/model.ts'
import { tcpFrame, udpFrame } from '../wire/flow.ts'
import { parseFrame } from '../wire/frame.ts'
import { clearFlow, Flow } from './flow.ts'
import { flow } from './main.ts'
import { sizeOnWire } from './oversize.ts'
import { parse } from './parse.ts'
import { reasonName } from './reason-text.ts'

const key = { protocol: 'tcp', address: '10.0.0.100', port: 80 } as const
const SYN = tcpFrame('10.0.0.10:4000', '10.0.0.100:80', { flags: 2 })
const [NEW_MAC, OTHER_MAC] = ['02:00:00:00:0b:77', '02:00:00:00:0b:78']

function laboratoryTo(address: string, forwarding: ForwardingMethod = 'masquerade'): Laboratory {
  const lab = new Laboratory()
  lab.addService(key)
  lab.addServer(key, { address, port: 80 }, { forwarding })
  return lab
}

function send(lab: Laboratory, frame = SYN) {
  const { reason, departed } = lab.send('client', frame)
  const next = wordsToIp(flow.next0, flow.next1, flow.next2, flow.next3)
  const mac = departed[0] === undefined ? undefined : parseFrame(departed[0].bytes)!.destinationMac
  return { reason: reasonName(reason), next, mac, egress: flow.egress }
}

it('a neighbour not known yet: held, and told whom to resolve where', () => {
  const lab = laboratoryTo('192.168.10.77')
  const { reason, next, egress } = send(lab)
  assert.deepEqual([reason, next, egress], ['nextHopUnresolved', '192.168.10.77', INTERFACE.server])
  const neighbour = { interfaceIndex: INTERFACE.server, ip: '192.168.10.77' }
  lab.hops.changeNeighbour({ ...neighbour, mac: NEW_MAC, state: 'reachable' })
  assert.deepEqual([send(lab).reason, send(lab).mac], ['toServer', NEW_MAC])
  lab.hops.changeNeighbour({ ...neighbour, mac: OTHER_MAC, state: 'stale' })
  assert.equal(send(lab).mac, OTHER_MAC)
  lab.hops.removeNeighbour(neighbour)
  assert.equal(send(lab).reason, 'nextHopUnresolved')
})

it('through a gateway: its MAC address, and the packet for the server', () => {
  const lab = laboratoryTo('203.0.113.5')
  const { reason, next, mac } = send(lab)
  assert.deepEqual([reason, next, mac], ['toServer', '10.0.0.2', '02:00:00:00:0a:01'])
})

it('a DR server behind a gateway: the gateway gets the packet as it is', () => {
  const { reason, next, mac } = send(laboratoryTo('203.0.113.5', 'direct'))
  assert.deepEqual([reason, next, mac], ['toServer', '10.0.0.2', '02:00:00:00:0a:01'])
})

it('no route', () => {
  const lab = laboratoryTo('192.168.10.11')
  lab.hops.apply({ routes: [] })
  assert.equal(send(lab).reason, 'answeredNoRoute')
})

it('a real server that is the director itself: the host gets the packet, if it need not be changed', () => {
  assert.equal(send(laboratoryTo('192.168.10.1', 'direct')).reason, 'localServer')
  assert.equal(send(laboratoryTo('192.168.10.1', 'tunnel')).reason, 'localServer')
  assert.equal(send(laboratoryTo('10.0.0.100')).reason, 'localServer')
  assert.equal(send(laboratoryTo('192.168.10.1')).reason, 'localPort')
})

it('a packet counts as large as its segments will be', () => {
  const own = Flow.local()
  const measure = (frame: Uint8Array, segmentSize: number) => {
    const packet = packetOf(frame)
    clearFlow(own)
    parse(packet, own)
    packet.segmentSize = segmentSize
    return sizeOnWire(packet, own)
  }
  const data = new Uint8Array(9000)
  const options = [{ type: 'timestamps', value: 1, echo: 2 }] as const
  assert.equal(measure(tcpFrame('10.0.0.1:1', '10.0.0.2:2', { data }), 0), 9040)
  assert.equal(measure(tcpFrame('10.0.0.1:1', '10.0.0.2:2', { data }), 1460), 1500)
  assert.equal(measure(tcpFrame('10.0.0.1:1', '10.0.0.2:2', { data, options }), 1448), 1500)
  assert.equal(measure(tcpFrame('[::1]:1', '[::2]:2', { data }), 1440), 1500)
  assert.equal(measure(udpFrame('10.0.0.1:1', '10.0.0.2:2', { data }), 1000), 1028)
})
