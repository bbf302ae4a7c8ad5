import { test } from 'node:test'
import assert from 'node:assert/strict'
import {
  addressToWord,
  NO_NAMES,
  parseEndpoint,
  parseInetAton,
  UnresolvedHost,
  wordToAddress,
  type Names,
} from './address.ts'

const names: Names = {
  portOf: (name, protocol) => (name === 'http' && protocol === 'tcp' ? 80 : undefined),
  addressOf: (host) => (host === 'vip.example' ? '10.0.0.1' : host === 'none' ? null : undefined),
}

test('what a service or server address may look like', () => {
  const cases: [string, string | undefined][] = [
    ['10.0.0.1:80', '10.0.0.1 80'],
    ['10.0.0.1', '10.0.0.1 -'],
    ['10.0.0.1:0', '10.0.0.1 0'],
    ['10.0.0.1:http', '10.0.0.1 80'],
    ['10.0.0.1:nosuchservice', undefined],
    ['10.0.0.1:65536', undefined],
    ['10.0.0.1:-1', undefined],
    ['10.0.0.1:', undefined],
    [':80', undefined],
    ['80', undefined],
    ['', undefined],
    ['10.1:81', '10.0.0.1 81'],
    ['0:80', '0.0.0.0 80'],
    ['010.0.0.1:80', '8.0.0.1 80'],
    ['[2001:db8::1]:80', '2001:db8::1 80'],
    ['[2001:DB8:0::1]:http', '2001:db8::1 80'],
    ['[2001:db8::1]', undefined],
    ['[2001:db8::1', undefined],
    ['[2001:db8::1]80', undefined],
    ['2001:db8::1', '2001:db8::1 -'],
    ['2001:db8::1:80', '2001:db8::1:80 -'],
    ['[10.0.0.1]:80', '10.0.0.1 -'],
    ['vip.example:80', '10.0.0.1 80'],
    ['none:80', undefined],
    ['a b:80', undefined],
    ['[fe80::1%eth0]:80', undefined],
  ]
  for (const [text, wanted] of cases) {
    const got = parseEndpoint(text, 'tcp', names)
    assert.equal(got && `${got.address} ${got.port ?? '-'}`, wanted, JSON.stringify(text))
  }
})

test('names are those of the protocol', () => {
  assert.equal(parseEndpoint('10.0.0.1:http', 'udp', names), undefined)
})

test('a host not looked up yet is asked for', () => {
  assert.throws(() => parseEndpoint('unknown:80', 'tcp', names), new UnresolvedHost('unknown'))
  assert.equal(parseEndpoint('unknown:80', 'tcp', NO_NAMES), undefined)
})

test('inet_aton reads one to four parts in three bases', () => {
  const cases: [string, string | undefined][] = [
    ['255.255.255.0', '255.255.255.0'],
    ['24', '0.0.0.24'],
    ['10.1', '10.0.0.1'],
    ['10.1.258', '10.1.1.2'],
    ['0x0a.0.0.01', '10.0.0.1'],
    ['4294967295', '255.255.255.255'],
    ['4294967296', undefined],
    ['1.16777216', undefined],
    ['256.1.1.1', undefined],
    ['1.2.3.4.5', undefined],
    ['1..2', undefined],
    ['08', undefined],
    ['', undefined],
  ]
  for (const [text, wanted] of cases) {
    assert.equal(parseInetAton(text), wanted, JSON.stringify(text))
  }
})

test('words and dotted text', () => {
  for (const address of ['0.0.0.0', '255.255.255.255', '192.168.10.11', '255.0.255.0']) {
    assert.equal(wordToAddress(addressToWord(address)), address)
  }
  assert.equal(addressToWord('255.255.255.255'), 0xffffffff)
})
