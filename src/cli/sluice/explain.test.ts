import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { ControlError } from '../../control/control-error.ts'
import type { Explanation } from '../../control/protocol.ts'
import { formatExplanation } from '../explanation-text.ts'
import { Failure } from './exit.ts'
import { describe as describeExplain } from './explain.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-explain-'))
after(() => rmSync(folder, { recursive: true }))
const RULES = join(folder, 'rules')
writeFileSync(RULES, '-A -t 10.0.0.100:80 -s rr\n-a -t 10.0.0.100:80 -r 10.0.1.11:80 -m\n')

/** The command as a shell runs it, compiled or not. */
function run(...args: string[]) {
  const here = fileURLToPath(import.meta.url)
  const program = join(here, '../..', `sluice${extname(here)}`)
  const words = [...process.execArgv, program, 'explain', ...args]
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

describe('sluice explain', () => {
  it('says by its status whether the packet reaches a server', () => {
    const [client, virtual] = ['10.0.0.10:40000', '10.0.0.100:80']
    const told = run(client, virtual, '--rules', RULES)
    assert.equal(told.status, 0, told.stderr)
    const json = run(client, virtual, '--rules', RULES, '--json')
    const explanation = JSON.parse(json.stdout) as Explanation
    assert.equal(explanation.server, '10.0.1.11:80')
    assert.equal(told.stdout, formatExplanation(explanation))
    const refused = run(client, '10.0.0.100:80', '--proto', 'udp', '--rules', RULES)
    assert.equal(refused.status, 1, refused.stderr)
    assert.match(refused.stdout, /^verdict +pass \(noService\)/m)
  })

  const wrong: readonly [string, readonly string[], string][] = [
    [
      'a client without a port',
      ['10.0.0.10', '10.0.0.100:80'],
      '10.0.0.10 is no address and port: write it as 10.0.0.10:40000 or [2001:db8::10]:40000',
    ],
    [
      'a name',
      ['10.0.0.10:1', 'vip.example:80'],
      'vip.example:80 is no address and port: write it as 10.0.0.10:40000 or [2001:db8::10]:40000',
    ],
    [
      'two families',
      ['[2001:db8::1]:1', '10.0.0.100:80'],
      'client and virtual address are of different families',
    ],
    [
      'a LAN without rules',
      ['10.0.0.10:1', '10.0.0.100:80', '--lan', 'lan.json'],
      '--lan goes with --rules: the daemon knows its own network',
    ],
  ]
  for (const [what, words, message] of wrong) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(explainIn(words), (error: unknown) => {
        assert.ok(error instanceof Failure, String(error))
        assert.deepEqual([error.status, error.message], [2, message])
        return true
      })
    })
  }

  it('says that there is no daemon', async () => {
    const socket = join(folder, 'none.sock')
    const words = ['10.0.0.10:1', '10.0.0.100:80', '--socket', socket]
    await assert.rejects(explainIn(words), (error: unknown) => {
      assert.ok(error instanceof ControlError && error.errno === 'ENOENT', String(error))
      return true
    })
  })
})

/** The command in this process: for what prints nothing. */
function explainIn(words: readonly string[]): Promise<Command> {
  const command = new Command()
  describeExplain(command)
  return command.parseAsync([...words], { from: 'user' })
}
