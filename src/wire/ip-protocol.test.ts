import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goldenFrame } from '../../tests/packets/golden-frames.ts'
import { formatProtocol, Protocol } from './ip-protocol.ts'

test('the numbers are those that other programs send', () => {
  const cases: [string, number][] = [
    ['tcp4-fin', Protocol.tcp],
    ['udp4', Protocol.udp],
    ['icmp4-echo', Protocol.icmp],
    ['sctp4-init', Protocol.sctp],
    ['ipip', Protocol.ipip],
    ['ip6-in-ip4', Protocol.ipv6],
    ['gre4', Protocol.gre],
    ['keepalived-vrrp2', Protocol.vrrp],
    ['kernel-igmp', Protocol.igmp],
  ]
  for (const [name, protocol] of cases) assert.equal(goldenFrame(name)[14 + 9], protocol, name)
  const cases6: [string, number][] = [
    ['icmp6-echo', Protocol.icmpv6],
    ['tcp6-extensions', Protocol.hopByHop],
    ['udp6-first-fragment', Protocol.fragment],
  ]
  for (const [name, protocol] of cases6) assert.equal(goldenFrame(name)[14 + 6], protocol, name)
})

test('known and unknown protocols print', () => {
  assert.equal(formatProtocol(6), 'TCP (6)')
  assert.equal(formatProtocol(132), 'SCTP (132)')
  assert.equal(formatProtocol(99), 'unknown (99)')
})
