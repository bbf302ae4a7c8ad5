import { test } from 'node:test'
import assert from 'node:assert/strict'
import { ControlError } from '../../control/control-error.ts'
import { NO_NAMES } from './address.ts'
import { NUMERIC } from './naming.ts'
import { runIpvsadm } from './run.ts'
import type { Caller } from './surroundings.ts'

/** Runs `-R` with a director that answers each call as told; what was called, said, and the status. */
async function restore(lines: readonly string[], answer: (call: string) => Promise<unknown>) {
  const calls: string[] = []
  let [stdout, stderr] = ['', '']
  const caller: Caller = {
    call: (name) => {
      calls.push(name)
      return answer(name) as never
    },
    connectionRows: () => assert.fail('nobody lists connections here'),
  }
  const status = await runIpvsadm(['-R'], {
    connect: () => Promise.resolve(caller),
    names: {
      ...NO_NAMES,
      resolve: () => Promise.resolve(),
      namingOf: () => Promise.resolve(NUMERIC),
    },
    input: (async function* () {
      yield* lines
    })(),
    print: (text) => (stdout += text.toString()),
    terminalRows: () => null,
    pause: () => Promise.resolve(false),
    complain: (text) => (stderr += text),
  })
  return { calls, stdout, stderr, status }
}

const done = () => Promise.resolve(null)

test('changes go out before the first is answered, and everything else waits', async () => {
  const release: (() => void)[] = []
  const { calls, stdout, status } = await restore(
    ['-A -t 10.0.0.1:80', '-a -t 10.0.0.1:80 -r 10.0.0.2', '-L --timeout'],
    (call) => {
      if (call === 'timeouts.get') {
        assert.equal(release.length, 2)
        return Promise.resolve({ tcp: 1, tcpFin: 2, udp: 3 })
      }
      return new Promise((resolve) => {
        release.push(() => resolve(null))
        if (release.length === 2) for (const each of release) each()
      })
    },
  )
  assert.deepEqual(calls, ['service.add', 'server.add', 'timeouts.get'])
  assert.equal(stdout, 'Timeout (tcp tcpfin udp): 1 2 3\n')
  assert.equal(status, 0)
})

test('a refusal is told and passed over; the last line has the status', async () => {
  const refuse = (call: string) =>
    call === 'service.delete' ? Promise.reject(new ControlError('ESRCH', '')) : done()
  const delete1 = '-D -t 10.0.0.1:80'
  const first = await restore([delete1, '-C'], refuse)
  assert.deepEqual(first, {
    calls: ['service.delete', 'service.flush'],
    stdout: '',
    stderr: 'No such service\n',
    status: 0,
  })
  assert.equal((await restore(['-C', delete1], refuse)).status, 255)
})

test('an option that cannot be read spoils its line; other mistakes end it all', async () => {
  const unreadable = await restore(['-A -q', '-C'], done)
  assert.deepEqual(unreadable, {
    calls: ['service.flush'],
    stdout: '',
    stderr: '-q: unknown option\n',
    status: 0,
  })
  const illegal = await restore(['-C', '-A -w 1', '-C'], done)
  assert.deepEqual(illegal.calls, ['service.flush'])
  assert.equal(illegal.status, 2)
})

test('help ends it, too', async () => {
  const { calls, stdout, status } = await restore(['-h', '-C'], done)
  assert.deepEqual(calls, [])
  assert.match(stdout, /^ipvsadm v1\.31/)
  assert.equal(status, 0)
})

test('a lost daemon is told once', async () => {
  const lost = () => Promise.reject(new ControlError('EPIPE', 'the daemon ended the connection'))
  const { stderr, status } = await restore(['-C', '-C', '-C'], lost)
  assert.equal(stderr, 'the daemon ended the connection\n')
  assert.equal(status, 2)
})

test('a table of any size has a bounded number of calls without an answer', async () => {
  let [waiting, most] = [0, 0]
  const slowly = async () => {
    most = Math.max(most, ++waiting)
    await new Promise(setImmediate)
    waiting--
    return null
  }
  const lines = Array.from({ length: 5000 }, () => '-a -t 10.0.0.1:80 -r 10.0.0.2 -m')
  const { calls, status } = await restore(lines, slowly)
  assert.equal(calls.length, 5000)
  assert.ok(most > 100 && most <= 1024, `${most} calls at once`)
  assert.equal(status, 0)
})
