import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  DIRECTOR_MAC,
  INTERFACE,
  Laboratory,
  type Arrival,
} from '../../tests/goldens/laboratory.ts'
import { finishSum, layoutOf, setPartialSum } from '../../tests/packets/sums.ts'
import { packetOf } from '../../tests/packets/packet-of.ts'
import { TUNNEL_KINDS, wrap, type TunnelKind } from '../../tests/packets/tunnels.ts'
import { bytesToHex } from '../base/hex.ts'
import { tcpFrame, udpFrame, type Over } from '../wire/flow.ts'
import { SUM_FRAME_MAX } from '../wire/checksum.ts'
import { parseFrame, type IpSpec } from '../wire/frame.ts'
import { printFrame } from '../wire/print.ts'
import { forward } from './main.ts'
import { reasonName } from './reason-text.ts'
import { Switch } from './switch.ts'
import { settings } from './tables.ts'

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

function makeLaboratory(inner: Inner, outer: Outer, { tunnel } = IPIP): Laboratory {
  const lab = new Laboratory()
  for (const protocol of ['tcp', 'udp'] as const) {
    const key = { protocol, address: inner.vip, port: 80 }
    lab.addService(key)
    const server = { address: outer.server, port: 80 }
    lab.addServer(key, server, { forwarding: 'tunnel', tunnel })
  }
  return lab
}

/** Sends one frame, which must leave. */
function send(lab: Laboratory, frame: Uint8Array, arrival: Arrival = {}) {
  const { reason, departed } = lab.send('client', frame, arrival)
  assert.equal(departed.length, 1, reasonName(reason))
  const { bytes } = departed[0]!
  return { bytes, ...parseFrame(bytes)! }
}

const mixtures = [
  ['IPv4 in IPv4', V4, TO_V4],
  ['IPv6 in IPv4', V6, TO_V4],
  ['IPv4 in IPv6', V4, TO_V6],
  ['IPv6 in IPv6', V6, TO_V6],
] as const
const IPIP = TUNNEL_KINDS[0]!
const MACS = { destinationMac: '02:00:00:00:0b:11', sourceMac: DIRECTOR_MAC.server }

/** What leaves must be this packet, in a tunnel of this kind. */
function assertWrapped(
  sent: Uint8Array,
  kind: TunnelKind,
  packet: Uint8Array,
  outer: Outer,
  ip: Partial<IpSpec>,
) {
  const { udp, ip: found } = parseFrame(sent)!
  const identification = found?.version === 4 ? found.identification : 0
  const spec = { source: outer.own, destination: outer.server, identification, ...ip }
  const want = wrap(kind.tunnel, packet, spec, udp?.sourcePort ?? 0, MACS)
  assert.equal(bytesToHex(sent), bytesToHex(want))
}

for (const kind of TUNNEL_KINDS) {
  for (const [name, inner, outer] of mixtures) {
    describe(`${name}, ${kind.name}`, () => {
      const isInner4 = inner === V4
      const isOuter4 = outer === TO_V4
      const headers = outer.bytes + kind.bytes
      const lab = () => makeLaboratory(inner, outer, kind)
      const syn = (over: Over['over'] = {}, bytes = 0) =>
        tcpFrame(inner.client, inner.virtual, {
          flags: 2,
          over,
          data: new Uint8Array(bytes).fill(7),
        })
      const hops = (hops: number, classOf: number) => ({
        ip: { timeToLive: hops, hopLimit: hops, typeOfService: classOf, trafficClass: classOf },
      })

      it('the packet, one hop on, inside one to the server', () => {
        for (const bytes of [0, 1, 99]) {
          const { bytes: sent } = send(lab(), syn(hops(9, 0xb8), bytes))
          const { ip } = hops(8, 0xb8)
          const dontFragment = isInner4
          assertWrapped(sent, kind, syn(hops(8, 0xb8), bytes).subarray(14), outer, {
            ...ip,
            dontFragment,
          })
        }
      })

      it('capable of congestion marks as it was, but not marked', () => {
        const classOf = (inside: number) => {
          const { ip } = send(lab(), syn(hops(9, inside)))
          return ip?.version === 4 ? ip.typeOfService : ip!.trafficClass
        }
        assert.deepEqual([0, 1, 2, 3, 0xfe, 0xff].map(classOf), [0, 1, 2, 2, 0xfe, 0xfe])
      })

      it('the same where its own checksum is wrong, or left to hardware', () => {
        const frame = syn()
        const at = 14 + (isInner4 ? 20 : 40) + 16
        frame[at] = 0x12
        const wanted = syn(hops(63, 0))
        wanted[at] = 0x12
        assertWrapped(send(lab(), frame).bytes, kind, wanted.subarray(14), outer, {
          ...hops(63, 0).ip,
          dontFragment: isInner4,
        })
        const partial = syn({}, 33)
        const layout = layoutOf(partial)
        setPartialSum(partial, layout)
        const sent = send(lab(), partial, { hasPartialChecksum: true }).bytes
        finishSum(sent, layoutOf(sent, 14 + headers))
        assertWrapped(sent, kind, syn(hops(63, 0), 33).subarray(14), outer, {
          ...hops(63, 0).ip,
          dontFragment: isInner4,
        })
      })

      it('as large as the way takes, and not a byte more', () => {
        const room = 1500 - headers - (isInner4 ? 40 : 60)
        assert.equal(send(lab(), syn({}, room)).bytes.length, 1514)
        const { bytes, ip } = send(lab(), syn({}, room + 1))
        assert.equal(ip!.source, inner.vip)
        assert.match(printFrame(bytes), new RegExp(`mtu ${1500 - headers}\\b`))
      })

      it('padding stays behind', () => {
        const frame = syn()
        const padded = new Uint8Array(frame.length + 6)
        padded.set(frame)
        assert.equal(send(lab(), padded).bytes.length, frame.length + headers)
      })

      it('where the outer headers have no room, it is dropped', () => {
        lab()
        const ingress = INTERFACE.client
        assert.equal(reasonName(forward(packetOf(syn(), ingress, headers - 1))), 'noRoom')
        assert.equal(reasonName(forward(packetOf(syn(), ingress, headers))), 'toServer')
      })

      it("DF of an IPv4 packet is the outer one's, while pmtu_disc is on", () => {
        if (!isOuter4) return
        const one = lab()
        const outerOf = (dontFragment: boolean) => {
          const { ip } = send(one, syn({ ip: { dontFragment } }))
          return ip?.version === 4 ? [ip.dontFragment, ip.identification !== 0] : []
        }
        assert.deepEqual(outerOf(true), [isInner4, !isInner4])
        if (isInner4) assert.deepEqual(outerOf(false), [false, true])
        settings.row(0).switches &= ~Switch.pathMtuDiscovery
        assert.deepEqual(outerOf(true), [false, true])
      })

      it('the same flow has the same source port', () => {
        if (kind.tunnel.type !== 'gue') return
        const one = lab()
        const portOf = (frame: Uint8Array) => send(one, frame).udp!.sourcePort
        const port = portOf(syn())
        assert.ok(port >= 0xc000)
        assert.equal(portOf(syn({}, 100)), port)
        assert.notEqual(portOf(udpFrame(inner.client, inner.virtual)), port)
      })
    })
  }
}

describe('a packet that is too large for its tunnel', () => {
  it('goes whatever its size if it is IPv4 without DF, to be cut where it leaves', () => {
    const over = { ip: { dontFragment: false, identification: 5 } }
    const frame = udpFrame(V4.client, V4.virtual, { data: new Uint8Array(1470), over })
    const lengths = (outer: Outer, kind = IPIP) =>
      makeLaboratory(V4, outer, kind)
        .send('client', frame)
        .departed.map(({ bytes }) => bytes.length)
    assert.deepEqual(lengths(TO_V4), [14 + 1500, 14 + 20 + 18])
    assert.deepEqual(lengths(TO_V6), [14 + 1496, 14 + 48 + 50])
    assert.deepEqual(lengths(TO_V6, TUNNEL_KINDS[3]), [14 + 1496, 14 + 48 + 62])
  })

  it('goes with DF, too, while pmtu_disc is off', () => {
    const lab = makeLaboratory(V4, TO_V4)
    settings.row(0).switches &= ~Switch.pathMtuDiscovery
    const frame = udpFrame(V4.client, V4.virtual, { data: new Uint8Array(1472) })
    assert.equal(lab.send('client', frame).departed.length, 2)
  })

  it('IPv6 is asked for no less than 1280 bytes; those go in IPv4 that may be cut', () => {
    const answerTo = (outer: Outer, bytes: number) => {
      const lab = makeLaboratory(V6, outer)
      lab.setMtu('server', 1290)
      const frame = udpFrame(V6.client, V6.virtual, { data: new Uint8Array(bytes - 48) })
      const { reason, departed } = lab.send('client', frame)
      const text = departed.map(
        ({ bytes: sent }) => /mtu \d+/.exec(printFrame(sent))?.[0] ?? sent.length,
      )
      return [reasonName(reason), ...text]
    }
    assert.deepEqual(answerTo(TO_V4, 1281), ['answeredTooBig', 'mtu 1280'])
    assert.deepEqual(answerTo(TO_V4, 1280), ['toServer', 14 + 1284, 14 + 20 + 16])
    assert.deepEqual(answerTo(TO_V6, 1280), ['answeredTooBig', 'mtu 1280'])
    assert.deepEqual(answerTo(TO_V6, 1250), ['toServer', 14 + 1290])
  })

  it('goes if it is a large frame of many segments of which one fits', () => {
    for (const kind of TUNNEL_KINDS) {
      const lab = makeLaboratory(V4, TO_V4, kind)
      const frame = tcpFrame(V4.client, V4.virtual, { flags: 2, data: new Uint8Array(9000) })
      const reasonOf = (segmentSize: number) =>
        reasonName(lab.send('client', frame, { segmentSize, hasPartialChecksum: true }).reason)
      const room = 1500 - 60 - kind.bytes
      assert.deepEqual([reasonOf(room), reasonOf(room + 1)], ['toServer', 'answeredTooBig'])
    }
  })

  it('has no checksum in the tunnel that covers more than can be summed', () => {
    const reasonOf = (kind: TunnelKind, bytes: number) => {
      const lab = makeLaboratory(V4, TO_V4, kind)
      lab.setMtu('server', 65_535)
      const frame = udpFrame(V4.client, V4.virtual, { data: new Uint8Array(bytes - 28) })
      return reasonName(lab.send('client', frame).reason)
    }
    for (const kind of TUNNEL_KINDS) {
      const isSummed = kind.tunnel.checksum !== 'none'
      assert.equal(reasonOf(kind, SUM_FRAME_MAX - 12), 'toServer', kind.name)
      assert.equal(reasonOf(kind, SUM_FRAME_MAX), isSummed ? 'tooBig' : 'toServer', kind.name)
    }
  })
})
