/**
 * What shells offer: the words, and bash itself asking for them.
 */
import { after, before, describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { loaderArguments, moduleUrl } from '../../../tests/own-program.ts'
import { startServing, type Serving } from '../../../tests/control/serving.ts'
import { callsOn } from '../../../tests/goldens/ipvsadm-program.ts'
import { Laboratory } from '../../../tests/goldens/laboratory.ts'
import type { DaemonStatus } from '../../control/protocol.ts'
import { SCHEDULER_NAMES } from '../../director/check.ts'
import { completeIpvsadm, SCHEDULERS } from '../ipvsadm/complete.ts'
import { completionScript } from './completion.ts'

const PROGRAM = fileURLToPath(moduleUrl('../sluice', import.meta.url))

/** What is offered for the last word of a line, without a daemon. */
function offered(line: string): Promise<string[]> {
  return completeIpvsadm(line.split(' ').slice(1), () => Promise.resolve(undefined))
}

describe('ipvsadm, word by word', () => {
  it('begins with a command', async () => {
    assert.deepEqual(await offered('ipvsadm --add-s'), ['--add-service', '--add-server'])
    assert.deepEqual(await offered('ipvsadm -n -'), [])
  })

  it('offers the options that still go with it', async () => {
    const wanted = ['--scheduler', '--persistent', '--netmask', '--ops', '--pe', '--sched-flags']
    assert.deepEqual(await offered('ipvsadm -A -t 10.0.0.1:80 --'), wanted)
    assert.deepEqual(await offered('ipvsadm -At 10.0.0.1:80 -s rr --p'), ['--persistent', '--pe'])
    const list = await offered('ipvsadm -L -n --timeout --')
    for (const name of ['--numeric', '--timeout', '--daemon', '--connection', '--tcp-service']) {
      assert.ok(!list.includes(name), name)
    }
    for (const name of ['--exact', '--sort', '--json', '--watch']) assert.ok(list.includes(name))
    assert.deepEqual(await offered('ipvsadm -A -f 1 --ip'), ['--ipv6'])
    assert.deepEqual(await offered('ipvsadm -a -t 10.0.0.1:80 -r 10.0.0.2:80 -m --i'), [])
    assert.deepEqual(await offered('ipvsadm -R -'), ['--atomic'])
    assert.deepEqual(await offered('ipvsadm -h -'), [])
  })

  it('offers the values of those that have some', async () => {
    assert.deepEqual(await offered('ipvsadm -A -t 10.0.0.1:80 -s w'), ['wrr', 'wlc'])
    assert.deepEqual(SCHEDULERS.toSorted(), SCHEDULER_NAMES.toSorted())
    assert.deepEqual(await offered('ipvsadm --start-daemon '), ['master', 'backup'])
    assert.deepEqual(await offered('ipvsadm -a -t a:1 -r b -i --tun-type g'), ['gue', 'gre'])
    assert.deepEqual(await offered('ipvsadm -A -t 10.0.0.1:80 -w '), [])
    assert.deepEqual(await offered('ipvsadm -D -t '), [])
  })
})

describe('in bash', () => {
  let folder: string
  let serving: Serving
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'completion-'))
    const laboratory = new Laboratory()
    const calls = callsOn(laboratory)
    const status = { services: 3 } as DaemonStatus
    serving = await startServing(join(folder, 'socket'), { ...calls, status: () => status })
    const web = { protocol: 'tcp', address: '10.0.0.100', port: 80 } as const
    laboratory.addService(web)
    laboratory.addService({ protocol: 'tcp', address: '2001:db8:a::100', port: 443 })
    laboratory.addService({ protocol: 'udp', address: '10.0.0.101', port: 53 })
    laboratory.addServer(web, { address: '192.168.10.11', port: 80 })
    laboratory.addServer(web, { address: '192.168.10.12', port: 80 })
    // The script calls one program without arguments: here that is Node with its own.
    const sluice = join(folder, 'sluice')
    const words = [process.execPath, ...loaderArguments, PROGRAM].map((word) => `'${word}'`)
    writeFileSync(sluice, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`, { mode: 0o755 })
    writeFileSync(join(folder, 'completion.bash'), completionScript('bash', sluice))
  })
  after(async () => {
    await serving.close()
    rmSync(folder, { recursive: true })
  })

  /** What readline would be given at the end of each line. */
  async function replies(lines: readonly string[]): Promise<string[]> {
    const script = lines.map(
      (line) =>
        `COMP_LINE='${line}' COMP_POINT=${line.length}; COMPREPLY=(); ` +
        `_sluice_complete ${line.split(' ')[0]}; printf '%s\\n' "\${COMPREPLY[*]}"`,
    )
    const child = spawn('bash', ['--norc'], {
      cwd: folder,
      env: { ...process.env, SLUICE_SOCKET: serving.path },
    })
    child.stdin.end(
      ['source completion.bash', `COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'`, ...script].join('\n'),
    )
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
    assert.equal(stderr, '')
    return stdout.split('\n').slice(0, -1)
  }

  it('completes options, services and servers', async () => {
    const cases: [string, string][] = [
      ['ipvsadm -A -t 10.0.0.9:80 -s ov', 'ovf'],
      ['ipvsadm -D -t ', '10.0.0.100:80 [2001:db8:a::100]:443'],
      // Only what follows the last colon is readline's word.
      ['ipvsadm -D -t 10.0.0.100:', '80'],
      ['ipvsadm -L -t [2001:db8:a:', ':100]:443'],
      ['ipvsadm -Z -u 1', '10.0.0.101:53'],
      ['ipvsadm -d -t 10.0.0.100:80 -r 192.168.10.12', '192.168.10.12:80'],
      ['ipvsadm -d -t 10.0.0.77:80 -r ', ''],
      ['ipvsadm-save --e', '--extended'],
      ['sluice expl', 'explain'],
      ['sluice completion ', 'bash zsh --help'],
      ['sluice compile --program c', 'companion'],
    ]
    const got = await replies(cases.map(([line]) => line))
    assert.deepEqual(
      got,
      cases.map(([, wanted]) => wanted),
    )
  })

  it('is told for which commands', async () => {
    const bash = spawn('bash', ['--norc', '-c', 'source ./completion.bash; complete -p'], {
      cwd: folder,
    })
    const lines = (await text(bash.stdout)).trim().split('\n')
    const commands = lines.map((line) => line.split(' ').at(-1)).sort()
    assert.deepEqual(commands, ['ipvsadm', 'ipvsadm-restore', 'ipvsadm-save', 'sluice'])
  })
})
