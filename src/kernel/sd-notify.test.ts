import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { notifyManager } from './sd-notify.ts'

/** Prints `listening`, then the first datagram. Node has no such sockets; Python stands for systemd. */
const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace('@', chr(0), 1))
print('listening', flush=True)
print(s.recv(100).decode(), flush=True)
`
const hasPython = (() => {
  try {
    execFileSync('python3', ['--version'])
    return true
  } catch {
    return false
  }
})()

describe('notifyManager', () => {
  for (const kind of ['path', 'abstract'] as const) {
    const skip = hasPython ? false : 'needs python3'
    it(
      `reaches a manager at ${kind === 'path' ? 'a path' : 'an abstract name'}`,
      { skip },
      async () => {
        const folder = mkdtempSync(join(tmpdir(), 'sluice-notify-'))
        const address = kind === 'path' ? join(folder, 'socket') : `@sluice-notify-${process.pid}`
        const manager = spawn('python3', ['-c', LISTENER, address])
        try {
          let heard = ''
          const listening = new Promise<void>((resolve) => {
            manager.stdout.on('data', (chunk) => {
              heard += String(chunk)
              if (heard.includes('listening')) resolve()
            })
          })
          await listening
          assert.equal(notifyManager('READY=1', address), true)
          await once(manager, 'close')
          assert.equal(heard, 'listening\nREADY=1\n')
        } finally {
          manager.kill('SIGKILL')
          rmSync(folder, { recursive: true })
        }
      },
    )
  }

  it('is silent where nobody waits, nobody listens, or the name is too long', () => {
    assert.equal(notifyManager('READY=1', undefined), false)
    assert.equal(notifyManager('READY=1', ''), false)
    assert.equal(notifyManager('READY=1', '/nowhere/sluice'), false)
    assert.equal(notifyManager('READY=1', `/${'x'.repeat(200)}`), false)
  })
})
