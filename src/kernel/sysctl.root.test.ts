import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { notRoot } from '../../tests/kernel/own-network.ts'
import { createNamespace, deleteNamespace, inNamespace } from './netns.ts'
import { hasSysctl, readSysctl, sysctlPart, writeSysctl } from './sysctl.ts'

const NAME = `slks${process.pid}`

describe('sysctl', () => {
  it('reads settings', () => {
    assert.match(readSysctl('net.ipv4.ip_forward'), /^[01]$/)
    assert.match(readSysctl('net.ipv4.conf.lo.rp_filter'), /^[012]$/)
  })

  it('says what is there', () => {
    assert.ok(hasSysctl('net.ipv4.ip_forward'))
    assert.ok(!hasSysctl('net.ipv4.nothing_of_the_kind'))
  })

  it('says what is not', () => {
    assert.throws(() => readSysctl(`net.ipv4.conf.${sysctlPart('eth0.100')}.rp_filter`), {
      code: 'ENOENT',
      message:
        'read sysctl net.ipv4.conf.eth0/100.rp_filter: no such file or entry (ENOENT): ' +
        'this kernel has no such setting, or this namespace no such interface',
    })
  })

  it('refuses names that are none', () => {
    for (const name of ['kernel.hostname', 'net..ipv4', 'net.//.x', 'net./.x', '']) {
      assert.throws(() => readSysctl(name), /is no network setting/, name)
    }
  })
})

describe('sysctl in a namespace', { skip: notRoot }, () => {
  before(() => createNamespace(NAME))
  after(() => deleteNamespace(NAME))

  it('writes there and nowhere else', () => {
    const outside = readSysctl('net.ipv4.ip_forward')
    const inside = inNamespace(NAME, () => {
      writeSysctl('net.ipv4.ip_forward', 1 - Number(readSysctl('net.ipv4.ip_forward')))
      writeSysctl('net.ipv4.ip_local_port_range', '20000\t30000')
      return [readSysctl('net.ipv4.ip_forward'), readSysctl('net.ipv4.ip_local_port_range')]
    })
    assert.equal(inside[1], '20000\t30000')
    assert.equal(readSysctl('net.ipv4.ip_forward'), outside)
    assert.notEqual(readSysctl('net.ipv4.ip_local_port_range'), inside[1])
    const again = inNamespace(NAME, () => readSysctl('net.ipv4.ip_forward'))
    assert.equal(again, inside[0])
  })

  it('says what a setting does not take', () => {
    inNamespace(NAME, () => {
      assert.throws(() => writeSysctl('net.ipv4.ip_local_port_range', 'x'), { code: 'EINVAL' })
      assert.throws(() => writeSysctl('net.ipv4.nothing', 1), { code: 'ENOENT' })
    })
  })
})
