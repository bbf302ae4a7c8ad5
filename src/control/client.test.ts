/**
 * The client against daemons of every kind: those that answer, refuse, end, or talk nonsense.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { connectClient, ownFolder, serve } from '../../tests/control/serving.ts'
import { ControlClient } from './client.ts'
import { ControlError } from './control-error.ts'
import { PART_ROWS } from './protocol.ts'

const VERSION = { version: '1.2.1', connectionTableSize: 4096 }

/** What listens at the path does as `daemon` says with each line it gets. */
async function pretend(
  t: TestContext,
  daemon: (socket: Socket, line: string) => void,
): Promise<ControlClient> {
  const path = join(ownFolder(t), 'socket')
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => daemon(socket, String(chunk)))
    t.after(() => void socket.destroy())
  })
  server.listen(path)
  await once(server, 'listening')
  t.after(() => void server.close())
  return connectClient(t, path)
}

describe('a client of the daemon', () => {
  it('makes calls at once, each with its own answer', async (t) => {
    const path = await serve(t, {
      'ipvs.version': () => VERSION,
      'timeouts.get': () => ({ tcp: 1, tcpFin: 2, udp: 3 }),
      'service.flush': () => {
        throw new ControlError('EBUSY', 'not now')
      },
    })
    const client = await connectClient(t, path)
    const flush = client.call('service.flush', {})
    const [version, timeouts] = await Promise.all([
      client.call('ipvs.version', {}),
      client.call('timeouts.get', {}),
    ])
    assert.deepEqual([version, timeouts], [VERSION, { tcp: 1, tcpFin: 2, udp: 3 }])
    await assert.rejects(flush, { name: 'ControlError', errno: 'EBUSY', message: 'not now' })
  })

  it('puts the parts of a long answer together', async (t) => {
    const rows = Array.from({ length: 2 * PART_ROWS + 7 }, (_, row) => row)
    const path = await serve(t, { 'connection.list': () => rows.values() })
    const client = await connectClient(t, path)
    assert.deepEqual(await client.call('connection.list', {}), rows)
  })

  it('gives rows of connections as they came, behind and before other answers', async (t) => {
    const client = await pretend(t, (socket, line) => {
      for (const call of line.trim().split('\n')) {
        const { id, call: name } = JSON.parse(call) as { id: number; call: string }
        if (name !== 'connection.list') socket.write(`{"id":${id},"result":{"version":"x"}}\n`)
        else socket.write(`{"id":${id},"part":[[1],[2]]}\n{"id":${id},"result":[]}\n`)
      }
    })
    const answers = [
      client.call('ipvs.version', {}),
      client.connectionRows(),
      client.call('ipvs.version', {}),
      client.connectionRows(),
    ]
    const [first, rows, second, more] = await Promise.all(answers)
    assert.deepEqual([first, second], [{ version: 'x' }, { version: 'x' }])
    assert.deepEqual([rows, more].map(String), ['[1],[2],', '[1],[2],'])
  })

  it('is told why there are no rows', async (t) => {
    const path = await serve(t, {
      'connection.list': () => {
        throw new ControlError('EBUSY', 'not now')
      },
    })
    const client = await connectClient(t, path)
    await assert.rejects(client.connectionRows(), { errno: 'EBUSY', message: 'not now' })
  })

  const places: [string, (path: string) => void, string, RegExp][] = [
    [
      'nothing is there',
      () => {},
      'ENOENT',
      /^no daemon answers at .*: start one with `sluice run`/,
    ],
    [
      'a file is there',
      (path) => writeFileSync(path, ''),
      'ECONNREFUSED',
      /^no daemon answers at /,
    ],
    ['a folder is there', (path) => mkdirSync(path), 'ECONNREFUSED', /^no daemon answers at /],
  ]
  for (const [what, make, errno, message] of places) {
    it(`says that there is no daemon where ${what}`, async (t) => {
      const path = join(ownFolder(t), 'socket')
      make(path)
      await assert.rejects(ControlClient.connect(path), { name: 'ControlError', errno, message })
    })
  }

  it('says why the path cannot be one', async (t) => {
    const path = join(ownFolder(t), 'x'.repeat(200))
    await assert.rejects(ControlClient.connect(path), (error: unknown) => {
      assert.ok(error instanceof ControlError, String(error))
      return error.message.includes(path)
    })
  })

  const nonsense: [string, string, string][] = [
    ['no JSON', 'hello\n', 'EPROTO'],
    ['no object', '7\n', 'EPROTO'],
    [
      'a refusal of the client',
      '{"id":null,"error":{"errno":"EUSERS","message":"full"}}\n',
      'EUSERS',
    ],
    ['nothing about any call', '{"id":null}\n', 'EPROTO'],
  ]
  for (const [what, answer, errno] of nonsense) {
    it(`takes ${what} as the end, for every call`, async (t) => {
      const client = await pretend(t, (socket) => socket.write(answer))
      const calls = [client.call('ipvs.version', {}), client.call('status', {})]
      for (const call of await Promise.allSettled(calls)) {
        assert.equal(call.status, 'rejected')
        assert.equal((call.reason as ControlError).errno, errno)
      }
      await assert.rejects(client.call('status', {}), { errno })
    })
  }

  it('is not confused by answers to calls that it did not make', async (t) => {
    const client = await pretend(t, (socket, line) => {
      const { id } = JSON.parse(line) as { id: number }
      socket.write(`{"id":99,"result":1}\n{"id":${id},"result":{"version":"x"}}\n{"id":${id}}\n`)
    })
    assert.deepEqual(await client.call('ipvs.version', {}), { version: 'x' })
    assert.deepEqual(await client.call('ipvs.version', {}), { version: 'x' })
  })

  it('notices that the daemon ended in the middle of an answer', async (t) => {
    const client = await pretend(t, (socket) => socket.end('{"id":1,"part":[1,2'))
    await assert.rejects(client.call('connection.list', {}), { errno: 'EPIPE' })
  })

  it('can be closed with calls on the way, which then fail', async (t) => {
    const client = await pretend(t, () => {})
    const call = client.call('status', {})
    client.close()
    client.close()
    await assert.rejects(call, { errno: 'EPIPE', message: 'the connection was closed here' })
    await assert.rejects(client.call('status', {}), { errno: 'EPIPE' })
  })
})
