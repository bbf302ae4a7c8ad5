import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesToMac, isMulticastMac, macToBytes, macToParts, parseMac, partsToMac } from './mac.ts'

test('parseMac accepts colons or dashes, any case', () => {
  assert.equal(parseMac('02:00:00:00:0A:01'), '02:00:00:00:0a:01')
  assert.equal(parseMac('02-00-5e-ff-0a-01'), '02:00:5e:ff:0a:01')
})

test('parseMac refuses the rest', () => {
  const none = ['', '02:00:00:00:0a', '02:00:00:00:0a:01:02', '2:0:0:0:a:1', '02:00-00:00:0a:01']
  for (const text of [...none, '0200.0000.0a01', '0g:00:00:00:00:00']) {
    assert.equal(parseMac(text), undefined, text)
  }
})

test('bytes and parts of known addresses', () => {
  assert.deepEqual(macToBytes('02:00:00:00:0a:01'), new Uint8Array([2, 0, 0, 0, 10, 1]))
  assert.equal(bytesToMac(new Uint8Array([2, 0, 0, 0, 10, 1])), '02:00:00:00:0a:01')
  assert.deepEqual(macToParts('00:00:5e:00:01:33'), { high: 0, low: 0x5e000133 })
  assert.deepEqual(macToParts('ff:ff:ff:ff:ff:ff'), { high: 0xffff, low: 0xffffffff })
  assert.equal(partsToMac(0, 0x5e000133), '00:00:5e:00:01:33')
  assert.equal(partsToMac(0xfffe, 1), 'ff:fe:00:00:00:01')
})

test('groups are told from single stations', () => {
  assert.ok(isMulticastMac('ff:ff:ff:ff:ff:ff'))
  assert.ok(isMulticastMac('33:33:00:00:00:01'))
  assert.ok(isMulticastMac('01:00:5e:00:00:12'))
  assert.ok(!isMulticastMac('02:00:00:00:0a:01'))
})

test('what is no address is a bug of the caller', () => {
  assert.throws(() => macToParts('02:00'), /no MAC/)
  assert.throws(() => bytesToMac(new Uint8Array(5)), /5 bytes/)
})
