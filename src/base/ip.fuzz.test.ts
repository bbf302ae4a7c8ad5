import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SocketAddress } from 'node:net'
import fc from 'fast-check'
import { bytesToIp, ipToBytes, ipToWords, maskIp, parseIp, prefixContains } from './ip.ts'
import { wordsToIp } from './ip.ts'

/** Addresses with many zero groups, which is where the notation is hard. */
const ip6Bytes = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff])))
const ipBytes = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), ip6Bytes)

test('bytes → text → bytes, and the text is canonical', () => {
  fc.assert(
    fc.property(ipBytes, (bytes) => {
      const ip = bytesToIp(bytes)
      assert.equal(parseIp(ip), ip)
      assert.deepEqual(ipToBytes(ip), bytes)
    }),
  )
})

test('text → words → text, but for v4-mapped IPv6', () => {
  fc.assert(
    fc.property(ipBytes, (bytes) => {
      const ip = bytesToIp(bytes)
      assert.equal(wordsToIp(...ipToWords(ip)), ip.replace(/^::ffff:(?=.*\.)/, ''))
    }),
  )
})

test('Node agrees about the canonical text', () => {
  fc.assert(
    fc.property(ip6Bytes, (bytes) => {
      const ip = bytesToIp(bytes)
      const { address } = new SocketAddress({ address: ip, family: 'ipv6' })
      // glibc and libuv print deprecated v4-compatible addresses dotted; RFC 5952 does not ask for it.
      if (!address.includes('.')) assert.equal(ip, address)
    }),
  )
})

test('a masked address is in its own prefix, and masking again changes nothing', () => {
  fc.assert(
    fc.property(ipBytes, fc.integer({ min: 0, max: 128 }), (bytes, n) => {
      const ip = bytesToIp(bytes)
      const bits = n % (8 * bytes.length + 1)
      const masked = maskIp(ip, bits)
      assert.equal(maskIp(masked, bits), masked)
      assert.ok(prefixContains({ ip: masked, bits }, ip))
    }),
  )
})
