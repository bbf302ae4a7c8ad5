import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as ffi from './ffi.ts'

const AF_INET = 2
const SOCK_DGRAM = 2
const MSG_DONTWAIT = 0x40
const EAGAIN = 11
const ECONNREFUSED = 111
const O_RDWR_CREAT = 0o102

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const descriptors = () => readdirSync('/proc/self/fd').length

/** struct sockaddr_in of the loopback. */
function loopback(port: number): Uint8Array {
  return Uint8Array.of(AF_INET, 0, port >> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)
}

/** Two UDP sockets, each connected to the other. */
function pair(context: TestContext): [number, number] {
  const fds = [0, 1].map(() => ffi.socket(AF_INET, SOCK_DGRAM, 0))
  const names = fds.map((fd) => {
    ffi.bind(fd, loopback(0))
    const name = new Uint8Array(16)
    ffi.getsockname(fd, name)
    return name
  })
  ffi.connect(fds[0]!, names[1]!)
  ffi.connect(fds[1]!, names[0]!)
  context.after(() => fds.forEach((fd) => ffi.close(fd)))
  return [fds[0]!, fds[1]!]
}

/** An iovec and the msghdr that points at it, laid out for 64 bits; kept alive by `keep`. */
function messageOf(bytes: Uint8Array, size: 56 | 64): { at: number; memory: BigUint64Array } {
  const memory = new BigUint64Array(size / 8 + 2)
  const at = ffi.addressOf(new Uint8Array(memory.buffer))
  memory[2] = BigInt(at + size) // msg_iov
  memory[3] = 1n // msg_iovlen
  memory[size / 8] = BigInt(ffi.addressOf(bytes))
  memory[size / 8 + 1] = BigInt(bytes.length)
  return { at, memory }
}

describe('sockets', () => {
  it('send and receive', (context) => {
    const [one, other] = pair(context)
    assert.equal(ffi.sendto(one, Buffer.from('hello'), new Uint8Array(0)), 5)
    const into = new Uint8Array(10)
    const sender = new Uint8Array(16)
    assert.ok(ffi.waitReadable(other, 1000))
    assert.equal(ffi.recvfrom(other, into.subarray(2), 0, sender), 5)
    assert.equal(text(into), '\0\0hello\0\0\0')
    assert.deepEqual([...sender.subarray(4, 8)], [127, 0, 0, 1])
  })

  it('send and receive by message header', (context) => {
    const [one, other] = pair(context)
    const out = messageOf(Buffer.from('abc'), 56)
    assert.equal(ffi.sendmsg(one, out.at, 0), 3)
    const into = new Uint8Array(4)
    const message = messageOf(into, 56)
    assert.equal(ffi.recvmsg(other, message.at, 0), 3)
    assert.equal(text(into), 'abc\0')
  })

  it('send and receive several messages in one call', (context) => {
    const [one, other] = pair(context)
    const out = messageOf(Buffer.from('wxyz'), 64)
    assert.equal(ffi.sendmmsg(one, out.at, 1, 0), 1)
    const into = new Uint8Array(8)
    const message = messageOf(into, 64)
    assert.equal(ffi.recvmmsg(other, message.at, 1, 0), 1)
    assert.equal(Number(message.memory[7]! & 0xffffffffn), 4) // msg_len
    assert.equal(text(into.subarray(0, 4)), 'wxyz')
    assert.equal(ffi.recvmmsg(other, message.at, 1, MSG_DONTWAIT), -EAGAIN)
  })

  it('say what callers live with as a negative number', (context) => {
    const [one] = pair(context)
    assert.equal(ffi.recv(one, new Uint8Array(1), MSG_DONTWAIT), -EAGAIN)
    assert.equal(ffi.waitReadable(one, 0), false)
  })

  it('take and give options', (context) => {
    const [one] = pair(context)
    const value = new Uint8Array(4)
    ffi.setsockoptInt(one, 1, 2, 1) // SO_REUSEADDR
    ffi.getsockopt(one, 1, 2, value)
    assert.deepEqual([...value], [1, 0, 0, 0])
  })

  it('throw what is an accident', () => {
    const before = descriptors()
    assert.throws(() => ffi.socket(AF_INET, SOCK_DGRAM, 200), {
      message: 'socket: protocol not supported (EPROTONOSUPPORT)',
    })
    assert.throws(() => ffi.bind(-1, loopback(0)), { code: 'EBADF', errno: 9, call: 'bind' })
    assert.throws(() => ffi.open('/nonexistent', 0), { code: 'ENOENT' })
    assert.equal(descriptors(), before)
  })
})

describe('shared memory', () => {
  it('is the file, both ways', (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
    context.after(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'memory')
    const fd = ffi.open(path, O_RDWR_CREAT, 0o600)
    truncateSync(path, 8192)
    const mapping = ffi.mapShared(fd, 8192)
    new Uint8Array(mapping.buffer, 4096).set(Buffer.from('here'))
    assert.equal(readFileSync(path).toString('latin1', 4096, 4100), 'here')
    mapping.unmap()
    mapping.unmap()
    assert.deepEqual([...new Uint8Array(mapping.buffer, 4096, 4)], [0, 0, 0, 0])
    new Uint8Array(mapping.buffer, 4096).set(Buffer.from('late'))
    assert.equal(readFileSync(path).toString('latin1', 4096, 4100), 'here')
    ffi.close(fd)
    assert.throws(() => ffi.mapShared(-1, 4096), { call: 'mmap', code: 'EBADF' })
  })
})

describe('shared memory that was let go', () => {
  it('gives its addresses back once nobody has a view of it', async (context) => {
    setFlagsFromString('--expose_gc')
    const collect = runInNewContext('gc') as () => void
    const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
    context.after(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'memory')
    const fd = ffi.open(path, O_RDWR_CREAT, 0o600)
    context.after(() => ffi.close(fd))
    const SIZE = 1 << 30
    truncateSync(path, SIZE)
    /** Address space of this process in bytes. */
    const size = () =>
      1024 * Number(/VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1])
    const before = size()
    for (let i = 0; i < 8; i++) ffi.mapShared(fd, SIZE).unmap()
    const isGivenBack = () => {
      collect()
      return size() < before + SIZE / 2
    }
    await until(isGivenBack)
  })
})

describe('Readiness', () => {
  it('calls back as often as there is something to read', async (context) => {
    const [one, other] = pair(context)
    const seen: string[] = []
    const into = new Uint8Array(8)
    const readiness = new ffi.Readiness(other, () => {
      const length = ffi.recv(other, into, MSG_DONTWAIT)
      seen.push(text(into.subarray(0, length)))
    })
    ffi.sendto(one, Buffer.from('a'), new Uint8Array(0))
    ffi.sendto(one, Buffer.from('b'), new Uint8Array(0))
    await until(() => seen.length === 2)
    readiness.stop()
    ffi.sendto(one, Buffer.from('c'), new Uint8Array(0))
    await sleep(20)
    readiness.stop()
    assert.deepEqual(seen, ['a', 'b'])
  })

  it('goes on after an error of the socket', async (context) => {
    const fd = ffi.socket(AF_INET, SOCK_DGRAM, 0)
    const results: number[] = []
    const readiness = new ffi.Readiness(fd, () =>
      results.push(ffi.recv(fd, new Uint8Array(8), MSG_DONTWAIT)),
    )
    context.after(() => {
      readiness.stop()
      ffi.close(fd)
    })
    ffi.connect(fd, loopback(9)) // where nobody listens: an ICMP error comes back
    for (const count of [1, 2, 3]) {
      ffi.sendto(fd, Buffer.from('x'), new Uint8Array(0))
      await until(() => results.length === count)
    }
    assert.deepEqual(results, [-ECONNREFUSED, -ECONNREFUSED, -ECONNREFUSED])
  })

  it('gives a descriptor up whose error nobody reads', async (context) => {
    const fd = ffi.socket(AF_INET, SOCK_DGRAM, 0)
    let calls = 0
    const readiness = new ffi.Readiness(fd, () => calls++)
    context.after(() => {
      readiness.stop()
      ffi.close(fd)
    })
    const failure = nextUncaught()
    ffi.connect(fd, loopback(9))
    ffi.sendto(fd, Buffer.from('x'), new Uint8Array(0))
    assert.match((await failure).message, /stays in error/)
    assert.equal(calls, 100)
  })

  it('lets an exception out onto the loop, and goes on', async (context) => {
    const [one, other] = pair(context)
    let calls = 0
    const readiness = new ffi.Readiness(other, () => {
      ffi.recv(other, new Uint8Array(8), MSG_DONTWAIT)
      if (++calls === 1) throw new Error('out of the callback')
    })
    context.after(() => readiness.stop())
    const failure = nextUncaught()
    ffi.sendto(one, Buffer.from('a'), new Uint8Array(0))
    assert.equal((await failure).message, 'out of the callback')
    ffi.sendto(one, Buffer.from('b'), new Uint8Array(0))
    await until(() => calls === 2)
  })

  it('may be stopped from within, and leaves nothing of the descriptor on the loop', async () => {
    const before = descriptors()
    for (let round = 0; round < 200; round++) {
      const fd = ffi.socket(AF_INET, SOCK_DGRAM, 0)
      ffi.bind(fd, loopback(0))
      const name = new Uint8Array(16)
      ffi.getsockname(fd, name)
      await new Promise<void>((resolve) => {
        const readiness = new ffi.Readiness(fd, () => {
          readiness.stop()
          ffi.close(fd)
          resolve()
        })
        ffi.sendto(fd, Buffer.from('x'), name)
      })
    }
    assert.equal(descriptors(), before)
  })
})

/** Takes the next uncaught exception from the test runner. */
function nextUncaught(): Promise<Error> {
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  return new Promise((resolve) => {
    process.once('uncaughtException', (error) => {
      for (const listener of listeners) process.on('uncaughtException', listener)
      resolve(error)
    })
  })
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !isTrue(); i++) await sleep(5)
  assert.ok(isTrue(), 'not within two seconds')
}
