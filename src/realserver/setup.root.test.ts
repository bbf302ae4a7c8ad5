import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { addVeth, enterOwnNetwork, ip, notRoot } from '../../tests/kernel/own-network.ts'
import type { NetlinkSocket } from '../kernel/netlink/netlink.ts'
import { openRtnetlink } from '../kernel/netlink/rtnetlink.ts'
import { readSysctl as sysctl, writeSysctl } from '../kernel/sysctl.ts'
import { Journal } from './journal.ts'
import { Setup } from './setup.ts'

const VIP = '10.94.0.100'
const VIP6 = '2001:db8:94::100'

describe('a setup', { skip: notRoot }, () => {
  let netlink: NetlinkSocket
  let folder: string

  before(() => {
    enterOwnNetwork()
    for (const n of [1, 2]) {
      addVeth(`slreal${n}`, `slfar${n}`)
      ip(`addr add 10.94.${n}.1/24 dev slreal${n}`)
    }
    netlink = openRtnetlink()
    folder = mkdtempSync(join(tmpdir(), 'sluice-setup-'))
  })
  after(() => {
    netlink.close()
    rmSync(folder, { recursive: true })
  })

  const path = () => join(folder, 'journal.jsonl')

  /** A run's beginning. */
  function begin(vips: readonly string[], interfaceName = 'slreal1'): [Setup, Journal] {
    const journal = Journal.open(path())!
    const setup = new Setup(netlink, journal)
    const plan = setup.plan({ mode: 'dr', vips, interfaceName })
    assert.deepEqual(plan.problems, [])
    setup.carryOut(plan)
    return [setup, journal]
  }

  /** All that a setup may touch, as text. */
  function hostState(): string {
    const settings = ['slreal1', 'slreal2', 'all'].flatMap((name) =>
      ['arp_ignore', 'arp_announce'].map((setting) => sysctl(`net.ipv4.conf.${name}.${setting}`)),
    )
    return [...settings, ip('-o addr show')].join('\n')
  }

  it('is made, changes nothing else, and is undone to the letter', () => {
    const was = hostState()
    const [setup, journal] = begin([VIP, VIP6])
    const expected = was.replace('0\n0\n', '1\n2\n').split('\n')
    const lines = hostState().split('\n')
    const added = lines.filter((line) => !expected.includes(line))
    assert.equal(added.length, 2)
    assert.match(added[0]!, /lo +inet 10\.94\.0\.100\/32 scope host lo/)
    assert.match(added[1]!, /lo +inet6 2001:db8:94::100\/128 /)
    assert.equal(setup.done.length, 4)
    const undone = setup.undo()
    assert.ok(undone.every(({ isUndone }) => isUndone))
    assert.deepEqual(
      undone.map(({ change }) => change.kind),
      ['address', 'address', 'setting', 'setting'],
    )
    assert.equal(hostState(), was)
    assert.deepEqual(setup.undo(), [], 'once')
    journal.remove()
  })

  it('takes over what a killed run left, and undoes it', () => {
    const was = hostState()
    const [, killed] = begin([VIP, VIP6])
    killed.close() // as the kernel does
    const made = hostState()
    const [setup, journal] = begin([VIP, VIP6])
    assert.equal(hostState(), made)
    assert.ok(setup.done.every(({ isTakenOver }) => isTakenOver))
    setup.undo()
    assert.equal(hostState(), was)
    journal.remove()
    assert.ok(!existsSync(path()))
  })

  it('undoes what a killed run left and the next does not want', () => {
    const was = hostState()
    const [, killed] = begin([VIP, VIP6])
    killed.close()
    const [setup, journal] = begin([VIP6, '10.94.0.101'], 'slreal2')
    const texts = setup.done.map(
      ({ change, isTakenOver }) =>
        `${change.kind === 'address' ? change.ip : change.name} ${isTakenOver}`,
    )
    assert.deepEqual(texts, [
      'net.ipv4.conf.slreal2.arp_ignore false',
      'net.ipv4.conf.slreal2.arp_announce false',
      `${VIP6} true`,
      '10.94.0.101 false',
    ])
    assert.doesNotMatch(hostState(), /10\.94\.0\.100/)
    assert.match(hostState(), /^0\n0\n1\n2\n/)
    setup.undo()
    assert.equal(hostState(), was)
    journal.remove()
  })

  it('does not take for its own what an earlier run wrote down and did not make, or is not so now', () => {
    const was = hostState()
    const killed = Journal.open(path())!
    const name = 'net.ipv4.conf.slreal1.arp_ignore'
    killed.add({ kind: 'setting', name, before: '0', after: '1' })
    killed.add({ kind: 'address', ip: VIP })
    killed.close()
    writeSysctl(name, 2)
    ip(`addr add ${VIP}/24 dev lo`)
    const [setup, journal] = begin([VIP])
    assert.deepEqual(
      setup.done.map(({ change }) => change),
      [{ kind: 'setting', name: 'net.ipv4.conf.slreal1.arp_announce', before: '0', after: '2' }],
    )
    setup.undo()
    assert.equal(sysctl(name), '2')
    assert.match(ip('addr show dev lo'), /10\.94\.0\.100\/24/)
    journal.remove()
    writeSysctl(name, 0)
    ip(`addr del ${VIP}/24 dev lo`)
    assert.equal(hostState(), was)
  })

  it('that fails halfway can be undone', () => {
    const was = hostState()
    const journal = Journal.open(path())!
    const setup = new Setup(netlink, journal)
    const plan = setup.plan({ mode: 'dr', vips: [VIP, '10.94.0.101'], interfaceName: 'slreal1' })
    ip('addr add 10.94.0.101/32 dev lo') // between plan and deed
    assert.throws(() => setup.carryOut(plan), { code: 'EEXIST' })
    ip('addr del 10.94.0.101/32 dev lo')
    setup.undo()
    assert.equal(hostState(), was)
    journal.remove()
  })
})
