/**
 * ipvsadm against ipvsadm 1.31 on command lines drawn at random (tests/goldens/cli-words.jsonl), byte for byte.
 *
 * Each case begins with an empty table. `input` is what `-R` reads.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { runOn } from './goldens/ipvsadm-program.ts'
import { Laboratory } from './goldens/laboratory.ts'
import { readRecording } from './goldens/recordings.ts'

for (const [name, events] of readRecording('cli-words.jsonl')) {
  test(name, async () => {
    const run = runOn(new Laboratory(), { localhost: '127.0.0.1' })
    for (const event of events) {
      assert.ok(event.op === 'words')
      const { n, words, input, stdout, stderr, rc } = event
      const got = await run(words, input ?? '')
      assert.deepEqual(got, { stdout, stderr, rc }, `${n}: ipvsadm ${words.join(' ')}`)
    }
  })
}
