import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesToIp, familyOf, formatPrefix, ipToBytes, ipToWords, maskIp, parseIp } from './ip.ts'
import { parsePrefix, prefixContains, wordsToIp } from './ip.ts'
import { bytesToHex } from './hex.ts'

/** What a person types, and how it is held. IPv6: the examples of RFC 5952 §2 and §4. */
const CANONICAL: [string, string][] = [
  ['10.0.0.1', '10.0.0.1'],
  ['0.0.0.0', '0.0.0.0'],
  ['255.255.255.255', '255.255.255.255'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:0db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8::0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:DB8:0:0:1::1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['::', '::'],
  ['::1', '::1'],
  ['fe80::', 'fe80::'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
  ['::FFFF:a00:1', '::ffff:10.0.0.1'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
]

test('parseIp gives one text per address', () => {
  for (const [text, want] of CANONICAL) assert.equal(parseIp(text), want, text)
})

test('parseIp refuses what is no address', () => {
  const none = ['', '10.0.0', '10.0.0.256', '010.0.0.1', '10.0.0.1/24', ' 10.0.0.1', 'fe80::1%eth0']
  for (const text of [...none, ':::', '1::2::3', '2001:db8', 'www', '1:2:3:4:5:6:7:8:9', '[::1]']) {
    assert.equal(parseIp(text), undefined, text)
  }
})

test('familyOf, words and bytes of known addresses', () => {
  assert.equal(familyOf('10.0.0.1'), 4)
  assert.equal(familyOf('::ffff:10.0.0.1'), 6)
  assert.deepEqual(ipToWords('192.168.10.11'), [0, 0, 0xffff, 0xc0a80a0b])
  assert.deepEqual(ipToWords('2001:db8:a::100'), [0x20010db8, 0x000a0000, 0, 0x100])
  assert.equal(wordsToIp(0, 0, 0xffff, 0xfffffffe), '255.255.255.254')
  assert.equal(wordsToIp(0xfe800000, 0, 0, 0x80000001), 'fe80::8000:1')
  assert.equal(wordsToIp(0, 0, 0, 0), '::')
  assert.equal(bytesToHex(ipToBytes('10.0.0.100')), '0a000064')
  assert.equal(bytesToHex(ipToBytes('2001:db8::1')), '20010db8000000000000000000000001')
  assert.equal(bytesToIp(new Uint8Array([10, 0, 0, 100])), '10.0.0.100')
})

test('sixteen bytes stay an IPv6 address, also when v4-mapped', () => {
  assert.equal(bytesToIp(ipToBytes('::ffff:10.0.0.1')), '::ffff:10.0.0.1')
  assert.equal(wordsToIp(...ipToWords('::ffff:10.0.0.1')), '10.0.0.1')
})

test('what is no canonical address is a bug of the caller', () => {
  assert.throws(() => ipToWords('10.0.0'), /no canonical IPv4/)
  assert.throws(() => ipToWords('1.2.3.4.5'), /no canonical IPv4/)
  assert.throws(() => ipToWords('::g'), /no IPv6/)
  assert.throws(() => bytesToIp(new Uint8Array(5)), /5 bytes/)
  assert.throws(() => maskIp('10.0.0.1', 33), /no 33 bits/)
})

test('prefixes: read, masked, printed', () => {
  const cases: [string, string][] = [
    ['10.0.0.0/24', '10.0.0.0/24'],
    ['10.0.0.77/25', '10.0.0.0/25'],
    ['10.0.0.177/25', '10.0.0.128/25'],
    ['10.0.0.1', '10.0.0.1/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['255.255.255.255/1', '128.0.0.0/1'],
    ['2001:db8:a::1/64', '2001:db8:a::/64'],
    ['2001:db8:a::1', '2001:db8:a::1/128'],
    ['2001:db8:ffff::/33', '2001:db8:8000::/33'],
    ['::/0', '::/0'],
  ]
  for (const [text, want] of cases) {
    const prefix = parsePrefix(text)
    assert.ok(prefix !== undefined, text)
    assert.equal(formatPrefix(prefix), want, text)
  }
  for (const text of ['10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/08', 'x/8']) {
    assert.equal(parsePrefix(text), undefined, text)
  }
  assert.equal(parsePrefix('10.0.0.0/8/8'), undefined)
})

test('prefixContains: both edges, and never across families', () => {
  const lan = parsePrefix('10.0.0.128/25')!
  assert.ok(prefixContains(lan, '10.0.0.128'))
  assert.ok(prefixContains(lan, '10.0.0.255'))
  assert.ok(!prefixContains(lan, '10.0.0.127'))
  assert.ok(!prefixContains(lan, '10.0.1.128'))
  assert.ok(!prefixContains(parsePrefix('0.0.0.0/0')!, '::1'))
  assert.ok(!prefixContains(parsePrefix('::/0')!, '10.0.0.1'))
  assert.ok(prefixContains(parsePrefix('2001:db8:a::/64')!, '2001:db8:a::ffff'))
  assert.ok(!prefixContains(parsePrefix('2001:db8:a::/64')!, '2001:db8:a:1::'))
})
