import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { REASON_TEXT, reasonName, verdictName, type ReasonName } from './reason-text.ts'
import { Reason, REASONS_MAX, Verdict, verdictOf } from './verdict.ts'

const REASONS = Object.entries(Reason) as [ReasonName, number][]

describe('each reason', () => {
  it('has a number of its own, which is a row of the counters', () => {
    const numbers = new Set(REASONS.map(([, number]) => number))
    assert.equal(numbers.size, REASONS.length)
    for (const number of numbers) assert.ok(number >= 0 && number < REASONS_MAX, String(number))
  })

  it('has a name and a sentence of its own', () => {
    for (const [name, number] of REASONS) assert.equal(reasonName(number), name)
    const sentences = Object.values(REASON_TEXT)
    assert.equal(new Set(sentences).size, REASONS.length)
    assert.deepEqual(Object.keys(REASON_TEXT).sort(), Object.keys(Reason).sort())
    assert.throws(() => reasonName(REASONS_MAX - 1), RangeError)
  })

  it('belongs to one verdict, as its name says', () => {
    const verdicts = new Set(Object.values(Verdict) as number[])
    for (const [name, number] of REASONS) {
      const verdict = verdictOf(number)
      assert.ok(verdicts.has(verdict), name)
      const isSent = /^(to[CS]|icmpTo|answered|bypassed)/.test(name)
      assert.equal(verdictName(verdict) === 'send', isSent, name)
    }
    assert.equal(verdictName(verdictOf(Reason.nextHopUnresolved)), 'hold')
  })
})
