import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isLan, neighboursOf, networkOf, readLan } from './lan.ts'

const WHOLE = `{
  "interfaces": [
    { "name": "eth0", "mac": "02-00-00-00-00-0A", "addresses": ["10.0.0.1/24", "fe80::1/64"] },
    { "name": "eth1", "mac": "02:00:00:00:00:0b", "addresses": ["2001:DB8::1/64"], "mtu": 9000 }
  ],
  "routes": [
    { "to": "0.0.0.0/0", "via": "10.0.0.2", "interface": "eth0" },
    { "to": "2001:db8:1::/48", "interface": "eth1" }
  ],
  "neighbours": [{ "address": "10.0.0.2", "mac": "02:00:00:00:00:02", "interface": "eth0" }]
}`

describe('readLan', () => {
  it('reads interfaces, routes and neighbours', () => {
    assert.deepEqual(readLan(WHOLE), {
      interfaces: [
        {
          name: 'eth0',
          mac: '02:00:00:00:00:0a',
          addresses: [
            { ip: '10.0.0.1', subnet: { ip: '10.0.0.0', bits: 24 } },
            { ip: 'fe80::1', subnet: { ip: 'fe80::', bits: 64 } },
          ],
          mtu: 1500,
        },
        {
          name: 'eth1',
          mac: '02:00:00:00:00:0b',
          addresses: [{ ip: '2001:db8::1', subnet: { ip: '2001:db8::', bits: 64 } }],
          mtu: 9000,
        },
      ],
      routes: [
        { to: { ip: '0.0.0.0', bits: 0 }, via: '10.0.0.2', interfaceIndex: 1 },
        { to: { ip: '2001:db8:1::', bits: 48 }, via: undefined, interfaceIndex: 2 },
      ],
      neighbours: [{ ip: '10.0.0.2', mac: '02:00:00:00:00:02', interfaceIndex: 1 }],
    })
  })

  it('tells the director of subnets, own addresses and scopes', () => {
    const lan = readLan(WHOLE)
    assert.ok(isLan(lan))
    const { links, addresses, routes } = networkOf(lan)
    assert.deepEqual(
      links.map(({ index, mtu }) => [index, mtu]),
      [
        [1, 1500],
        [2, 9000],
      ],
    )
    assert.deepEqual(
      addresses.map(({ ip, scope }) => [ip, scope]),
      [
        ['10.0.0.1', 'global'],
        ['fe80::1', 'link'],
        ['2001:db8::1', 'global'],
      ],
    )
    assert.deepEqual(
      routes.map(({ kind, prefix }) => `${kind} ${prefix.ip}/${prefix.bits}`),
      [
        'local 10.0.0.1/32',
        'local fe80::1/128',
        'local 2001:db8::1/128',
        'forward 10.0.0.0/24',
        'forward fe80::/64',
        'forward 2001:db8::/64',
        'forward 0.0.0.0/0',
        'forward 2001:db8:1::/48',
      ],
    )
    assert.deepEqual(
      neighboursOf(lan).map(({ ip, state }) => [ip, state]),
      [['10.0.0.2', 'permanent']],
    )
  })

  it('says all that is wrong, in order, and where', () => {
    const text = `{
  "interfaces": [
    { "name": "eth0", "mac": "02:00", "addresses": ["10.0.0.1"], "mtu": 15 },
    { "name": "eth1", "mac": "ff:ff:ff:ff:ff:ff", "adresses": [] }
  ],
  "routes": [{ "to": "default", "via": 7, "interface": "eth2" }],
  "neighbours": [{ "mac": "02:00:00:00:00:02", "interface": "eth0" }, 12]
}`
    const problems = readLan(text)
    assert.ok(!isLan(problems))
    assert.deepEqual(
      problems.map(({ line, column, message }) => `${line}:${column}: ${message}`),
      [
        '3:30: "mac": "02:00" will not do; write the MAC address of one station, as "02:00:00:00:00:01"',
        '3:53: write an address with its prefix, as "10.0.0.1/24"',
        '3:73: "mtu": write an integer from 68 to 65535',
        '4:5: write the addresses of this interface, as ["10.0.0.1/24"]',
        '4:30: "mac": "ff:ff:ff:ff:ff:ff" will not do; write the MAC address of one station, as "02:00:00:00:00:01"',
        '4:51: there is no "adresses" here, only "name", "mac", "addresses", "mtu"',
        '6:22: "to": "default" will not do; write a prefix, as "0.0.0.0/0"',
        '6:40: "via": this is no text; write the gateway\'s address, as "10.0.0.2"',
        '6:56: "interface": "eth2" will not do; write one of the interfaces: "eth0", "eth1"',
        '7:18: "address": is missing; write an address, as "10.0.0.2"',
        '7:71: write an object here, with "address", "mac", "interface"',
      ],
    )
  })

  const wrong = [
    ['{"interfaces":[]}', '1:15: a LAN needs at least one interface: {"name", "mac", "addresses"}'],
    ['{}', '1:1: a LAN needs at least one interface: {"name", "mac", "addresses"}'],
    ['{"interfaces":', '1:15: the text ends too early'],
    [
      `{"interfaces":[${[1, 2].map((n) => `{"name":"a","mac":"02:00:00:00:00:0${n}","addresses":[]}`).join()}]}`,
      '1:15: two interfaces are called "a"',
    ],
  ]
  for (const [text, said] of wrong) {
    it(`refuses ${text!.slice(0, 40)}`, () => {
      const problems = readLan(text!)
      assert.ok(!isLan(problems))
      assert.deepEqual(
        problems.map(({ line, column, message }) => `${line}:${column}: ${message}`),
        [said],
      )
    })
  }
})
