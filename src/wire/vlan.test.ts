import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everyCut, goldenFrame } from '../../tests/packets/golden-frames.ts'
import { viewOf } from '../base/bytes.ts'
import { EtherType } from './ethernet.ts'
import { emitVlan, formatVlan, parseVlan, Vlan, VLAN_ID_MASK } from './vlan.ts'

const cases = [
  { name: 'vlan-arp', at: 14, id: 100, priority: 3, dropEligible: false, type: EtherType.arp },
  { name: 'vlan-tcp', at: 14, id: 4094, priority: 7, dropEligible: true, type: EtherType.ipv4 },
  { name: 'qinq-udp', at: 14, id: 10, priority: 0, dropEligible: false, type: EtherType.vlan },
  { name: 'qinq-udp', at: 18, id: 20, priority: 1, dropEligible: false, type: EtherType.ipv4 },
]

for (const { name, at, ...fields } of cases) {
  const bytes = goldenFrame(name).subarray(at)

  test(`${name} at ${at}: both views agree, and it is emitted as it was`, () => {
    const vlan = Vlan.view(viewOf(bytes), 0)
    assert.equal(vlan.control & VLAN_ID_MASK, fields.id)
    assert.equal(vlan.type, fields.type)
    const tag = parseVlan(bytes)
    assert.deepEqual(tag, { ...fields, payload: bytes.subarray(4) })
    assert.deepEqual(emitVlan(tag), bytes)
  })

  test(`${name} at ${at}: a cut tag is refused`, () => {
    for (const cut of everyCut(bytes.subarray(0, 4))) assert.equal(parseVlan(cut), undefined)
  })
}

test('it prints as tcpdump -e does', () => {
  const tag = parseVlan(goldenFrame('vlan-tcp').subarray(14))!
  assert.equal(formatVlan(tag), 'vlan 4094, p 7, DEI, ethertype IPv4 (0x0800)')
})

test('an id or a priority that has no room is a bug of the caller', () => {
  const tag = { id: 1, priority: 0, dropEligible: false, type: 0, payload: new Uint8Array() }
  assert.throws(() => emitVlan({ ...tag, id: 4096 }), /VLAN 4096/)
  assert.throws(() => emitVlan({ ...tag, priority: 8 }), /priority 8/)
})
