import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { INTERFACE, Laboratory } from '../../tests/goldens/laboratory.ts'
import { packetOf } from '../../tests/packets/packet-of.ts'
import { isHeaderRight, isTransportRight, layoutOf } from '../../tests/packets/sums.ts'
import { bytesToHex } from '../base/hex.ts'
import { tcpFrame, udpFrame, type Over } from '../wire/flow.ts'
import { parseFrame } from '../wire/frame.ts'
import { printFrame } from '../wire/print.ts'
import { forward } from './main.ts'
import { reasonName } from './reason-text.ts'
import { settings, Switch } from './tables.ts'

const V4 = { client: '10.0.0.10:4000', vip: '10.0.0.100', virtual: '10.0.0.100:80' }
const V6 = {
  client: '[2001:db8:a::10]:4000',
  vip: '2001:db8:a::100',
  virtual: '[2001:db8:a::100]:80',
}
const TO_V4 = { own: '192.168.10.1', server: '192.168.10.11', bytes: 20 }
const TO_V6 = { own: '2001:db8:b::1', server: '2001:db8:b::11', bytes: 40 }
type Inner = typeof V4
type Outer = typeof TO_V4

function makeLaboratory(inner: Inner, outer: Outer): Laboratory {
  const lab = new Laboratory()
  for (const protocol of ['tcp', 'udp'] as const) {
    const key = { protocol, address: inner.vip, port: 80 }
    lab.addService(key)
    lab.addServer(key, { address: outer.server, port: 80 }, { forwarding: 'tunnel' })
  }
  return lab
}

/** Sends one frame, which must leave. */
function send(lab: Laboratory, frame: Uint8Array) {
  const { reason, departed } = lab.send('client', frame)
  assert.equal(departed.length, 1, reasonName(reason))
  const { bytes } = departed[0]!
  return { bytes, ...parseFrame(bytes)! }
}

const mixtures = [
  ['IPv4 in IPv4', V4, TO_V4, 4],
  ['IPv6 in IPv4', V6, TO_V4, 41],
  ['IPv4 in IPv6', V4, TO_V6, 4],
  ['IPv6 in IPv6', V6, TO_V6, 41],
] as const

for (const [name, inner, outer, protocol] of mixtures) {
  describe(name, () => {
    const isInner4 = inner === V4
    const isOuter4 = outer === TO_V4
    const syn = (over: Over['over'] = {}, bytes = 0) =>
      tcpFrame(inner.client, inner.virtual, { flags: 2, over, data: new Uint8Array(bytes) })

    it('the packet, one hop on, inside one to the server', () => {
      const over = { ip: { timeToLive: 9, hopLimit: 9, typeOfService: 0xb8, trafficClass: 0xb8 } }
      const { bytes, ip, destinationMac } = send(makeLaboratory(inner, outer), syn(over))
      assert.deepEqual([ip!.source, ip!.destination], [outer.own, outer.server])
      assert.equal(ip!.protocol, protocol)
      assert.equal(destinationMac, '02:00:00:00:0b:11')
      if (ip?.version === 4) assert.deepEqual([ip.timeToLive, ip.typeOfService], [8, 0xb8])
      else assert.deepEqual([ip!.hopLimit, ip!.trafficClass], [8, 0xb8])
      const hops = { ip: { ...over.ip, timeToLive: 8, hopLimit: 8 } }
      assert.equal(bytesToHex(ip!.payload), bytesToHex(syn(hops).subarray(14)))
      assert.ok(isHeaderRight(bytes, layoutOf(bytes)))
      assert.ok(isTransportRight(bytes, layoutOf(bytes, 14 + outer.bytes)))
    })

    it('as large as the way takes, and not a byte more', () => {
      const lab = makeLaboratory(inner, outer)
      const room = 1500 - outer.bytes - (isInner4 ? 40 : 60)
      assert.equal(send(lab, syn({}, room)).bytes.length, 1514)
      const { bytes, ip } = send(lab, syn({}, room + 1))
      assert.equal(ip!.source, inner.vip)
      assert.match(printFrame(bytes), new RegExp(`mtu ${1500 - outer.bytes}\\b`))
    })

    it('padding stays behind', () => {
      const frame = syn()
      const padded = new Uint8Array(frame.length + 6)
      padded.set(frame)
      const lab = makeLaboratory(inner, outer)
      assert.equal(send(lab, padded).bytes.length, frame.length + outer.bytes)
    })

    it('where the outer header has no room, it is dropped', () => {
      makeLaboratory(inner, outer)
      const [enough, ingress] = [outer.bytes, INTERFACE.client]
      assert.equal(reasonName(forward(packetOf(syn(), ingress, enough - 1))), 'noRoom')
      assert.equal(reasonName(forward(packetOf(syn(), ingress, enough))), 'toServer')
    })

    it("DF of the inner packet is the outer one's, while pmtu_disc is on", () => {
      if (!isOuter4) return
      const lab = makeLaboratory(inner, outer)
      const outerOf = (dontFragment: boolean) => {
        const { ip } = send(lab, syn({ ip: { dontFragment } }))
        return ip?.version === 4 ? [ip.dontFragment, ip.identification !== 0] : []
      }
      assert.deepEqual(outerOf(true), [true, false])
      if (isInner4) assert.deepEqual(outerOf(false), [false, true])
      settings.row(0).switches &= ~Switch.pathMtuDiscovery
      assert.deepEqual(outerOf(true), [false, true])
    })
  })
}

it('an IPv4 packet without DF goes in whatever its size, to be cut where it leaves', () => {
  const lab = makeLaboratory(V4, TO_V4)
  const over = { ip: { dontFragment: false, identification: 5 } }
  const frame = udpFrame(V4.client, V4.virtual, { data: new Uint8Array(1470), over })
  const { departed } = lab.send('client', frame)
  assert.deepEqual(
    departed.map(({ bytes }) => bytes.length),
    [14 + 1500, 14 + 20 + 18],
  )
})

it('a large frame of many segments goes if one of them fits', () => {
  const lab = makeLaboratory(V4, TO_V4)
  const frame = tcpFrame(V4.client, V4.virtual, { flags: 2, data: new Uint8Array(9000) })
  const reasonOf = (segmentSize: number) =>
    reasonName(lab.send('client', frame, { segmentSize, hasPartialChecksum: true }).reason)
  assert.deepEqual([reasonOf(1440), reasonOf(1441)], ['toServer', 'answeredTooBig'])
})
