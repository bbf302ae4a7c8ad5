/**
 * ipvsadm against the recordings of the real one, byte for byte: stdout, stderr and exit status.
 *
 * The program runs in this process, on small tables.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { shellOn } from './goldens/ipvsadm-program.ts'
import { Laboratory } from './goldens/laboratory.ts'
import { readRecording, type CommandEvent, type GoldenEvent } from './goldens/recordings.ts'
import type { Result } from './goldens/tiny-shell.ts'

/** Commands that are not ours to answer. */
const NOT_OURS: readonly (readonly [RegExp, string])[] = [
  [/^cat \/proc\/net\//, 'the kernel shows its own tables there'],
  [/^ipvsadm-(save|restore)\b/, 'scripts: tests/ipvsadm-shell.root.test.ts'],
  [/^(python3|setpriv) /, 'who may open the socket: tests/ipvsadm-shell.root.test.ts'],
]

/** The order of services is the kernel's hash table's: compare without it. */
function maskOrder({ cmd }: CommandEvent, text: string): string {
  if (!cmd.includes('--nosort')) return text
  return text
    .split(/\n(?=[A-Z])/)
    .map((block) => block.trimEnd())
    .sort()
    .join('\n')
}

/** The events that did not come out as recorded, with what came and what was wanted. */
async function replay(events: readonly GoldenEvent[]) {
  const shell = shellOn(new Laboratory())
  const different: { n: number; cmd: string; got: Result; wanted: Result }[] = []
  for (const event of events) {
    if (event.op !== 'cmd' || NOT_OURS.some(([pattern]) => pattern.test(event.cmd))) continue
    const { n, cmd, stdout, stderr, rc } = event
    const result = await shell.run(cmd)
    const got = { ...result, stdout: maskOrder(event, result.stdout) }
    const wanted = { stdout: maskOrder(event, stdout), stderr, rc }
    if (!isDeepStrictEqual(got, wanted)) different.push({ n, cmd, got, wanted })
  }
  return different
}

for (const file of ['cli-basic', 'cli-errors', 'cli-extra']) {
  for (const [name, events] of readRecording(`${file}.jsonl`)) {
    test(`${file}: ${name}`, async () => {
      for (const { n, cmd, got, wanted } of await replay(events)) {
        assert.deepEqual(got, wanted, `${n} ${cmd}`)
      }
    })
  }
}
