import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ipToWords } from '../../base/ip.ts'
import { ClaimNetworks } from './claim-networks.ts'

/** Is a packet of `protocol` to `address` and `port` claimed? Without a port it has none. */
function has(networks: ClaimNetworks, address: string, protocol: number, port?: number): boolean {
  const bytes = new DataView(new ArrayBuffer(2))
  bytes.setUint16(0, port ?? 0)
  return networks.has(...ipToWords(address), protocol, bytes, 0, port === undefined ? 0 : 2)
}

test('a network ends where its prefix says, in IPv6 inside a word, too', () => {
  const cases = [
    ['10.2.0.0/15', '10.3.255.255', '10.4.0.0'],
    ['10.2.1.0/25', '10.2.1.127', '10.2.1.128'],
    ['0.0.0.0/0', '255.255.255.255', undefined],
    ['2001:db8:2::/47', '2001:db8:3:ffff::1', '2001:db8:4::'],
    ['2001:db8::/65', '2001:db8::7fff:0:0:1', '2001:db8::8000:0:0:1'],
    ['::/0', 'ffff::1', undefined],
  ] as const
  for (const [prefix, inside, outside] of cases) {
    const networks = new ClaimNetworks()
    networks.add({ prefix, protocol: 6, firstPort: 0, lastPort: 0xffff })
    assert.ok(networks.hasAddress(...ipToWords(inside)), `${inside} in ${prefix}`)
    assert.ok(has(networks, inside, 6), prefix)
    if (outside === undefined) continue
    assert.ok(!networks.hasAddress(...ipToWords(outside)), `${outside} not in ${prefix}`)
    assert.ok(!has(networks, outside, 6), prefix)
  }
})

test('protocol and port decide; whoever has no port is in a network of every port alone', () => {
  const networks = new ClaimNetworks()
  networks.add({ prefix: '10.0.0.0/8', protocol: 6, firstPort: 80, lastPort: 89 })
  assert.deepEqual(
    [79, 80, 89, 90, undefined].map((port) => has(networks, '10.1.1.1', 6, port)),
    [false, true, true, false, false],
  )
  assert.ok(!has(networks, '10.1.1.1', 17, 80))
})

test('what was added twice goes when it was removed twice', () => {
  const networks = new ClaimNetworks()
  const network = { prefix: '10.0.0.0/8', protocol: 6, firstPort: 80, lastPort: 89 }
  networks.add(network)
  networks.add(network)
  assert.equal(networks.matches.length, 1)
  networks.remove(network)
  assert.ok(has(networks, '10.1.1.1', 6, 80))
  networks.remove(network)
  assert.ok(!networks.hasAddress(...ipToWords('10.1.1.1')))
  assert.throws(() => networks.remove(network), /was not claimed/)
})
