import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { notRoot } from '../../../tests/kernel/own-network.ts'
import { JiffiesClock } from './clock.ts'

describe('the jiffies clock', { skip: notRoot }, () => {
  let clock: JiffiesClock
  before(() => (clock = new JiffiesClock()))
  after(() => clock.close())

  it('reads jiffies and the monotonic clock', () => {
    const earliest = Number(process.hrtime.bigint()) / 1e9
    const { jiffies, seconds } = clock.read()
    const latest = Number(process.hrtime.bigint()) / 1e9
    assert.ok(earliest <= seconds && seconds <= latest, `${earliest} ${seconds} ${latest}`)
    assert.ok(jiffies > 2 ** 32 - 300 * 1200)
  })

  it('never goes back', () => {
    let before = clock.read()
    for (let i = 0; i < 100; i++) {
      const next = clock.read()
      assert.ok(next.jiffies >= before.jiffies && next.seconds > before.seconds)
      before = next
    }
  })
})
