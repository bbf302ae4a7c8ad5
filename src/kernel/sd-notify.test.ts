import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { bind, close, recv, socket } from './ffi.ts'
import { notifyManager } from './sd-notify.ts'

const AF_UNIX = 1
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 0x80802

/** A service manager's socket, by its name as the kernel has it. What comes: each datagram once, then nothing. */
function listen(t: TestContext, name: string): () => string | undefined {
  const fd = socket(AF_UNIX, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0)
  t.after(() => close(fd))
  bind(fd, Buffer.concat([Uint8Array.of(AF_UNIX, 0), Buffer.from(name)]))
  const bytes = Buffer.alloc(4096)
  return () => {
    const length = recv(fd, bytes, 0)
    return length < 0 ? undefined : bytes.toString('utf8', 0, length)
  }
}

describe('notifyManager', () => {
  it('reaches a manager at a path', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-notify-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'socket')
    const heard = listen(t, path)
    assert.equal(notifyManager('READY=1', path), true)
    assert.deepEqual([heard(), heard()], ['READY=1', undefined])
  })

  it('reaches a manager at an abstract name', (t) => {
    const name = `sluice-notify-${process.pid}`
    const heard = listen(t, `\0${name}`)
    assert.equal(notifyManager('READY=1\nSTATUS=1 service', `@${name}`), true)
    assert.deepEqual([heard(), heard()], ['READY=1\nSTATUS=1 service', undefined])
  })

  it('is silent where nobody waits, nobody listens, or the name is too long', () => {
    assert.equal(notifyManager('READY=1', undefined), false)
    assert.equal(notifyManager('READY=1', ''), false)
    assert.equal(notifyManager('READY=1', '/nowhere/sluice'), false)
    assert.equal(notifyManager('READY=1', `/${'x'.repeat(200)}`), false)
  })
})
