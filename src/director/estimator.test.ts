import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Random } from '../base/random.ts'
import { Estimator } from './estimator.ts'
import type { Counters } from './model.ts'

const NOTHING: Counters = { connections: 0, inPackets: 0, outPackets: 0, inBytes: 0, outBytes: 0 }

/** One rate as ip_vs_est.c reckons it, in 64-bit integers. */
function* kernelRates(counts: readonly number[], shift: bigint): Generator<number> {
  let [last, average] = [0n, 0n]
  for (const count of counts.map(BigInt)) {
    const rate = (count - last) << shift
    last = count
    average += (rate - average) >> 2n
    yield Number((average + (1n << shift) - 1n) >> (shift + 1n))
  }
}

test('a step to a rate is approached by a quarter of what is missing, each two seconds', () => {
  const estimator = new Estimator()
  const seen: number[] = []
  for (let n = 1; n <= 12; n++) {
    estimator.update({ ...NOTHING, connections: n * 2000 })
    seen.push(estimator.rates().connections)
  }
  assert.deepEqual(seen, [250, 437, 578, 684, 763, 822, 867, 900, 925, 944, 958, 968])
})

test('every rate is the one of Linux, whatever the counters do', () => {
  const random = new Random(7)
  const draw = (most: number) => random.next32() % (Math.floor(most) + 1)
  for (let round = 0; round < 20; round++) {
    const estimator = new Estimator()
    const most = 2 ** (round + 4)
    let packets = 0
    let bytes = 0
    const counts = Array.from({ length: 40 }, () => {
      const more = draw(2) === 0 ? 0 : draw(most)
      packets += more
      bytes += more * draw(9000)
      return { packets, bytes }
    })
    const wantedPackets = [
      ...kernelRates(
        counts.map((each) => each.packets),
        9n,
      ),
    ]
    const wantedBytes = [
      ...kernelRates(
        counts.map((each) => each.bytes),
        4n,
      ),
    ]
    for (const [i, each] of counts.entries()) {
      estimator.update({
        connections: each.packets,
        inPackets: each.packets,
        outPackets: each.packets,
        inBytes: each.bytes,
        outBytes: each.bytes,
      })
      assert.deepEqual(estimator.rates(), {
        connections: wantedPackets[i],
        inPackets: wantedPackets[i],
        outPackets: wantedPackets[i],
        inBytes: wantedBytes[i],
        outBytes: wantedBytes[i],
      })
    }
  }
})

test('zeroed counters have no rate', () => {
  const estimator = new Estimator()
  estimator.update({ ...NOTHING, inPackets: 1000 })
  assert.notEqual(estimator.rates().inPackets, 0)
  estimator.zero()
  assert.deepEqual(estimator.rates(), NOTHING)
  estimator.update(NOTHING)
  assert.deepEqual(estimator.rates(), NOTHING)
})
