import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'

/** Slots are hash_32(address, 8) of include/linux/hash.h, reckoned outside this program. */
const SLOTS: readonly (readonly [destination: string, slot: number])[] = [
  ['10.0.0.100', 248],
  ['10.50.0.1', 97],
  ['10.50.1.30', 61],
  ['255.255.255.255', 158],
  ['2001:db8:a::100', 83],
  ['2001:db8:c:5::c', 124],
]

test("a destination's slot, and the list again and again over the slots", () => {
  for (let count = 1; count <= 9; count++) {
    const service = new OneService('dh', Array(count).fill(1))
    for (const [destination, slot] of SLOTS) {
      // The list begins with the server added last.
      const wanted = count - (slot % count)
      assert.equal(service.choose(destination), wanted, `${destination}, ${count} servers`)
    }
  }
})

test('every client of one address gets one server, whatever the weights', () => {
  for (const weights of [
    [1, 1, 1],
    [100, 1, 1],
  ]) {
    assert.equal(new OneService('dh', weights).openNext(4), '1111')
  }
  assert.equal(new OneService('dh', [1, 1, 1], { family: 6 }).openNext(3), '111')
})

test('whose server has weight 0 or too much to do is refused', () => {
  for (const settings of [{ weight: 0 }, { upperThreshold: 1 }]) {
    const service = new OneService('dh', [1, 1, 1])
    service.openNext(1)
    service.edit(1, settings)
    assert.equal(service.openNext(2), '--', JSON.stringify(settings))
    service.edit(1, {})
    assert.equal(service.openNext(1), '1')
  }
})

test('servers that come and go move destinations', () => {
  const service = new OneService('dh', [1, 1, 1])
  service.remove(1)
  assert.equal(service.openNext(1), '3')
  service.add(4)
  assert.equal(service.openNext(1), '2')
})

test('nobody: without servers, and with weights 0 alone', () => {
  assert.equal(new OneService('dh', []).openNext(1), '-')
  assert.equal(new OneService('dh', [0, 0]).openNext(2), '--')
})
