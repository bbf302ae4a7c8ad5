/**
 * The socket's place in the file system: who gets it, who may use it, and what is left of it.
 */
import { describe, test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { LineClient, ownFolder, serveAt, type Serving } from '../../tests/control/serving.ts'
import { ControlClient } from './client.ts'
import { CLIENTS_MAX, PATH_MAX } from './limits.ts'

/** A daemon that says who it is, until the test ends. */
function listenAs(t: TestContext, version: string, path: string): Promise<Serving> {
  return serveAt(t, path, { 'ipvs.version': () => ({ version, connectionTableSize: 1 }) })
}

/** What keeps no lock, and serves something else. */
async function listenElsewise(t: TestContext, path: string): Promise<void> {
  const other = createServer().listen(path)
  await once(other, 'listening')
  t.after(() => void other.close())
}

async function whoAnswers(path: string): Promise<string> {
  const client = await ControlClient.connect(path)
  const { version } = await client.call('ipvs.version', {})
  client.close()
  return version
}

/** The socket of a daemon that was killed: a child listens and ends as by SIGKILL. */
async function leaveStale(path: string): Promise<void> {
  const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 9))`
  const child = spawn(process.execPath, ['-e', script, path], { stdio: 'inherit' })
  await once(child, 'exit')
  assert.ok(statSync(path).isSocket())
}

/** Nothing but these may be beside the socket. */
function assertFolder(path: string, ...names: string[]): void {
  assert.deepEqual(readdirSync(dirname(path)), names)
}

function place(t: TestContext): string {
  return join(ownFolder(t), 'socket')
}

describe('the place of the socket', () => {
  test('mode 0600, whatever the umask, and nothing beside it', async (t) => {
    const path = place(t)
    const mask = process.umask(0)
    t.after(() => void process.umask(mask))
    const server = await listenAs(t, 'one', path)
    assert.equal(process.umask(), 0)
    assert.equal((statSync(path).mode & 0o777).toString(8), '600')
    assert.ok(statSync(path).isSocket())
    assertFolder(path, 'socket', 'socket.lock')
    assert.equal(server.path, path)
    await server.close()
    assertFolder(path)
  })

  test('missing folders are made, with mode 0755', async (t) => {
    const path = join(ownFolder(t), 'run', 'sluice', 'socket')
    const mask = process.umask(0o022)
    t.after(() => void process.umask(mask))
    const server = await listenAs(t, 'one', path)
    assert.equal((statSync(dirname(path)).mode & 0o777).toString(8), '755')
    assert.equal(await whoAnswers(path), 'one')
    await server.close()
  })

  test('the socket of a killed daemon is replaced', async (t) => {
    const path = place(t)
    await leaveStale(path)
    const server = await listenAs(t, 'next', path)
    assert.equal(await whoAnswers(path), 'next')
    assertFolder(path, 'socket', 'socket.lock')
    await server.close()
    assertFolder(path)
  })

  test('a live daemon keeps it', async (t) => {
    const path = place(t)
    const server = await listenAs(t, 'first', path)
    await assert.rejects(listenAs(t, 'second', path), {
      name: 'ControlError',
      errno: 'EADDRINUSE',
      message: `another daemon has ${path}: stop it first, or give this one another socket`,
    })
    assert.equal(await whoAnswers(path), 'first')
    assertFolder(path, 'socket', 'socket.lock')
    await server.close()
  })

  for (const isStale of [false, true]) {
    const where = isStale ? 'where a killed one was' : 'in an empty place'
    test(`of daemons that start at once, ${where}, one gets it`, async (t) => {
      const path = place(t)
      if (isStale) await leaveStale(path)
      const starts = await Promise.allSettled(
        ['a', 'b', 'c', 'd', 'e'].map((name) => listenAs(t, name, path)),
      )
      const servers = starts.filter((start) => start.status === 'fulfilled')
      assert.equal(servers.length, 1)
      for (const start of starts) {
        if (start.status === 'rejected') {
          assert.equal((start.reason as { errno: string }).errno, 'EADDRINUSE')
        }
      }
      const winner = 'abcde'[starts.findIndex(({ status }) => status === 'fulfilled')]
      assert.equal(await whoAnswers(path), winner)
      assertFolder(path, 'socket', 'socket.lock')
      await servers[0]!.value.close()
      assertFolder(path)
    })
  }

  test('a socket that somebody else put there since is not removed', async (t) => {
    const path = place(t)
    const server = await listenAs(t, 'one', path)
    renameSync(path, `${path}.moved`)
    await listenElsewise(t, path)
    await server.close()
    assertFolder(path, 'socket', 'socket.moved')
  })

  test('a socket that is gone already does not hinder the end', async (t) => {
    const path = place(t)
    const server = await listenAs(t, 'one', path)
    renameSync(path, `${path}.moved`)
    await server.close()
    await server.close()
    assertFolder(path, 'socket.moved')
  })

  test('what is no socket is left alone', async (t) => {
    const path = place(t)
    writeFileSync(path, 'precious')
    await assert.rejects(listenAs(t, 'one', path), {
      name: 'ControlError',
      errno: 'EEXIST',
      message: `${path} is no socket and was left alone: choose another`,
    })
    assertFolder(path, 'socket')
  })

  test('a path that is too long is refused, the longest is not', async (t) => {
    const folder = ownFolder(t)
    const most = PATH_MAX - '.new'.length
    const longest = join(folder, 'x'.repeat(most - folder.length - 1))
    const server = await listenAs(t, 'one', longest)
    assert.equal(await whoAnswers(longest), 'one')
    await server.close()
    await assert.rejects(listenAs(t, 'one', `${longest}x`), {
      errno: 'ENAMETOOLONG',
      message: `${longest}x is too long: a socket's path has ${most} bytes`,
    })
    assert.deepEqual(readdirSync(folder), [])
  })

  test('a folder that cannot be made is told', async (t) => {
    const file = place(t)
    writeFileSync(file, '')
    const path = join(file, 'below', 'socket')
    await assert.rejects(listenAs(t, 'one', path), {
      name: 'ControlError',
      errno: 'ENOTDIR',
      message: `cannot make the folder of ${path} (ENOTDIR)`,
    })
  })

  test('a lock that cannot be had is told', async (t) => {
    const path = place(t)
    mkdirSync(`${path}.lock`)
    const message = `cannot lock ${path}.lock (EISDIR)`
    await assert.rejects(listenAs(t, 'one', path), { errno: 'EISDIR', message })
  })

  test('a daemon that is refused leaves the place to the next', async (t) => {
    const path = place(t)
    writeFileSync(path, '')
    await assert.rejects(listenAs(t, 'one', path), { errno: 'EEXIST' })
    rmSync(path)
    await listenAs(t, 'two', path)
    assert.equal(await whoAnswers(path), 'two')
  })
})

describe('clients of the server', () => {
  test('are ended with it', async (t) => {
    const path = place(t)
    const server = await listenAs(t, 'one', path)
    const client = await ControlClient.connect(path)
    await client.call('ipvs.version', {})
    await server.close()
    assert.equal(existsSync(path), false)
    await assert.rejects(client.call('ipvs.version', {}), { errno: 'EPIPE' })
  })

  test('are not too many; one that leaves makes room', async (t) => {
    const path = place(t)
    await listenAs(t, 'one', path)
    const clients = await Promise.all(
      Array.from({ length: CLIENTS_MAX }, () => ControlClient.connect(path)),
    )
    t.after(() => clients.forEach((client) => client.close()))
    await Promise.all(clients.map((client) => client.call('ipvs.version', {})))

    const message = `${CLIENTS_MAX} clients are connected already`
    const raw = await LineClient.connect(t, path)
    assert.deepEqual(await raw.rest(), [{ id: null, error: { errno: 'EUSERS', message } }])
    const late = await ControlClient.connect(path)
    t.after(() => late.close())
    await assert.rejects(late.call('ipvs.version', {}), { errno: 'EUSERS', message })

    const leaving = await LineClient.connect(t, path)
    await leaving.rest()
    clients.pop()!.close()
    // The daemon learns of it in its own time: ask until it did.
    for (;;) {
      const next = await ControlClient.connect(path)
      const answer = await next.call('ipvs.version', {}).catch((error: unknown) => error)
      next.close()
      if (!(answer instanceof Error)) break
    }
  })

  test('another kind of daemon at the path is a daemon', async (t) => {
    const path = place(t)
    await listenElsewise(t, path)
    await assert.rejects(listenAs(t, 'one', path), { errno: 'EADDRINUSE' })
  })
})
