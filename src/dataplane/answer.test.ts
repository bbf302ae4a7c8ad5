import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { INTERFACE, Laboratory } from '../../tests/goldens/laboratory.ts'
import { recordedFrames } from '../../tests/packets/golden-frames.ts'
import { packetOf } from '../../tests/packets/packet-of.ts'
import { isHeaderRight, isTransportRight, layoutOf } from '../../tests/packets/sums.ts'
import { bytesToHex } from '../base/hex.ts'
import type { ForwardingMethod } from '../director/model.ts'
import { icmpErrorFrame, tcpFrame, udpFrame, type Over } from '../wire/flow.ts'
import { parseFrame } from '../wire/frame.ts'
import { printFrame } from '../wire/print.ts'
import { forward } from './main.ts'
import { reasonName } from './reason-text.ts'

const PAIRS = [
  ['10.0.0.100', '192.168.10.11'],
  ['2001:db8:a::100', '2001:db8:b::11'],
] as const

/** TCP and UDP services: port 80 with a server, port 81 without. */
function makeLaboratory(forwarding: ForwardingMethod, icmpPerSecond = 0): Laboratory {
  const lab = new Laboratory({ icmpPerSecond })
  for (const [address, server] of PAIRS) {
    for (const protocol of ['tcp', 'udp'] as const) {
      const key = { protocol, address, port: 80 }
      lab.addService(key)
      lab.addServer(key, { address: server, port: 80 }, { forwarding })
      lab.addService({ ...key, port: 81 })
    }
  }
  return lab
}

function send(lab: Laboratory, frame: Uint8Array) {
  const { reason, departed } = lab.send('client', frame)
  return { reason: reasonName(reason), departed }
}

const dead: Over['over'] = { ip: { timeToLive: 1, hopLimit: 1 } }
const data = new Uint8Array(1460)
const FROM4 = '10.0.0.10:4000'
const FROM6 = '[2001:db8:a::10]:4000'
const cases: readonly (readonly [string, ForwardingMethod, Uint8Array, string])[] = [
  [
    'no server, IPv4',
    'direct',
    udpFrame(FROM4, '10.0.0.100:81'),
    'IP 10.0.0.100 > 10.0.0.10: ICMP 10.0.0.100 udp port 81 unreachable, length 36',
  ],
  [
    'no server, IPv6',
    'direct',
    udpFrame(FROM6, '[2001:db8:a::100]:81'),
    'IP6 2001:db8:a::100 > 2001:db8:a::10: ICMP6, destination unreachable, unreachable port, ' +
      '2001:db8:a::100 udp port 81, length 56',
  ],
  [
    'dead, IPv4',
    'masquerade',
    tcpFrame(FROM4, '10.0.0.100:80', { flags: 2, over: dead }),
    'IP 10.0.0.100 > 10.0.0.10: ICMP time exceeded in-transit, length 48',
  ],
  [
    'dead, IPv6',
    'masquerade',
    tcpFrame(FROM6, '[2001:db8:a::100]:80', { flags: 2, over: dead }),
    'IP6 2001:db8:a::100 > 2001:db8:a::10: ICMP6, time exceeded in-transit for 2001:db8:a::100, length 68',
  ],
  [
    'too big for the tunnel, IPv4',
    'tunnel',
    tcpFrame(FROM4, '10.0.0.100:80', { flags: 2, data }),
    'IP 10.0.0.100 > 10.0.0.10: ICMP 10.0.0.100 unreachable - need to frag (mtu 1480), length 556',
  ],
  [
    'too big for the tunnel, IPv6',
    'tunnel',
    tcpFrame(FROM6, '[2001:db8:a::100]:80', { flags: 2, data: data.subarray(20) }),
    'IP6 2001:db8:a::100 > 2001:db8:a::10: ICMP6, packet too big, mtu 1460, length 1240',
  ],
]

describe('what is told', () => {
  for (const [what, forwarding, frame, want] of cases) {
    it(what, () => {
      const { departed } = send(makeLaboratory(forwarding), frame)
      assert.deepEqual(
        departed.map(({ at }) => at),
        ['client'],
      )
      const { bytes } = departed[0]!
      assert.equal(printFrame(bytes), want)
      const layout = layoutOf(bytes)
      assert.ok(isHeaderRight(bytes, layout) && isTransportRight(bytes, layout))
      assert.equal(bytes.length, layout.end)
      const { destinationMac, sourceMac } = parseFrame(frame)!
      const { destinationMac: to, sourceMac: from } = parseFrame(bytes)!
      assert.deepEqual([to, from], [sourceMac, destinationMac])
      const payload = (parseFrame(bytes)!.icmp ?? parseFrame(bytes)!.icmpv6)!.payload
      if (what.startsWith('too big')) return // quoted with one hop less to live
      assert.equal(bytesToHex(payload), bytesToHex(frame.subarray(14, 14 + payload.length)))
    })
  }

  it('for IPv6 as Linux says it, but for a flow label', () => {
    const find = (n: number) => recordedFrames().find(({ name }) => name === `pkt6-gre ${n}`)!
    assert.match(find(11).sum, /hl=1/)
    const lab = makeLaboratory('direct')
    send(lab, tcpFrame('[2001:db8:a::10]:40000', '[2001:db8:a::100]:80', { flags: 2 }))
    const { departed } = send(lab, find(11).bytes)
    const want = find(12).bytes.slice()
    want.set([0x60, 0, 0, 0], 14)
    assert.equal(bytesToHex(departed[0]!.bytes), bytesToHex(want))
  })
})

describe('what is not told', () => {
  const from = (ip: string, over?: Over['over']) =>
    udpFrame(`${ip}:4000`, ip.includes(':') ? '[2001:db8:a::100]:81' : '10.0.0.100:81', {
      ...(over === undefined ? {} : { over }),
    })
  const silent: readonly (readonly [string, Uint8Array])[] = [
    ['to "this network"', from('0.0.0.7')],
    ['to a multicast address', from('224.0.0.1')],
    ['to a broadcast address', from('255.255.255.255')],
    ['to the unspecified IPv6 address', from('[::]')],
    ['to an IPv6 multicast address', from('[ff02::1]')],
  ]
  for (const [what, frame] of silent) {
    it(what, () => {
      const { reason, departed } = send(makeLaboratory('direct'), frame)
      assert.deepEqual([reason, departed], ['noServer', []])
    })
  }

  it('about a later fragment', () => {
    const lab = makeLaboratory('direct')
    const part = (fragmentOffset: number, timeToLive: number) => {
      const ip = { identification: 7, dontFragment: false, moreFragments: true, timeToLive }
      return udpFrame(FROM4, '10.0.0.100:80', { over: { ip: { ...ip, fragmentOffset } } })
    }
    assert.equal(send(lab, part(0, 64)).reason, 'toServer')
    assert.equal(send(lab, part(32, 1)).reason, 'timeExceeded')
  })

  it('about an ICMP error', () => {
    const lab = makeLaboratory('direct')
    send(lab, udpFrame(FROM4, '10.0.0.100:80'))
    const quoted = udpFrame('10.0.0.100:80', FROM4).subarray(14)
    const error = icmpErrorFrame('10.0.0.2', '10.0.0.100', { type: 3, quoted, over: dead })
    assert.equal(send(lab, error).reason, 'timeExceeded')
  })

  it('more often than allowed', () => {
    const lab = makeLaboratory('direct', 3)
    const reasons = (count: number) =>
      Array.from({ length: count }, () => send(lab, from('10.0.0.10')).reason)
    const told = Array<string>(3).fill('answeredUnreachable')
    assert.deepEqual(reasons(5), [...told, 'icmpLimit', 'icmpLimit'])
    lab.sleep(1)
    assert.deepEqual(reasons(4), [...told, 'icmpLimit'])
  })

  it('where there is no room for the headers', () => {
    const lab = makeLaboratory('direct')
    lab.use()
    for (const [frame, bytes] of [
      [from('10.0.0.10'), 28],
      [from('[2001:db8:a::10]'), 48],
    ] as const) {
      assert.equal(reasonName(forward(packetOf(frame, INTERFACE.client, bytes - 1))), 'noRoom')
      const reason = reasonName(forward(packetOf(frame, INTERFACE.client, bytes)))
      assert.equal(reason, 'answeredUnreachable')
    }
  })
})
