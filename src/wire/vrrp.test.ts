import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyCut, goldenPayload } from '../../tests/packets/golden-frames.ts'
import { viewOf } from '../base/bytes.ts'
import { checksum } from './checksum.ts'
import { emitVrrp, formatVrrp, isVrrpChecksumRight, parseVrrp, Vrrp, VRRP_GROUP_4 } from './vrrp.ts'
import { VRRP_GROUP_6 } from './vrrp.ts'
import type { VrrpAdvertisement } from './vrrp.ts'

const NO_PASSWORD = { type: 0, data: new Uint8Array(8) }
const PASSWORD = { type: 1, data: new TextEncoder().encode('secret\0\0') }

function advertisement(
  version: 2 | 3,
  virtualRouterId: number,
  priority: number,
  intervalMs: number,
  addresses: string[],
): VrrpAdvertisement {
  return { version, virtualRouterId, priority, intervalMs, addresses }
}

/** Frame, what it says, and how tcpdump prints it. */
const cases: [string, VrrpAdvertisement, string][] = [
  [
    'vrrp2',
    {
      ...advertisement(2, 51, 100, 1000, ['10.0.0.100', '10.0.0.101']),
      authentication: NO_PASSWORD,
    },
    'VRRPv2, Advertisement, vrid 51, prio 100, authtype none, intvl 1s, length 24',
  ],
  [
    'vrrp2-password',
    { ...advertisement(2, 51, 255, 3000, ['10.0.0.100']), authentication: PASSWORD },
    'VRRPv2, Advertisement, vrid 51, prio 255, authtype simple, intvl 3s, length 20',
  ],
  [
    'keepalived-vrrp2',
    { ...advertisement(2, 51, 100, 1000, ['10.0.0.50', '10.0.0.51']), authentication: PASSWORD },
    'VRRPv2, Advertisement, vrid 51, prio 100, authtype simple, intvl 1s, length 24',
  ],
  [
    'keepalived-vrrp2-stop',
    { ...advertisement(2, 51, 0, 1000, ['10.0.0.50', '10.0.0.51']), authentication: PASSWORD },
    'VRRPv2, Advertisement, vrid 51, prio 0, authtype simple, intvl 1s, length 24',
  ],
  [
    'vrrp3',
    advertisement(3, 51, 100, 1000, ['10.0.0.100']),
    'VRRPv3, Advertisement, vrid 51, prio 100, intvl 100cs, length 12',
  ],
  [
    'keepalived-vrrp3',
    advertisement(3, 52, 150, 500, ['10.0.0.52']),
    'VRRPv3, Advertisement, vrid 52, prio 150, intvl 50cs, length 12',
  ],
  [
    'keepalived-vrrp3-ip6',
    advertisement(3, 53, 200, 500, ['fe80::53', '2001:db8:a::53']),
    'VRRPv3, Advertisement, vrid 53, prio 200, intvl 50cs, length 40',
  ],
]

for (const [name, want, text] of cases) {
  const { bytes, source, destination } = goldenPayload(name)
  const family = destination === VRRP_GROUP_4 ? 4 : 6

  test(`${name}: read, printed, and emitted as it was`, () => {
    assert.ok(destination === VRRP_GROUP_4 || destination === VRRP_GROUP_6)
    const { checksum: found, ...read } = parseVrrp(bytes, family)!
    assert.deepEqual(read, want)
    assert.ok(found !== undefined && found !== 0)
    assert.deepEqual(emitVrrp(want, source, destination), bytes)
    assert.ok(isVrrpChecksumRight(bytes, source, destination))
    assert.equal(formatVrrp(want), text)
  })

  test(`${name}: cut anywhere it is refused`, () => {
    for (const cut of everyCut(bytes)) assert.equal(parseVrrp(cut, family), undefined)
  })
}

test('the accessors of a captured advertisement', () => {
  const vrrp = Vrrp.view(viewOf(goldenPayload('keepalived-vrrp2').bytes), 0)
  assert.equal(Vrrp.size, 8)
  assert.deepEqual([vrrp.versionAndType, vrrp.virtualRouterId, vrrp.priority], [0x21, 51, 100])
  assert.deepEqual([vrrp.addressCount, vrrp.interval], [2, 0x0101])
})

test('version 3 over IPv4 may come without pseudo-header, over IPv6 and wrong it may not', () => {
  const { source, destination, bytes: golden } = goldenPayload('keepalived-vrrp3')
  const bytes = Uint8Array.from(golden)
  viewOf(bytes).setUint16(6, 0)
  viewOf(bytes).setUint16(6, checksum(bytes))
  assert.notDeepEqual(bytes, golden)
  assert.ok(isVrrpChecksumRight(bytes, source, destination))
  assert.ok(!isVrrpChecksumRight(bytes, 'fe80::1', VRRP_GROUP_6))
  bytes[2] = 1
  assert.ok(!isVrrpChecksumRight(bytes, source, destination))
})

test('other versions and types, and version 2 over IPv6, are refused', () => {
  for (const first of [0x11, 0x41, 0x22, 0x31 + 1]) {
    const bytes = Uint8Array.from(goldenPayload('keepalived-vrrp3').bytes)
    bytes[0] = first
    assert.equal(parseVrrp(bytes, 4), undefined, first.toString(16))
  }
  assert.equal(parseVrrp(goldenPayload('vrrp2').bytes, 6), undefined)
})

test('an interval that the version cannot say is a bug of the caller', () => {
  const v2 = advertisement(2, 1, 1, 500, ['10.0.0.1'])
  assert.throws(() => emitVrrp(v2, '10.0.0.2', VRRP_GROUP_4), /VRRPv2 every 500 ms/)
  const v3 = advertisement(3, 1, 1, 40_960, ['10.0.0.1'])
  assert.throws(() => emitVrrp(v3, '10.0.0.2', VRRP_GROUP_4), /VRRPv3 every 40960 ms/)
  assert.ok(emitVrrp({ ...v3, intervalMs: 40_950 }, '10.0.0.2', VRRP_GROUP_4).length === 12)
})
