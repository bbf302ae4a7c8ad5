import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { loaderArguments, moduleUrl } from '../../tests/own-program.ts'
import { FileLock } from './file-lock.ts'

function place(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-lock-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'lock')
}

const MODULE = moduleUrl('./file-lock', import.meta.url)

/** A process that takes the lock when it is told to, says whether it has it, and keeps it as long as it lives. */
async function startRival(t: TestContext, path: string): Promise<() => Promise<boolean>> {
  const program = `
    const { FileLock } = await import(${JSON.stringify(MODULE)})
    process.stdout.write('ready ')
    process.stdin.once('data', () => {
      globalThis.lock = FileLock.take(${JSON.stringify(path)})
      process.stdout.write(globalThis.lock === undefined ? 'refused' : 'has it')
    })`
  const args = [...loaderArguments, '--input-type=module', '-e', program]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return async () => {
    child.stdin.write('go')
    const [answer] = (await once(child.stdout, 'data')) as [Buffer]
    return String(answer) === 'has it'
  }
}

describe('a file lock', () => {
  it('is one owner’s, in one process too, until it lets go', (t) => {
    const path = place(t)
    const first = FileLock.take(path)!
    assert.equal(statSync(path).mode & 0o777, 0o600)
    assert.equal(FileLock.take(path), undefined)
    first.release()
    first.release()
    assert.ok(existsSync(path))
    const second = FileLock.take(path)!
    first.remove()
    assert.equal(FileLock.take(path), undefined, 'who has let go removes nothing')
    second.remove()
    assert.ok(!existsSync(path))
  })

  it('keeps what is written into the file', (t) => {
    const path = place(t)
    for (const word of ['one ', 'two ']) {
      const lock = FileLock.take(path)!
      writeSync(lock.fd, word)
      lock.release()
    }
    assert.equal(readFileSync(path, 'utf8'), 'one two ')
  })

  it('leaves alone the file that stands in the place of its own', (t) => {
    const path = place(t)
    const first = FileLock.take(path)!
    renameSync(path, `${path}.moved`)
    const second = FileLock.take(path)!
    first.remove()
    assert.ok(existsSync(path))
    second.remove()
  })

  it('is had by one of several processes, whoever comes first', async (t) => {
    const path = place(t)
    const rivals = await Promise.all([1, 2, 3, 4].map(() => startRival(t, path)))
    const taken = await Promise.all(rivals.map((take) => take()))
    assert.equal(taken.filter(Boolean).length, 1, String(taken))
    assert.equal(FileLock.take(path), undefined)
  })

  it('is free as soon as its owner was killed', async (t) => {
    const path = place(t)
    const program = `
      const { FileLock } = await import(${JSON.stringify(MODULE)})
      if (FileLock.take(${JSON.stringify(path)})) process.kill(process.pid, 'SIGKILL')`
    const args = [...loaderArguments, '--input-type=module', '-e', program]
    const child = spawn(process.execPath, args, { stdio: 'inherit' })
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
    assert.equal(signal, 'SIGKILL')
    assert.ok(existsSync(path))
    const lock = FileLock.take(path)
    assert.ok(lock)
    lock.remove()
  })

  it('tells why it cannot be had', (t) => {
    const path = join(place(t), 'nowhere')
    assert.throws(() => FileLock.take(path), { code: 'ENOENT' })
  })
})
