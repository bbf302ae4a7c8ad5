/**
 * bin/ipvsadm, ipvsadm-save and ipvsadm-restore as a shell runs them, against what the real ones said
 * (tests/goldens/cli-*.jsonl): the cases that need more than ipvsadm in this process. Root: one is about others.
 */
import { after, before, describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { callsOn } from './goldens/ipvsadm-program.ts'
import { Laboratory } from './goldens/laboratory.ts'
import { readRecording, type CommandEvent } from './goldens/recordings.ts'
import { startServing, type Serving } from './control/serving.ts'
import { rootFolder } from './packets/golden-frames.ts'

const NOBODY = 65534

describe('the commands in a shell', () => {
  let folder: string
  let serving: Serving
  before(async () => {
    // Where others may read them, wherever this repository and the tests' own folder lie.
    folder = mkdtempSync('/tmp/ipvsadm-shell-')
    chmodSync(folder, 0o755)
    cpSync(join(rootFolder(), 'bin'), join(folder, 'bin'), { recursive: true })
    for (const file of ['ipvsadm.cjs', 'ipvsadm.cache']) {
      cpSync(join(rootFolder(), 'dist', file), join(folder, 'dist', file))
    }
    mkdirSync(join(folder, 'run'), { mode: 0o700 })
    serving = await startServing(join(folder, 'run/socket'), callsOn(new Laboratory()))
  })
  after(async () => {
    await serving.close()
    rmSync(folder, { recursive: true })
  })

  async function run(words: readonly string[], uid = 0, input = '') {
    const [name, ...rest] = words
    const env = {
      ...process.env,
      PATH: `${folder}/bin:${process.env['PATH']}`,
      SLUICE_SOCKET: serving.path,
    }
    const child = spawn(name!, rest, { uid, gid: uid, cwd: folder, env })
    child.stdin.end(input)
    const status = new Promise((resolve) => child.on('close', resolve))
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
    return { stdout, stderr, rc: await status }
  }

  it('saves and restores as recorded, with a shell around it', async () => {
    for (const { n, cmd, stdout, stderr, rc } of commandsOf('cli-basic.jsonl', 'save-restore')) {
      const line = cmd.replaceAll('/tmp/saved', `${folder}/saved`)
      assert.deepEqual(await run(['dash', '-c', line]), { stdout, stderr, rc }, `${n}: ${cmd}`)
    }
  })

  it('tells others that they must be root', async () => {
    for (const { cmd, stdout, stderr, rc } of commandsOf('cli-errors.jsonl', 'not-root')) {
      const words = /execvp\("ipvsadm",(\[.*\])\)/.exec(cmd)?.[1]
      if (words === undefined) continue
      const got = await run(JSON.parse(words) as string[], NOBODY)
      assert.deepEqual(got, { stdout, stderr, rc }, cmd)
    }
  })

  it('ipvsadm-save knows -n, and says so', async () => {
    const { stdout, stderr, rc } = await run(['ipvsadm-save', 'word', '-x', '-n'])
    assert.deepEqual([stdout, rc], ['', 1])
    assert.equal(
      stderr,
      'ipvsadm-save: Script to save the IPVS table to stdout.\n' +
        '   With the -n option, prints out the table in numeric format.\n',
    )
  })

  it('ipvsadm-restore clears the table, and passes comments over', async () => {
    assert.equal((await run(['ipvsadm', '-A', '-t', '10.0.0.1:81'])).rc, 0)
    const rules = '# saved\n\n-A -t 10.0.0.1:80 -s rr\n#-A -t 10.0.0.1:82\n'
    const restored = await run(['ipvsadm-restore'], 0, rules)
    assert.deepEqual(restored, { stdout: '', stderr: '', rc: 0 })
    const saved = await run(['ipvsadm-save', '-n'])
    assert.deepEqual(saved, { stdout: '-A -t 10.0.0.1:80 -s rr\n', stderr: '', rc: 0 })
  })
})

function commandsOf(file: string, name: string): CommandEvent[] {
  return readRecording(file)
    .get(name)!
    .filter((event) => event.op === 'cmd')
}
