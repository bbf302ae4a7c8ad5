/**
 * Every test of the packet path that works on a laboratory's tables, and every recorded frame, flow and choice of the
 * kernel's own IPVS, through the program in the kernel: tests/both-engines/.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { notRoot } from './kernel/own-network.ts'
import { loaderArguments, moduleUrl } from './own-program.ts'

const PROGRAM = fileURLToPath(moduleUrl('./both-engines/all-tests', import.meta.url))
/** Test runs cannot carry frames of more than a page (one recording sends 1900), nor checksums left to hardware. */
const LEFT_MAX = 2100
const FRAMES_MIN = { tc: 20_000, xdp: 8_000 }

describe('the tests of the packet path in the kernel', { skip: notRoot }, () => {
  for (const attachment of ['tc', 'xdp'] as const) {
    it(`under ${attachment}`, () => {
      const args = [...loaderArguments, '--test-reporter=tap', PROGRAM, attachment]
      const env = { ...process.env, NODE_TEST_CONTEXT: undefined }
      const { status, stdout } = spawnSync(process.execPath, args, {
        env,
        encoding: 'utf8',
        maxBuffer: 1 << 28,
      })
      assert.equal(status, 0, failuresOf(stdout))
      const counts = /^frames: (\d+) in both, (\d+) in V8 alone$/m.exec(stdout)
      assert.ok(counts !== null, stdout.slice(-2000))
      const [, both, left] = counts.map(Number) as [number, number, number]
      console.log(`${attachment}: ${both} frames in both, ${left} in V8 alone`)
      assert.ok(both > FRAMES_MIN[attachment] && left < LEFT_MAX, counts[0])
    })
  }
})

/** Of TAP, the tests that failed, with what they say. */
function failuresOf(output: string): string {
  const parts = output.split(/^(?= *(?:not )?ok )/m)
  const failed = parts.filter((part) => /^ *not ok /.test(part))
  return [...failed.map((part) => part.slice(0, 1500)), output.slice(-500)].join('\n')
}
