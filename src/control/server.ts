/**
 * The control socket's daemon side: listens, and gives each client its session. See protocol.ts for what goes over it.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { CallTable } from './call-table.ts'
import { ControlError } from './control-error.ts'
import { CLIENTS_MAX } from './limits.ts'
import { ControlSession, type SessionOptions } from './session.ts'
import { codeOf, type SocketPlace } from './socket-place.ts'

/** Mode 0600 for what is bound: root's daemon is root's to ask. */
const OTHERS_MASK = 0o177

export class ControlServer {
  readonly #place: SocketPlace
  readonly #server: Server
  readonly #clients = new Set<Socket>()

  private constructor(place: SocketPlace, calls: CallTable, options: SessionOptions) {
    this.#place = place
    // A client may end its side (`… | nc -N -U`) and still wants its answers.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      if (this.#clients.size >= CLIENTS_MAX) return refuseClient(socket)
      this.#clients.add(socket)
      socket.on('close', () => this.#clients.delete(socket))
      void new ControlSession(socket, calls, options).run()
    })
  }

  /** Answers at `place`, which stays its owner's to leave. Rejects with ControlError. */
  static async listen(
    place: SocketPlace,
    calls: CallTable,
    options: SessionOptions = {},
  ): Promise<ControlServer> {
    const control = new ControlServer(place, calls, options)
    try {
      await control.#bind()
      await place.publish()
    } catch (error) {
      await control.close()
      throw error
    }
    return control
  }

  get path(): string {
    return this.#place.path
  }

  #bind(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => {
        const code = codeOf(error)
        reject(new ControlError(code, `cannot listen at ${this.path} (${code})`))
      })
      // Bound within listen(): a chmod afterwards would leave others a moment.
      const mask = process.umask(OTHERS_MASK)
      try {
        this.#server.listen(this.#place.newPath, resolve)
      } finally {
        process.umask(mask)
      }
    })
  }

  /** Ends all connections and removes the socket. May be called twice. */
  async close(): Promise<void> {
    // Node removes at once the name that was bound, which is not the one where clients look.
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#place.withdraw()
    for (const client of this.#clients) client.destroy()
    await closed
  }
}

function refuseClient(socket: Socket): void {
  const error = { errno: 'EUSERS', message: `${CLIENTS_MAX} clients are connected already` }
  socket.on('error', () => {})
  socket.end(`${JSON.stringify({ id: null, error })}\n`, () => socket.destroy())
}
