import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import { ipToWords, wordsToIp } from '../base/ip.ts'
import { foldAddress } from '../dataplane/hash.ts'
import { rolesOf } from '../dataplane/service.ts'
import { Role } from '../dataplane/tables.ts'
import { AddressRoles } from './address-roles.ts'
import { CountedAddresses } from './counted-addresses.ts'

const [ONE, OTHER] = ['10.0.0.1', '192.0.2.7']
/** Two addresses of one entry. */
const TWINS = [ONE, twinOf(ONE)]

function twinOf(ip: string): string {
  const fold = foldAddress(...ipToWords(ip))
  for (let word = 0xc0000201; ; word++) {
    if (foldAddress(0, 0, 0xffff, word) === fold) return wordsToIp(0, 0, 0xffff, word)
  }
}

const role = (ip: string) => rolesOf(...ipToWords(ip))

describe('roles of addresses', () => {
  beforeEach(() => void new Laboratory())

  it('hold as long as somebody has them', () => {
    const roles = new AddressRoles()
    roles.add(ONE, Role.virtual)
    roles.add(ONE, Role.virtual)
    roles.add(ONE, Role.real)
    assert.equal(role(ONE), Role.virtual | Role.real)
    assert.equal(role(OTHER), 0)
    roles.remove(ONE, Role.virtual)
    assert.equal(role(ONE), Role.virtual | Role.real)
    roles.remove(ONE, Role.virtual)
    assert.equal(role(ONE), Role.real)
    roles.remove(ONE, Role.real)
    assert.equal(role(ONE), 0)
  })

  it('of two addresses with one entry are not lost with the first', () => {
    const [a, b] = TWINS.map((ip) => foldAddress(...ipToWords(ip)))
    assert.equal(a, b, 'these two share an entry')
    const roles = new AddressRoles()
    for (const ip of TWINS) roles.add(ip, Role.local)
    roles.remove(TWINS[0]!, Role.local)
    assert.equal(role(TWINS[1]!), Role.local)
    roles.remove(TWINS[1]!, Role.local)
    assert.equal(role(TWINS[1]!), 0)
  })

  it('that an earlier daemon left are taken out, those that hold are not', () => {
    new AddressRoles().add(ONE, Role.virtual | Role.local)
    new AddressRoles().add(OTHER, Role.real)
    const roles = new AddressRoles()
    roles.add(ONE, Role.virtual)
    roles.clearStrangers()
    assert.deepEqual([role(ONE), role(OTHER)], [Role.virtual, 0])
  })
})

it('counted addresses are there until the last has gone', () => {
  const addresses = new CountedAddresses()
  addresses.add(ONE)
  addresses.add(ONE)
  addresses.remove(ONE)
  assert.ok(addresses.has(ONE))
  addresses.remove(ONE)
  addresses.remove(ONE)
  assert.ok(!addresses.has(ONE))
  addresses.add(ONE)
  assert.ok(addresses.has(ONE))
})
