/**
 * The program itself against a control socket: streams, statuses, and who may use the socket.
 */
import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { loaderArguments, moduleUrl } from '../../tests/own-program.ts'
import { startServing, type Serving } from '../../tests/control/serving.ts'
import { Laboratory } from '../../tests/goldens/laboratory.ts'
import { directorCalls } from '../daemon/calls.ts'

const PROGRAM = fileURLToPath(moduleUrl('./ipvsadm', import.meta.url))

interface Options {
  readonly input?: string
  readonly socket?: string
}

describe('bin/ipvsadm', () => {
  let folder: string
  let server: Serving
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ipvsadm-'))
    const laboratory = new Laboratory()
    const calls = directorCalls({
      director: laboratory.director,
      use: () => laboratory.use(),
      applied: () => Promise.resolve(),
      onServerAdded: () => {},
      synchronisation: {
        start: (request) => laboratory.director.startSync(request, 1500),
        stop: (role) => laboratory.director.sync.stop(role),
        keepBackupOnly: () => undefined,
      },
      freePages: () => Infinity,
    })
    server = await startServing(join(folder, 'socket'), calls)
  })
  after(async () => {
    await server.close()
    rmSync(folder, { recursive: true })
  })

  async function run(line: string, { input = '', socket }: Options = {}) {
    const child = spawn(process.execPath, [...loaderArguments, PROGRAM, ...line.split(' ')], {
      env: { ...process.env, SLUICE_SOCKET: socket ?? join(folder, 'socket') },
    })
    child.stdin.end(input)
    const status = new Promise((resolve) => child.on('close', resolve))
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
    return { stdout, stderr, status: await status }
  }

  test('restores, lists, saves, and reports refusals', async () => {
    const rules = [
      '-A -t 10.0.0.100:80 -s wrr',
      '-P -t 10.0.0.100:80 -z 192.168.10.1',
      '-a -t 10.0.0.100:80 -r 192.168.10.11:8080 -b -w 2',
      '-a -t 10.0.0.100:80 -r 192.168.10.12:80 -m -w 1',
    ]
    const questions = ['-Sn', '-Ln', '-G -t 10.0.0.100:80', '-A -t 10.0.0.100:80']
    const { stdout, stderr, status } = await run('-R', {
      input: [...rules, ...questions].join('\n'),
    })
    assert.equal(
      stdout,
      rules.map((line) => `${line}\n`).join('') +
        'IP Virtual Server version 1.2.1 (size=4096)\n' +
        'Prot LocalAddress:Port Scheduler Flags\n' +
        '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n' +
        'TCP  10.0.0.100:80 wrr\n' +
        '  -> 192.168.10.11:8080           FullNat 2      0          0         \n' +
        '  -> 192.168.10.12:80             Masq    1      0          0         \n' +
        'VIP:VPORT            TOTAL    SNAT_IP              CONFLICTS  CONNS     \n' +
        '10.0.0.100:80        1        \n' +
        '                              192.168.10.1         0          0         \n',
    )
    assert.equal(stderr, 'Service already exists\n')
    assert.equal(status, 255)
  })

  test('says what is wrong where there is no daemon', async () => {
    const [none, help] = await Promise.all([
      run('-Ln', { socket: '/nonexistent/sluice.sock' }),
      run('-h', { socket: '/nonexistent/sluice.sock' }),
    ])
    assert.equal(none.status, 2)
    assert.match(none.stderr, /^Can't initialize ipvs: .*\/nonexistent\/sluice\.sock.*\n$/)
    assert.equal(help.status, 0)
    assert.equal(help.stderr, '')
  })
})
