import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JiffiesSample } from '../kernel/bpf/clock.ts'
import { KernelClock } from './kernel-clock.ts'

describe('the packet path’s time', () => {
  it('is 125 ticks a second, whatever the kernel’s jiffies', () => {
    for (const hertz of [100, 250, 300, 1000]) {
      const clock = new KernelClock(() => ({ jiffies: 5 * hertz, seconds: 100 }), hertz)
      assert.deepEqual(
        [100, 100.5, 103].map((at) => clock.ticksAt(at)),
        [625, 687, 1000],
      )
    }
  })

  it('wraps as the kernel’s does', () => {
    const clock = new KernelClock(() => ({ jiffies: 2 ** 33 - 250, seconds: 0 }), 250)
    assert.deepEqual(
      [0, 1, 2].map((at) => clock.ticksAt(at)),
      [2 ** 32 - 125, 0, 125],
    )
  })

  it('follows jiffies that were lost in a standstill', () => {
    const samples: JiffiesSample[] = [
      { jiffies: 1000, seconds: 0 },
      { jiffies: 3000, seconds: 10 },
    ]
    const clock = new KernelClock(() => samples.shift()!, 250)
    assert.equal(clock.ticksAt(9), 500 + 9 * 125)
    assert.equal(clock.ticksAt(10), 1500)
    assert.equal(clock.ticksAt(12), 1500 + 2 * 125)
  })
})
