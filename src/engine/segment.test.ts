/**
 * Large frames as a kernel with segmentation offload hands them up: checksums partial. What they are cut into is read
 * back by wire/, whose own tests know other programs' frames.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TUNNEL_KINDS, wrap } from '../../tests/packets/tunnels.ts'
import { noOffloads, VirtioFlag, type FrameOffloads } from '../kernel/packet/virtio-header.ts'
import { checksum, fold, isChecksumRight, pseudoHeaderSum } from '../wire/checksum.ts'
import { parseFrame, type IpLayers } from '../wire/frame.ts'
import { tcpFrame, udpFrame } from '../wire/flow.ts'
import { MORE_FRAGMENTS, OFFSET_MASK } from '../wire/ipv4.ts'
import { fragmentOf } from '../wire/ipv6.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { completeChecksum } from './complete-checksum.ts'
import { fragmentFrame, fragmentIpv6 } from './fragment.ts'
import { finishOuter, segmentFrame } from './segment.ts'

const ETHERNET = 14
const FAMILIES = [
  { family: 4, client: '10.0.0.10', vip: '10.0.0.100', ipBytes: 20 },
  { family: 6, client: '2001:db8::10', vip: '2001:db8::100', ipBytes: 40 },
] as const

function endpoint(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

function payload(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >>> 8)) & 0xff)
}

/** Replaces the transport checksum by what stands there before hardware finishes it. */
function makePartial(frame: Uint8Array, transport: number, isTcp: boolean): FrameOffloads {
  const { ip } = parseFrame(frame)!
  const length = frame.length - transport
  const protocol = isTcp ? Protocol.tcp : Protocol.udp
  const partial = fold(pseudoHeaderSum(ip!.source, ip!.destination, protocol, length))
  const checksumOffset = isTcp ? 16 : 6
  new DataView(frame.buffer).setUint16(transport + checksumOffset, partial)
  const flags = VirtioFlag.needsChecksum
  return { ...noOffloads(), flags, checksumStart: transport, checksumOffset }
}

function assertSound({ ip, tcp, udp }: IpLayers, what: string): void {
  const [protocol, transport] = tcp ? [Protocol.tcp, tcp] : [Protocol.udp, udp]
  assert.ok(transport !== undefined, `${what}: has a transport header`)
  const sum = pseudoHeaderSum(ip.source, ip.destination, protocol, ip.payload.length)
  assert.ok(isChecksumRight(ip.payload, sum), `${what}: its checksum is right`)
  assert.notEqual(transport.checksum, 0, `${what}: it has a checksum`)
}

describe('segments of a large frame', () => {
  for (const { family, client, vip, ipBytes } of FAMILIES) {
    it(`carry a TCP stream on: IPv${family}`, () => {
      const data = payload(10_000)
      const flags = TcpFlag.ack | TcpFlag.psh | TcpFlag.fin | TcpFlag.cwr
      const large = tcpFrame(endpoint(client, 4000), endpoint(vip, 80), {
        flags,
        sequence: 0xfffff000,
        data,
      })
      const transport = ETHERNET + ipBytes
      const offloads = makePartial(large, transport, true)
      const shape = { bytes: large, outerBytes: 0, transport, isTcp: true, segmentSize: 1460 }
      const segments = segmentFrame(shape)
      assert.equal(segments.length, 7)
      let at = 0
      for (const [i, bytes] of segments.entries()) {
        completeChecksum(bytes, offloads, 0)
        const frame = parseFrame(bytes)!
        assertSound(frame as IpLayers, `segment ${i}`)
        const { tcp } = frame
        const isLast: boolean = i === segments.length - 1
        assert.equal(tcp!.sequence, (0xfffff000 + at) >>> 0)
        assert.equal(
          (tcp!.flags & (TcpFlag.fin | TcpFlag.psh)) !== 0,
          isLast,
          'FIN and PSH: the last',
        )
        assert.equal((tcp!.flags & TcpFlag.cwr) !== 0, i === 0, 'CWR: the first')
        assert.deepEqual(tcp!.payload, data.subarray(at, at + 1460))
        at += tcp!.payload.length
      }
      assert.equal(at, data.length)
    })

    it(`are datagrams of their own: UDP over IPv${family}`, () => {
      const data = payload(3000)
      const large = udpFrame(endpoint(client, 4000), endpoint(vip, 53), { data })
      const transport = ETHERNET + ipBytes
      const offloads = makePartial(large, transport, false)
      const shape = { bytes: large, outerBytes: 0, transport, isTcp: false, segmentSize: 1200 }
      const parts = segmentFrame(shape).map((bytes, i) => {
        completeChecksum(bytes, offloads, 0)
        assertSound(parseFrame(bytes) as IpLayers, `datagram ${i}`)
        return parseFrame(bytes)!.udp!.payload
      })
      assert.deepEqual(
        parts.map(({ length }) => length),
        [1200, 1200, 600],
      )
      assert.deepEqual(Buffer.concat(parts), Buffer.from(data))
    })
  }

  for (const kind of TUNNEL_KINDS) {
    for (const { family, client, vip, ipBytes } of FAMILIES) {
      it(`are each a packet in a tunnel, where the large one was: IPv${family}, ${kind.name}`, () => {
        const data = payload(5000)
        const inner = tcpFrame(endpoint(client, 4000), endpoint(vip, 80), { data })
        const offloads = makePartial(inner, ETHERNET + ipBytes, true)
        const outer = { source: '10.0.0.1', destination: '192.168.0.11', dontFragment: false }
        const large = wrap(kind.tunnel, inner.subarray(ETHERNET), outer, 50_000)
        const outerBytes = 20 + kind.bytes
        const transport = ETHERNET + ipBytes + outerBytes
        const shape = { outerBytes, transport, isTcp: true, segmentSize: 1400 }
        const segments = segmentFrame({ ...shape, bytes: large })
        assert.equal(segments.length, 4)
        for (const [i, segment] of segments.entries()) {
          completeChecksum(segment, offloads, outerBytes)
          finishOuter(segment)
          const frame = parseFrame(segment)!
          assert.equal(frame.ip!.destination, '192.168.0.11')
          assertSound(frame.inner!, `segment ${i}`)
          const whole = segment.subarray(ETHERNET + outerBytes)
          const ip = { ...outer, identification: i }
          assert.deepEqual(segment, wrap(kind.tunnel, whole, ip, 50_000), `segment ${i}`)
        }
      })
    }
  }
})

describe('fragments of a frame', () => {
  it('make the packet again, none larger than the way takes', () => {
    const data = payload(4001)
    const frame = udpFrame('10.0.0.10:4000', '10.0.0.100:53', { data })
    const whole = frame.slice(ETHERNET + 20)
    const joined = new Uint8Array(whole.length)
    const fragments = fragmentFrame(frame, 1400)
    for (const [i, bytes] of fragments.entries()) {
      const view = new DataView(bytes.buffer)
      const field = view.getUint16(ETHERNET + 6)
      const isLast = i === fragments.length - 1
      assert.ok(bytes.length - ETHERNET <= 1400)
      assert.equal(view.getUint16(ETHERNET + 2), bytes.length - ETHERNET, 'total length')
      assert.equal((field & MORE_FRAGMENTS) !== 0, !isLast, 'more fragments')
      assert.ok(isChecksumRight(bytes.subarray(ETHERNET, ETHERNET + 20)), 'header checksum')
      joined.set(bytes.subarray(ETHERNET + 20), (field & OFFSET_MASK) * 8)
    }
    assert.equal(fragments.length, 3)
    assert.deepEqual(joined, whole)
  })

  it('of a fragment keep its place', () => {
    const first = fragmentFrame(udpFrame('10.0.0.1:1', '10.0.0.2:2', { data: payload(4000) }), 2900)
    const again = first.flatMap((bytes) => fragmentFrame(bytes, 700))
    const offsets = again.map((bytes) => new DataView(bytes.buffer).getUint16(ETHERNET + 6))
    let expected = 0
    for (const [i, bytes] of again.entries()) {
      assert.equal(offsets[i]! & OFFSET_MASK, expected / 8)
      assert.equal((offsets[i]! & MORE_FRAGMENTS) !== 0, i < again.length - 1)
      expected += bytes.length - ETHERNET - 20
    }
    assert.equal(expected, 4008)
  })
})

describe('fragments of an IPv6 tunnel packet', () => {
  it('make the packet again, none larger than the way takes', () => {
    const inner = udpFrame('10.0.0.10:4000', '10.0.0.100:53', { data: payload(1475) })
    const ip = { source: '2001:db8::1', destination: '2001:db8::11' }
    const frame = wrap(TUNNEL_KINDS[4]!.tunnel, inner.subarray(ETHERNET), ip, 50_000)
    const fragments = fragmentIpv6(frame, 1280, 0xdeadbeef).map((bytes) => parseFrame(bytes)!.ip!)
    const parts = fragments.map((packet) => {
      assert.ok(packet.version === 6 && 40 + 8 + packet.payload.length <= 1280)
      return { ...fragmentOf(packet)!, ...packet }
    })
    assert.deepEqual(
      parts.map(({ offset, moreFragments }) => [offset, moreFragments]),
      [
        [0, true],
        [1232, false],
      ],
    )
    assert.ok(parts.every(({ identification }) => identification === 0xdeadbeef))
    assert.ok(parts.every(({ protocol }) => protocol === Protocol.udp))
    const joined = Buffer.concat(parts.map((part) => part.payload))
    assert.deepEqual(joined, Buffer.from(frame.subarray(ETHERNET + 40)))
  })
})

describe('a checksum finished here', () => {
  it('is never zero for UDP, where that would say there is none', () => {
    // The last two bytes are chosen so that the sum of all is 0xffff.
    const frame = udpFrame('10.0.0.1:1', '10.0.0.2:2', { data: new Uint8Array(2) })
    const view = new DataView(frame.buffer)
    view.setUint16(ETHERNET + 26, 0)
    const sum = pseudoHeaderSum('10.0.0.1', '10.0.0.2', Protocol.udp, 10)
    view.setUint16(ETHERNET + 28, checksum(frame.subarray(ETHERNET + 20), sum))
    const offloads = makePartial(frame, ETHERNET + 20, false)
    completeChecksum(frame, offloads, 0)
    assert.equal(view.getUint16(ETHERNET + 26), 0xffff)
  })
})
