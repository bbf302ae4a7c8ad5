/**
 * Every scheduler, choice for choice, against Linux IPVS (tests/goldens/sched-*.jsonl): who got each new flow, what
 * refused clients were told, and what ipvsadm then listed.
 */
import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { replayCase } from './goldens/case-replay.ts'
import { readRecording } from './goldens/recordings.ts'

const FILES = [
  'dest',
  'dh',
  'fo',
  'hash',
  'lblc',
  'lblcr',
  'lc',
  'mh',
  'nq',
  'overhead',
  'overload',
  'ovf',
  'persistence',
  'rr',
  'sed',
  'sh',
  'stories',
  'wlc',
  'wrr',
  'wrr-orders',
]

for (const file of FILES) {
  describe(`sched-${file}.jsonl`, () => {
    for (const [name, events] of readRecording(`sched-${file}.jsonl`)) {
      it(name, async () => {
        assert.deepEqual(await replayCase(events), [])
      })
    }
  })
}
