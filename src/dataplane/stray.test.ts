import assert from 'node:assert/strict'
import { it } from 'node:test'
import { DIRECTOR_MAC, Laboratory } from '../../tests/goldens/laboratory.ts'
import { setSysctl } from '../director/sysctls.ts'
import { tcpFrame, udpFrame } from '../wire/flow.ts'
import { parseFrame } from '../wire/frame.ts'
import { TcpFlag } from '../wire/tcp.ts'
import { reasonName } from './reason-text.ts'

const OVER = { destinationMac: DIRECTOR_MAC.server, sourceMac: '02:00:00:00:0b:11' }
const SERVER = { address: '192.168.10.11', port: 8080 }
const KEY = { protocol: 'tcp', address: '10.0.0.100', port: 80 } as const
const SETTINGS = { forwarding: 'masquerade' } as const

function laboratory(): Laboratory {
  const lab = new Laboratory()
  turn(lab, 1)
  lab.addService(KEY)
  lab.addServer(KEY, SERVER, SETTINGS)
  return lab
}

function turn(lab: Laboratory, value: number): void {
  lab.use()
  assert.equal(setSysctl('nat_icmp_send', value), null)
  lab.director.keepNatServers()
}

/** What becomes of a server's segment: the reason, and of an answer who says what about which time to live. */
function send(lab: Laboratory, from: string, to = '10.0.0.10:4000', flags: number = TcpFlag.ack) {
  return told(lab, tcpFrame(from, to, { flags, over: OVER }))
}

function told(lab: Laboratory, frame: Uint8Array): string {
  const { reason, departed } = lab.send('server', frame)
  const name = reasonName(reason)
  if (departed.length === 0) return name
  const { at, bytes } = departed[0]!
  const { destinationMac, ip, icmp, icmpv6 } = parseFrame(bytes)!
  const { type, code } = (icmp ?? icmpv6)!
  const number = ip!.destination.slice(-1)
  assert.deepEqual([at, destinationMac], ['server', `02:00:00:00:0b:1${number}`], name)
  const quoted = bytes[icmp === undefined ? 14 + 40 + 8 + 7 : 14 + 20 + 8 + 8]
  return `${name}: ${ip!.source} > ${ip!.destination} ${type}/${code}, ${quoted}`
}

it('a NAT server that answers to no connection is told so, by the host on its side', () => {
  const lab = laboratory()
  const answer = 'answeredStray: 192.168.10.1 > 192.168.10.11 3/3, 63'
  assert.equal(send(lab, '192.168.10.11:8080'), answer)
  assert.equal(send(lab, '192.168.10.11:8080', '10.0.0.10:4000', TcpFlag.syn), answer)
})

it('only from its address and port and protocol, and never about a reset', () => {
  const lab = laboratory()
  const cases = [
    tcpFrame('192.168.10.11:8081', '10.0.0.10:4000', { flags: TcpFlag.ack, over: OVER }),
    tcpFrame('192.168.10.12:8080', '10.0.0.10:4000', { flags: TcpFlag.ack, over: OVER }),
    udpFrame('192.168.10.11:8080', '10.0.0.10:4000', { over: OVER }),
    tcpFrame('192.168.10.11:8080', '10.0.0.10:4000', { flags: TcpFlag.rst, over: OVER }),
  ]
  for (const frame of cases) assert.equal(told(lab, frame), 'notOurs')
  const last = { flags: TcpFlag.ack, over: { ...OVER, ip: { timeToLive: 1 } } }
  assert.equal(told(lab, tcpFrame('192.168.10.11:8080', '10.0.0.10:4000', last)), 'notOurs')
})

it('also datagrams, and also in IPv6', () => {
  const lab = laboratory()
  const key = { protocol: 'udp', address: '2001:db8:a::100', port: 53 } as const
  lab.addService(key)
  lab.addServer(key, { address: '2001:db8:b::11', port: 53 }, SETTINGS)
  const frame = udpFrame('[2001:db8:b::11]:53', '[2001:db8:a::10]:4000', { over: OVER })
  assert.equal(told(lab, frame), 'answeredStray: 2001:db8:b::1 > 2001:db8:b::11 1/4, 63')
})

it('the destination itself says so, where that is of the host', () => {
  const lab = laboratory()
  const answer = 'answeredStray: 10.0.0.100 > 192.168.10.11 3/3, 64'
  assert.equal(send(lab, '192.168.10.11:8080', '10.0.0.100:80', TcpFlag.syn), answer)
})

it('the switch, edits and removal decide at once', () => {
  const lab = new Laboratory()
  lab.addService(KEY)
  lab.addServer(KEY, SERVER, SETTINGS)
  assert.equal(send(lab, '192.168.10.11:8080'), 'notOurs', 'off')
  turn(lab, 1)
  assert.match(send(lab, '192.168.10.11:8080'), /^answeredStray/, 'on')
  const other = { address: '192.168.10.12', port: 0 }
  lab.addServer(KEY, other, { forwarding: 'direct' })
  lab.addServer(KEY, { ...other, port: 90 }, SETTINGS)
  assert.match(send(lab, '192.168.10.12:90'), /^answeredStray/, 'added')
  assert.equal(lab.director.deleteServer(KEY, { ...other, port: 90 }), null)
  assert.equal(send(lab, '192.168.10.12:90'), 'notOurs', 'removed')
  lab.sleep(1)
  lab.addServer(KEY, { ...other, port: 90 }, SETTINGS)
  assert.match(send(lab, '192.168.10.12:90'), /^answeredStray/, 'added again')
  assert.equal(lab.director.deleteService(KEY), null)
  assert.equal(send(lab, '192.168.10.11:8080'), 'notOurs', 'its service removed')
  turn(lab, 0)
})

it('of many servers with one address and port one must be left', () => {
  const lab = laboratory()
  const keys = Array.from({ length: 40 }, (_, i) => ({ ...KEY, port: 1000 + i }))
  for (const key of keys) {
    lab.addService(key)
    lab.addServer(key, SERVER, SETTINGS)
  }
  assert.equal(lab.director.deleteService(KEY), null)
  for (const key of keys.slice(0, -1)) assert.equal(lab.director.deleteService(key), null)
  lab.sleep(1)
  assert.match(send(lab, '192.168.10.11:8080'), /^answeredStray/)
})
