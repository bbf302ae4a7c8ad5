/**
 * The control socket's daemon side: listens, and gives each client its session. See protocol.ts for what goes over it.
 */
import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import type { CallTable } from './call-table.ts'
import { ControlError } from './control-error.ts'
import { CLIENTS_MAX } from './limits.ts'
import { ControlSession, type SessionOptions } from './session.ts'
import { codeOf, inodeAt, publish, reserveName } from './socket-place.ts'

/** Mode 0600 for what is bound: root's daemon is root's to ask. */
const OTHERS_MASK = 0o177

export class ControlServer {
  readonly path: string
  readonly #server: Server
  readonly #clients = new Set<Socket>()
  #inode: bigint | undefined

  private constructor(path: string, calls: CallTable, options: SessionOptions) {
    this.path = path
    // A client may end its side (`… | nc -N -U`) and still wants its answers.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      if (this.#clients.size >= CLIENTS_MAX) return refuseClient(socket)
      this.#clients.add(socket)
      socket.on('close', () => this.#clients.delete(socket))
      void new ControlSession(socket, calls, options).run()
    })
  }

  /** Rejects with ControlError: EADDRINUSE where another daemon answers, or why the path cannot be had. */
  static async listen(
    path: string,
    calls: CallTable,
    options: SessionOptions = {},
  ): Promise<ControlServer> {
    const control = new ControlServer(path, calls, options)
    const name = reserveName(path)
    await control.#bind(name)
    const inode = inodeAt(name)
    try {
      await publish(name, path)
    } catch (error) {
      await control.close()
      throw error
    }
    control.#inode = inode
    return control
  }

  #bind(name: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => {
        const code = codeOf(error)
        reject(new ControlError(code, `cannot listen at ${this.path} (${code})`))
      })
      // Bound within listen(): a chmod afterwards would leave others a moment.
      const mask = process.umask(OTHERS_MASK)
      try {
        this.#server.listen(name, resolve)
      } finally {
        process.umask(mask)
      }
    })
  }

  /** Ends all connections and removes the socket, if it is still ours. */
  close(): Promise<void> {
    if (this.#inode !== undefined && inodeAt(this.path) === this.#inode) rmSync(this.path)
    this.#inode = undefined
    for (const client of this.#clients) client.destroy()
    // Node removes the name that was bound, which publish() has done: not what is at the path by now.
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

function refuseClient(socket: Socket): void {
  const error = { errno: 'EUSERS', message: `${CLIENTS_MAX} clients are connected already` }
  socket.on('error', () => {})
  socket.end(`${JSON.stringify({ id: null, error })}\n`, () => socket.destroy())
}
