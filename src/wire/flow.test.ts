import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesToHex } from '../base/hex.ts'
import { goldenFrame } from '../../tests/packets/golden-frames.ts'
import { echoFrame, endpoint, icmpErrorFrame, sctpFrame, tcpFrame, udpFrame } from './flow.ts'
import { IcmpType, IcmpUnreachable } from './icmp.ts'
import { Icmpv6Type } from './icmpv6.ts'
import { SctpChunkType } from './sctp.ts'
import { TcpFlag } from './tcp.ts'
import type { TcpOption } from './tcp.ts'

const CLIENT = '10.0.0.10'
const VIP = '10.0.0.100'
const CLIENT6 = '2001:db8:a::10'
const VIP6 = '2001:db8:a::100'
const over = { ip: { identification: 4660 } }

function assertSame(got: Uint8Array, name: string): void {
  assert.equal(bytesToHex(got), bytesToHex(goldenFrame(name)), name)
}

test('TCP: what scapy makes of the same words', () => {
  const options: TcpOption[] = [
    { type: 'mss', size: 1460 },
    { type: 'sackPermitted' },
    { type: 'timestamps', value: 1, echo: 0 },
    { type: 'nop' },
    { type: 'windowScale', shift: 7 },
  ]
  const syn = { over, flags: TcpFlag.syn, sequence: 1000, options }
  assertSame(tcpFrame(`${CLIENT}:40000`, `${VIP}:8000`, syn), 'tcp4-syn-options')
  const push = { flags: TcpFlag.psh | TcpFlag.ack, sequence: 1001, acknowledgement: 5001 }
  const data = 'GET / HTTP/1.0\r\n\r'
  const segment = { over, ...push, window: 502, data }
  assertSame(tcpFrame(`${CLIENT}:40000`, `${VIP}:8000`, segment), 'tcp4-data-odd')
  const options6: TcpOption[] = [
    { type: 'mss', size: 1440 },
    { type: 'nop' },
    { type: 'windowScale', shift: 7 },
  ]
  const syn6 = { flags: TcpFlag.syn, sequence: 1000, window: 64_800, options: options6 }
  assertSame(tcpFrame(`[${CLIENT6}]:40000`, `[${VIP6}]:8000`, syn6), 'tcp6-syn')
})

test('UDP, SCTP, echo', () => {
  const tagged = { over: { ip: { identification: 1, typeOfService: 0xb8, timeToLive: 1 } } }
  const notDf = { over: { ip: { ...tagged.over.ip, dontFragment: false } }, data: 'datagram' }
  assertSame(udpFrame(`${CLIENT}:5000`, `${VIP}:6000`, notDf), 'udp4')
  const none = { over, data: 'datagram', checksum: 0 }
  assertSame(udpFrame(`${CLIENT}:5000`, `${VIP}:6000`, none), 'udp4-no-checksum')
  assertSame(udpFrame(`[${CLIENT6}]:5000`, `[${VIP6}]:6000`, { data: 'datagram' }), 'udp6')

  const value = goldenFrame('sctp4-init').subarray(50)
  const chunks = [{ type: SctpChunkType.init, flags: 0, value }]
  assertSame(sctpFrame(`${CLIENT}:36412`, `${VIP}:8000`, { over, chunks }), 'sctp4-init')

  const ping = { over, identifier: 77, sequence: 3, data: 'p'.repeat(56) }
  assertSame(echoFrame(CLIENT, VIP, ping), 'icmp4-echo')
  assertSame(echoFrame(CLIENT, VIP, { ...ping, data: 'odd', isReply: true }), 'icmp4-reply')
  assertSame(echoFrame(CLIENT6, VIP6, { ...ping, over: {}, data: 'ping6' }), 'icmp6-echo')
})

test('ICMP errors of both families', () => {
  const quoted = goldenFrame('icmp4-frag-needed').subarray(42)
  const needed = { type: IcmpType.unreachable, code: IcmpUnreachable.fragmentationNeeded }
  const error = { over, ...needed, rest: 1480, quoted }
  assertSame(icmpErrorFrame(CLIENT, VIP, error), 'icmp4-frag-needed')
  const quoted6 = goldenFrame('icmp6-too-big').subarray(62)
  const tooBig = { type: Icmpv6Type.packetTooBig, rest: 1460, quoted: quoted6 }
  assertSame(icmpErrorFrame(CLIENT6, VIP6, tooBig), 'icmp6-too-big')
})

test('tags and MAC addresses below', () => {
  const below = {
    vlans: [{ id: 4094, priority: 7, dropEligible: true }],
    sourceMac: '02:00:00:00:0a:01',
    destinationMac: '02:00:00:00:0a:02',
    ip: { identification: 4660 },
  }
  const syn = { over: below, flags: TcpFlag.syn, sequence: 1000 }
  assertSame(tcpFrame(`${CLIENT}:40000`, `${VIP}:8000`, syn), 'vlan-tcp')
})

test('endpoints', () => {
  assert.deepEqual(endpoint('10.0.0.1:80'), { ip: '10.0.0.1', port: 80 })
  assert.deepEqual(endpoint('[2001:DB8::1]:65535'), { ip: '2001:db8::1', port: 65535 })
  assert.deepEqual(endpoint('2001:db8::1'), { ip: '2001:db8::1', port: 0 })
  assert.deepEqual(endpoint('10.0.0.1'), { ip: '10.0.0.1', port: 0 })
  for (const text of ['10.0.0.1:65536', ':80', '[]:80', '10.0.0.1:', 'www:80']) {
    assert.throws(() => endpoint(text), /is no endpoint/, text)
  }
})
