/**
 * The one file that bin/ipvsadm runs: made of the sources as they are, and V8 takes its own code for it back.
 */
import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Script } from 'node:vm'
import { USAGE_TEXT } from '../src/cli/ipvsadm/usage.ts'
import { rootFolder } from './packets/golden-frames.ts'

const at = (name: string) => join(rootFolder(), name)

test("V8 takes its own code, so that nothing is compiled at the command's start", () => {
  const source = readFileSync(at('dist/ipvsadm.cjs'), 'utf8')
  const cachedData = readFileSync(at('dist/ipvsadm.cache'))
  const script = new Script(source, { filename: at('dist/ipvsadm.cjs'), cachedData })
  assert.equal(script.cachedDataRejected, false)
})

test('it is a program without a package around it but Node', () => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [at('bin/ipvsadm'), '-h'], {
    encoding: 'utf8',
  })
  assert.deepEqual([stderr, status], ['', 0])
  assert.equal(stdout, USAGE_TEXT)
})
