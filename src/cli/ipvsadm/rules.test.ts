import { test } from 'node:test'
import assert from 'node:assert/strict'
import { parseRules, RulesError } from './rules.ts'

test('rules are calls of the control socket', () => {
  const rules = parseRules(
    [
      '# two services',
      '',
      '-A -t 10.0.0.1:80 -s wrr -p 300 -M 255.255.255.0',
      'ipvsadm -a -t 10.0.0.1:80 -r 192.168.10.11:8080 -m -w 5  # behind NAT',
      '-A\t-t [2001:db8::1]:443 -s sh -b sh-port',
      '-a -t [2001:db8::1]:443 -r [2001:db8:b::1]:443 -b -w 2',
      '-P -t [2001:db8::1]:443 -z 2001:db8:b::fe',
    ].join('\n'),
  )
  assert.deepEqual(
    rules.map(({ call, line }) => `${line} ${call}`),
    ['3 service.add', '4 server.add', '5 service.add', '6 server.add', '7 local.add'],
  )
  const web = { protocol: 'tcp', address: '10.0.0.1', port: 80 }
  const secure = { protocol: 'tcp', address: '2001:db8::1', port: 443 }
  const settings = { onePacket: false, persistenceEngine: null }
  const tunnel = { type: 'ipip', port: 0, checksum: 'none' }
  const server = { upperThreshold: 0, lowerThreshold: 0, tunnel }
  assert.deepEqual(
    rules.map((rule) => rule.with),
    [
      {
        service: web,
        settings: {
          ...settings,
          scheduler: 'wrr',
          schedulerFlags: 0,
          persistenceTimeoutS: 300,
          netmask: 0xffffff00,
        },
      },
      {
        service: web,
        server: { address: '192.168.10.11', port: 8080 },
        settings: { ...server, forwarding: 'masquerade', weight: 5 },
      },
      {
        service: secure,
        settings: {
          ...settings,
          scheduler: 'sh',
          schedulerFlags: 2,
          persistenceTimeoutS: 0,
          netmask: 128,
        },
      },
      {
        service: secure,
        server: { address: '2001:db8:b::1', port: 443 },
        settings: { ...server, forwarding: 'fullnat', weight: 2 },
      },
      { service: secure, address: '2001:db8:b::fe' },
    ],
  )
})

test('every wrong line is told, with its place', () => {
  const text = [
    '-A -t 10.0.0.1:80 -s wrr',
    '  bogus',
    '-a -t 10.0.0.1:80 -r 192.168.10.11 -w many',
    '-a -t 10.0.0.1:80',
    '-D -t 10.0.0.1:80',
    '-A -t 10.0.0.1:http',
    '-A -t 10.0.0.1:80 -q',
    '-a -t vip.example:80 -r 10.0.0.2:80 -f 1',
  ].join('\n')
  assert.throws(
    () => parseRules(text),
    (error: unknown) => {
      assert.ok(error instanceof RulesError)
      assert.deepEqual(error.message.split('\n'), [
        'line 2, column 3: a rule begins with -A, -a or -P',
        'line 3, column 39: illegal weight specified',
        "line 4, column 1: You need to supply the 'real-server' option for the 'add-server' command",
        'line 5, column 1: a rule is -A, -a or -P',
        'line 6, column 7: illegal virtual server address[:port] specified',
        'line 7, column 19: -q: unknown option',
        'line 8, column 7: illegal virtual server address[:port] specified',
      ])
      return true
    },
  )
})
