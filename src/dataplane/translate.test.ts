import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import { frameOf, packetOf } from '../../tests/packets/packet-of.ts'
import { bytesToHex } from '../base/hex.ts'
import { familyOf, ipToWords } from '../base/ip.ts'
import { fold, pseudoHeaderSum } from '../wire/checksum.ts'
import { endpoint, tcpFrame, udpFrame, type Over } from '../wire/flow.ts'
import { Protocol } from '../wire/ip-protocol.ts'
import { fragmentExtension } from '../wire/ipv6.ts'
import { clearFlow, Flow } from './flow.ts'
import { PARSED, parse } from './parse.ts'
import { countHop, translate, Tuple } from './translate.ts'

new Laboratory()
const flow = Flow.local()

/** What `translate` makes of a frame; its flow shall be `from` → `to`. */
function translated(frame: Uint8Array, from: string, to: string, isPartial = false): string {
  const tuple = Tuple.local()
  const [source, destination] = [endpoint(from), endpoint(to)]
  ;[tuple.source0, tuple.source1, tuple.source2, tuple.source3] = ipToWords(source.ip)
  const words = ipToWords(destination.ip)
  ;[tuple.destination0, tuple.destination1, tuple.destination2, tuple.destination3] = words
  tuple.sourcePort = source.port
  tuple.destinationPort = destination.port
  const packet = packetOf(frame)
  packet.hasPartialChecksum = isPartial
  clearFlow(flow)
  assert.equal(parse(packet, flow), PARSED)
  translate(packet, flow, tuple)
  return bytesToHex(frameOf(packet))
}

type Make = (from: string, to: string, over: NonNullable<Over['over']>) => Uint8Array

const data = new Uint8Array(17).fill(0xa5)
const makers: Readonly<Record<string, Make>> = {
  TCP: (from, to, over) => tcpFrame(from, to, { data, over }),
  UDP: (from, to, over) => udpFrame(from, to, { data, over }),
  'UDP without a checksum, which it gets': (from, to, over) =>
    udpFrame(from, to, { data, checksum: 0, over }),
  'TCP with a wrong checksum': (from, to, over) => {
    const frame = tcpFrame(from, to, { data, over })
    frame[frame.length - 1]! ^= 0xff
    return frame
  },
  'TCP with a partial checksum': (from, to, over) => {
    const [a, b] = [endpoint(from).ip, endpoint(to).ip]
    const checksum = fold(pseudoHeaderSum(a, b, Protocol.tcp, 20 + data.length))
    return tcpFrame(from, to, { data, checksum, over })
  },
  'UDP with a partial checksum': (from, to, over) => {
    const [a, b] = [endpoint(from).ip, endpoint(to).ip]
    const checksum = fold(pseudoHeaderSum(a, b, Protocol.udp, 8 + data.length))
    return udpFrame(from, to, { data, checksum, over })
  },
}

const flows = [
  ['10.0.0.10:4000', '10.0.0.100:80', '10.0.0.10:4000', '192.168.10.11:8080'],
  ['10.0.0.10:4000', '10.0.0.100:80', '192.168.10.200:5000', '192.168.10.11:8080'],
  ['0.0.0.1:0', '255.255.255.254:65535', '255.255.0.0:65535', '0.0.255.255:0'],
  ['[2001:db8:a::10]:4000', '[::2]:80', '[2001:db8:b::c8]:5000', '[2001:db8:b::11]:8080'],
] as const

for (const [name, make] of Object.entries(makers)) {
  it(`${name}: as if it had been made so`, () => {
    for (const [from, to, newFrom, newTo] of flows) {
      const before = make(from, to, { ip: { timeToLive: 64, hopLimit: 64 } })
      const makeAfter = name.startsWith('UDP without') ? makers.UDP! : make
      const after = makeAfter(newFrom, newTo, { ip: { timeToLive: 63, hopLimit: 63 } })
      const isPartial = name.includes('partial')
      assert.equal(
        translated(before, newFrom, newTo, isPartial),
        bytesToHex(after),
        `${from} ${to}`,
      )
    }
  })
}

it('a UDP checksum never becomes 0, "none"', () => {
  const [from, to] = ['10.0.0.10:4000', '10.0.0.100:80']
  const [newFrom, newTo] = ['10.0.0.10:4000', '192.168.10.11:8080']
  // The two bytes of payload that make the sum after translation come out as 0.
  const sum = udpFrame(newFrom, newTo, { data: Uint8Array.of(0, 0) })
  const payload = sum.slice(40, 42)
  const before = udpFrame(from, to, { data: payload })
  const hex = translated(before, newFrom, newTo)
  assert.equal(hex.slice(80, 84), 'ffff')
})

it('later fragments have addresses only', () => {
  const fragment = { ip: { moreFragments: true, fragmentOffset: 1480, dontFragment: false } }
  const make = (from: string, to: string, timeToLive: number) =>
    udpFrame(from, to, { data, checksum: 7, over: { ip: { ...fragment.ip, timeToLive } } })
  const ports = '10.0.0.100:80'
  const want = make('10.0.0.10:4000', '192.168.10.11:80', 63)
  const got = translated(make('10.0.0.10:4000', ports, 64), '10.0.0.10:1', '192.168.10.11:2')
  assert.equal(got, bytesToHex(want))
  const extensions = [fragmentExtension({ offset: 1480, moreFragments: true, identification: 9 })]
  const make6 = (to: string, hopLimit: number) =>
    udpFrame('[::1]:4000', to, { data, checksum: 7, over: { ip: { hopLimit, extensions } } })
  const got6 = translated(make6('[::2]:80', 64), '[::1]:1', '[::3]:2')
  assert.equal(got6, bytesToHex(make6('[::3]:80', 63)))
})

it('a hop more changes time to live and header checksum', () => {
  for (const [from, to] of flows) {
    for (const [was, is] of [
      [64, 63],
      [2, 1],
      [255, 254],
      [1, 0],
    ] as const) {
      const make = (time: number) =>
        tcpFrame(from, to, { over: { ip: { timeToLive: time & 0xff, hopLimit: time & 0xff } } })
      const packet = packetOf(make(was))
      clearFlow(flow)
      assert.equal(parse(packet, flow), PARSED)
      countHop(packet, flow)
      assert.equal(
        bytesToHex(frameOf(packet)),
        bytesToHex(make(is)),
        `${familyOf(endpoint(from).ip)}`,
      )
    }
  }
})
