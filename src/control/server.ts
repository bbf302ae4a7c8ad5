/**
 * The control socket's daemon side: see protocol.ts for what goes over it.
 *
 * Calls of one client begin in order, at once, and are answered in order. That a call begins before the one before it is
 * answered lets changes share one step of the engine (daemon/claim-keeper.ts). A client that does not read is not read
 * from either.
 */
import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import type { CallTable } from './call-table.ts'
import { ControlError } from './control-error.ts'
import { ControlSession, type SessionOptions } from './session.ts'

/** Clients at once. */
const CLIENTS_MAX = 256

export class ControlServer {
  readonly path: string
  readonly #server: Server
  readonly #clients = new Set<Socket>()
  #inode = 0

  private constructor(path: string, calls: CallTable, options: SessionOptions) {
    this.path = path
    this.#server = createServer((socket) => {
      this.#clients.add(socket)
      socket.on('close', () => this.#clients.delete(socket))
      new ControlSession(socket, calls, options).run()
    })
    this.#server.maxConnections = CLIENTS_MAX
  }

  /** Rejects with ControlError: EADDRINUSE where another daemon answers, or why the path cannot be had. */
  static async listen(
    path: string,
    calls: CallTable,
    options: SessionOptions = {},
  ): Promise<ControlServer> {
    mkdirSync(dirname(path), { recursive: true })
    await removeStale(path)
    const control = new ControlServer(path, calls, options)
    await control.#bind()
    return control
  }

  #bind(): Promise<void> {
    return new Promise((resolve, reject) => {
      const refuse = (error: NodeJS.ErrnoException) =>
        reject(
          new ControlError(error.code ?? 'EIO', `cannot listen at ${this.path} (${error.code})`),
        )
      this.#server.once('error', refuse)
      // The mode must be right from the first moment: nobody else may connect before a chmod.
      const mask = process.umask(0o177)
      try {
        this.#server.listen(this.path, () => {
          this.#server.off('error', refuse)
          chmodSync(this.path, 0o600)
          this.#inode = lstatSync(this.path).ino
          resolve()
        })
      } finally {
        process.umask(mask)
      }
    })
  }

  /** Ends all connections and removes the socket, if it is still ours. */
  close(): Promise<void> {
    // Node unlinks the path itself, whosever it is by now: so it must not find another daemon's.
    const isOurs = inodeOf(this.path) === this.#inode
    for (const client of this.#clients) client.destroy()
    return new Promise((resolve) => {
      if (isOurs) this.#server.close(() => resolve())
      else {
        this.#server.unref()
        resolve()
      }
    })
  }
}

function inodeOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.ino
}

/** A socket that nobody listens on is left from a daemon that was killed. */
async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new ControlError('EEXIST', `${path} is there and is no socket: it was left alone`)
  }
  if (await isAnswered(path)) {
    throw new ControlError('EADDRINUSE', `another daemon answers at ${path}`)
  }
  unlinkSync(path)
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
