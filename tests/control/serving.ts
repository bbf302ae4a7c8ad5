/**
 * A control socket of a test's own, and a client that sees its lines as they are.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { CallTable } from '../../src/control/call-table.ts'
import { ControlClient } from '../../src/control/client.ts'
import { LineReader } from '../../src/control/lines.ts'
import { ControlServer } from '../../src/control/server.ts'
import type { SessionOptions } from '../../src/control/session.ts'
import { SocketPlace } from '../../src/control/socket-place.ts'
import { FileLock } from '../../src/kernel/file-lock.ts'

/** A folder that is gone after the test. */
export function ownFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'control-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A daemon's part in it. */
export interface Serving {
  readonly path: string
  /** May be called twice. */
  close(): Promise<void>
}

/** Answers `calls`, and nothing else, at `path` until it is closed. Rejects with ControlError. */
export async function startServing(
  path: string,
  calls: Partial<CallTable>,
  options: SessionOptions = {},
): Promise<Serving> {
  const place = await SocketPlace.take(path, (lockPath) => FileLock.take(lockPath))
  try {
    const server = await ControlServer.listen(place, calls as CallTable, options)
    const close = async () => {
      await server.close()
      place.leave()
    }
    return { path: server.path, close }
  } catch (error) {
    place.leave()
    throw error
  }
}

/** The same until the test ends, if not before. */
export async function serveAt(
  t: TestContext,
  path: string,
  calls: Partial<CallTable>,
  options: SessionOptions = {},
): Promise<Serving> {
  const serving = await startServing(path, calls, options)
  t.after(() => serving.close())
  return serving
}

/** The same in a place of its own. Gives the socket's path. */
export async function serve(
  t: TestContext,
  calls: Partial<CallTable>,
  options: SessionOptions = {},
): Promise<string> {
  const serving = await serveAt(t, join(ownFolder(t), 'socket'), calls, options)
  return serving.path
}

/** A client of the daemon at `path` that leaves when the test ends. */
export async function connectClient(t: TestContext, path: string): Promise<ControlClient> {
  const client = await ControlClient.connect(path)
  t.after(() => client.close())
  return client
}

const ANSWER_MAX = 64 << 20

/** What `nc -U` would be: writes anything, reads lines, and only when it is asked to. */
export class LineClient {
  readonly socket: Socket
  readonly #reader = new LineReader(ANSWER_MAX)
  readonly #lines: string[] = []

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
  }

  static async connect(t: TestContext, path: string): Promise<LineClient> {
    const socket = connect({ path, allowHalfOpen: true })
    await once(socket, 'connect')
    t.after(() => void socket.destroy())
    return new LineClient(socket)
  }

  /** Resolves when the daemon's end has taken it all. */
  write(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.write(bytes, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** The next line; undefined: the daemon ended the connection. */
  async next(): Promise<string | undefined> {
    while (this.#lines.length === 0) {
      const chunk = this.socket.read() as Buffer | null
      if (chunk !== null) this.#lines.push(...this.#reader.push(chunk))
      else if (this.socket.readableEnded || this.socket.destroyed) return undefined
      else await this.#moved()
    }
    return this.#lines.shift()
  }

  #moved(): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        for (const event of ['readable', 'end', 'close']) this.socket.off(event, settle)
        resolve()
      }
      for (const event of ['readable', 'end', 'close']) this.socket.on(event, settle)
    })
  }

  /** The next answer. */
  async answer(): Promise<unknown> {
    const line = await this.next()
    return line === undefined ? undefined : JSON.parse(line)
  }

  /** Every answer until the connection ends. */
  async rest(): Promise<unknown[]> {
    const answers: unknown[] = []
    for (let line = await this.next(); line !== undefined; line = await this.next()) {
      answers.push(JSON.parse(line))
    }
    return answers
  }
}
