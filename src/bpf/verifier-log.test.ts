import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  recordedLogs,
  REFUSED_PROGRAMS,
  TOO_COMPLEX,
} from '../../tests/verifier/refused-programs.ts'
import { readEffort, readRefusal } from './verifier-log.ts'

for (const kernel of ['6.1', '6.18']) {
  describe(`the verifier's log of Linux ${kernel}`, () => {
    const logs = recordedLogs(kernel)

    for (const { name, sentence, slot, line, lines } of REFUSED_PROGRAMS) {
      it(`is understood for ${name}`, () => {
        const log = logs.get(name)!
        const refusal = readRefusal(log, lines)
        assert.match(refusal.sentence, sentence)
        assert.equal(refusal.slot, slot)
        assert.equal(refusal.place?.line, line)
        // Without the line table, where the log says it.
        const { place } = readRefusal(log)
        if (log.includes(' @ main.ts'))
          assert.equal(`${place?.file}:${place?.line}`, /@ (\S+)\n[^;]*$/.exec(log)?.[1])
        else if (place !== undefined)
          assert.equal(place.text, lines.find((at) => at.line === line)?.text)
      })
    }

    it('says how much work there was', () => {
      assert.deepEqual(readEffort(logs.get('packet-bounds')!), { steps: 4, states: 0 })
    })
  })
}

describe('the verifier’s log', () => {
  it('of a million steps says so at its end, if it has one', () => {
    const log = recordedLogs('6.18').get('too-complex')!
    assert.match(readRefusal(log).sentence, TOO_COMPLEX.sentence)
    assert.deepEqual(readEffort(log), { steps: 1000001, states: 25001 })
    const cut = readRefusal(recordedLogs('6.1').get('too-complex')!, TOO_COMPLEX.lines)
    assert.equal(cut.sentence, '')
    assert.equal(cut.place?.line, 51)
  })

  it('says what registers held', () => {
    const log = recordedLogs('6.18').get('packet-bounds')!
    assert.equal(readRefusal(log).registers, 'R3=pkt_end() R6=ctx()')
  })

  it('may be empty, or about BTF', () => {
    assert.deepEqual(readRefusal(''), {
      sentence: '',
      slot: undefined,
      place: undefined,
      registers: '',
    })
    assert.equal(readEffort(''), undefined)
    const log = 'magic: 0xeb9f\nversion: 1\n[1] INT u32 size=9 Unexpected size\n'
    assert.match(readRefusal(log).sentence, /Unexpected size$/)
  })
})
