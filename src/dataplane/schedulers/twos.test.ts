import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneService } from '../../../tests/dataplane/one-service.ts'
import { setSeed } from '../../subset/clock.ts'

const SEED = 20_250_104
const VIP = '10.0.0.100'

/** How often each server is chosen in `count` questions while nothing changes. */
function frequencies(service: OneService, servers: number, count: number): number[] {
  setSeed(SEED)
  const chosen = Array(servers).fill(0) as number[]
  for (let i = 0; i < count; i++) chosen[service.choose(VIP)! - 1]!++
  return chosen
}

/** Of `count` chances of probability `p`, is `seen` what may be expected? Five standard deviations. */
function assertNear(seen: number, count: number, p: number, what: string): void {
  const deviation = Math.sqrt(count * p * (1 - p))
  assert.ok(Math.abs(seen - count * p) <= 5 * deviation, `${what}: ${seen} of ${count}, not ${p}`)
}

test('of equally loaded ones the first drawn: weights say how often, the first in the list has one more', () => {
  const service = new OneService('twos', [1, 2, 5])
  const count = 20_000
  const [one, two, three] = frequencies(service, 3, count)
  // Draws are 0 … 8, both included; the list begins with server 3, which gets 0 … 5.
  assertNear(three!, count, 6 / 9, 'server 3')
  assertNear(two!, count, 2 / 9, 'server 2')
  assertNear(one!, count, 1 / 9, 'server 1')
})

test('the busier one only when both draws fall to it', () => {
  const service = new OneService('twos', [1, 1])
  service.serverRow(1).active = 3
  const count = 20_000
  const [one] = frequencies(service, 2, count)
  assertNear(one!, count, 1 / 9, 'server 1, drawn twice')
})

test('load is by weight: twice the connections at three times the weight are less', () => {
  const service = new OneService('twos', [3, 1])
  service.serverRow(1).active = 2
  service.serverRow(2).active = 1
  const count = 20_000
  const [, two] = frequencies(service, 2, count)
  // Server 2 is drawn by 0 and 1 of 0 … 4.
  assertNear(two!, count, (2 / 5) ** 2, 'server 2, drawn twice')
})

test('load evens out: far better than by one draw', () => {
  const service = new OneService('twos', Array(9).fill(1))
  service.openNext(900)
  const counts = Array.from({ length: 9 }, (_, i) => service.counts(i + 1)[0])
  const spread = Math.max(...counts) - Math.min(...counts)
  assert.ok(spread <= 12, `${counts}`)
})

test('weights above all bounds keep their proportions', () => {
  const service = new OneService('twos', [0x7fffffff, 0x7fffffff, 0x3fffffff, 1])
  const count = 20_000
  const [one, two, three, four] = frequencies(service, 4, count)
  assertNear(one!, count, 0.4, 'server 1')
  assertNear(two!, count, 0.4, 'server 2')
  assertNear(three!, count, 0.2, 'server 3')
  assert.ok(four! <= 1, `server 4: ${four}`)
})

test('weight 0 and overload take nothing', () => {
  const service = new OneService('twos', [1, 0, 1])
  service.edit(3, { upperThreshold: 1 })
  const choices = [...service.openNext(50)]
  assert.equal(choices.filter((each) => each === '2').length, 0)
  assert.ok(choices.filter((each) => each === '3').length <= 1)
})

test('nobody: without servers, and with weights 0 alone', () => {
  assert.equal(new OneService('twos', []).openNext(1), '-')
  assert.equal(new OneService('twos', [0, 0]).openNext(2), '--')
})
