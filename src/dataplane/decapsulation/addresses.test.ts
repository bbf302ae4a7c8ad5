import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { ipToWords } from '../../base/ip.ts'
import { Random } from '../../base/random.ts'
import { allocateTables } from '../../subset/table.ts'
import { enterAddress, hasRole, leaveAddress } from './addresses.ts'
import { ADDRESS_SLOTS, ADDRESSES_MAX } from './limits.ts'
import { DECAPSULATION_TABLES, HostRole, hostAddresses } from './tables.ts'

const { vip, local, director } = HostRole
const has = (ip: string, roles: number) => hasRole(...ipToWords(ip), roles)

describe('the addresses of a tunnel’s end', () => {
  beforeEach(() => allocateTables(DECAPSULATION_TABLES).use())

  it('have roles, several at once', () => {
    for (const ip of ['10.0.0.100', '2001:db8::100', '::a00:64']) {
      assert.ok(!has(ip, vip))
      assert.ok(enterAddress(ipToWords(ip), vip))
      assert.ok(enterAddress(ipToWords(ip), local))
      assert.deepEqual([has(ip, vip), has(ip, local), has(ip, director)], [true, true, false])
      leaveAddress(ipToWords(ip), vip)
      assert.deepEqual([has(ip, vip), has(ip, local)], [false, true])
      leaveAddress(ipToWords(ip), local)
      assert.ok(!has(ip, vip | local | director))
    }
    leaveAddress(ipToWords('10.9.9.9'), vip)
  })

  it('are found behind others that have gone, whose slots serve again', () => {
    const random = new Random(3)
    const known = new Map<string, number>()
    for (let i = 0; i < 20_000; i++) {
      const ip = `10.0.${random.below(4)}.${random.below(256)}`
      const role = random.oneIn(2) ? vip : local
      const roles = known.get(ip) ?? 0
      if (random.oneIn(2)) {
        assert.ok(enterAddress(ipToWords(ip), role))
        known.set(ip, roles | role)
      } else {
        leaveAddress(ipToWords(ip), role)
        known.set(ip, roles & ~role)
      }
      assert.deepEqual([has(ip, vip), has(ip, local)], rolesOf(known.get(ip)!))
    }
    for (const [ip, roles] of known)
      assert.deepEqual([has(ip, vip), has(ip, local)], rolesOf(roles))
  })

  it('find room while half of the slots are free, and are refused without', () => {
    let entered = 0
    for (let i = 0; i < ADDRESSES_MAX; i++) {
      if (enterAddress([0, 0, 0xffff, 0x0a000000 + i], vip)) entered++
    }
    assert.equal(entered, ADDRESSES_MAX)
    for (let i = 0; i < ADDRESS_SLOTS; i++) hostAddresses.row(i).roles = vip
    assert.ok(!enterAddress(ipToWords('192.0.2.1'), vip))
    assert.ok(!has('192.0.2.1', vip))
  })
})

function rolesOf(roles: number): boolean[] {
  return [(roles & vip) !== 0, (roles & local) !== 0]
}
