/**
 * What each call takes, and what the door says to the rest.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CallName } from './protocol.ts'
import { checkParameters } from './validate.ts'

const SERVICE = { protocol: 'tcp', address: '10.0.0.100', port: 80 }
const SETTINGS = {
  scheduler: 'wlc',
  schedulerFlags: 0,
  persistenceTimeoutS: 0,
  netmask: 0xffffffff,
  onePacket: false,
  persistenceEngine: null,
}
const SERVER = { address: '10.0.0.11', port: 80 }
const SERVER_SETTINGS = {
  forwarding: 'masquerade',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnel: { type: 'ipip', port: 0, checksum: 'none' },
}

describe('parameters', () => {
  it('are what they were, with addresses in their canonical form', () => {
    const service = { protocol: 'udp', address: '2001:DB8:0:0::1', port: 53 }
    assert.deepEqual(checkParameters('service.delete', { service }), {
      service: { ...service, address: '2001:db8::1' },
    })
    const mark = { firewallMark: 0xffffffff, family: 6 }
    assert.deepEqual(checkParameters('service.add', { service: mark, settings: SETTINGS }), {
      service: mark,
      settings: SETTINGS,
    })
  })

  it('may be left out where none is needed', () => {
    for (const name of ['status', 'service.list', 'connection.list', 'local.list'] as const) {
      assert.deepEqual(checkParameters(name, undefined), {})
      assert.deepEqual(checkParameters(name, null), {})
    }
  })

  const wrong: [CallName, unknown, string][] = [
    ['status', { all: true }, 'with.all: is unknown here'],
    ['status', 7, 'with: 7 is no object'],
    ['status', [], 'with: [] is no object'],
    ['service.delete', {}, 'with.service: is missing'],
    ['service.delete', { service: null }, 'with.service: null is no object'],
    [
      'service.delete',
      { service: { ...SERVICE, port: 65536 } },
      'with.service.port: 65536 is not between 0 and 65535',
    ],
    [
      'service.delete',
      { service: { ...SERVICE, port: 1.5 } },
      'with.service.port: 1.5 is no integer',
    ],
    [
      'service.delete',
      { service: { ...SERVICE, port: '80' } },
      'with.service.port: "80" is no integer',
    ],
    [
      'service.delete',
      { service: { ...SERVICE, protocol: 'icmp' } },
      'with.service.protocol: "icmp" is none of tcp, udp, sctp',
    ],
    [
      'service.delete',
      { service: { ...SERVICE, address: '10.0.0.256' } },
      'with.service.address: "10.0.0.256" is no IP address',
    ],
    [
      'service.delete',
      { service: { ...SERVICE, address: '10.0.0.1/24' } },
      'with.service.address: "10.0.0.1/24" is no IP address',
    ],
    [
      'service.delete',
      { service: { ...SERVICE, address: '::ffff:10.0.0.1' } },
      'with.service.address: ::ffff:10.0.0.1 is an IPv4 address in disguise; write 10.0.0.1',
    ],
    ['service.delete', { service: { firewallMark: 1 } }, 'with.service.family: is missing'],
    [
      'service.delete',
      { service: { firewallMark: 1, family: 5 } },
      'with.service.family: 5 is none of 4, 6',
    ],
    [
      'service.delete',
      { service: { ...SERVICE, firewallMark: 1 } },
      'with.service.family: is missing',
    ],
    [
      'service.add',
      { service: SERVICE, settings: { ...SETTINGS, onePacket: 1 } },
      'with.settings.onePacket: 1 is neither true nor false',
    ],
    [
      'service.add',
      { service: SERVICE, settings: { ...SETTINGS, scheduler: 3 } },
      'with.settings.scheduler: 3 is no text',
    ],
    [
      'service.add',
      { service: SERVICE, settings: { ...SETTINGS, netmask: -1 } },
      'with.settings.netmask: -1 is not between 0 and 4294967295',
    ],
    ['server.add', { service: SERVICE, server: SERVER }, 'with.settings: is missing'],
    [
      'server.add',
      { service: SERVICE, server: SERVER, settings: { ...SERVER_SETTINGS, weight: 2 ** 31 } },
      'with.settings.weight: 2147483648 is not between 0 and 2147483647',
    ],
    [
      'server.add',
      {
        service: SERVICE,
        server: SERVER,
        settings: { ...SERVER_SETTINGS, tunnel: { type: 'vxlan', port: 0, checksum: 'none' } },
      },
      'with.settings.tunnel.type: "vxlan" is none of ipip, gue, gre',
    ],
    [
      'timeouts.set',
      { tcp: 2678401, tcpFin: 0, udp: 0 },
      'with.tcp: 2678401 is not between 0 and 2678400',
    ],
    ['timeouts.set', { tcp: null, tcpFin: 0, udp: 0 }, 'with.tcp: null is no integer'],
    [
      'local.add',
      { service: SERVICE, address: 'x'.repeat(100) },
      `with.address: "${'x'.repeat(36)}… is no IP address`,
    ],
    [
      'explain',
      { client: SERVER, virtual: SERVER, protocol: 'icmp' },
      'with.protocol: "icmp" is none of tcp, udp, sctp',
    ],
  ]
  for (const [name, parameters, message] of wrong) {
    it(`of ${name} are refused: ${message}`, () => {
      assert.throws(() => checkParameters(name, parameters), {
        name: 'ControlError',
        errno: 'EINVAL',
        message,
      })
    })
  }
})
