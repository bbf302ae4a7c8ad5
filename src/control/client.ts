/**
 * The control socket's client side. Light: command lines load it at every start.
 */
import { connect, type Socket } from 'node:net'
import { ControlError } from './control-error.ts'
import { LineReader } from './lines.ts'
import type { CallName, Calls } from './protocol.ts'

/** Bytes of one answer's line: a part of PART_ROWS rows fits many times over. */
const ANSWER_MAX = 64 << 20

interface Pending {
  parts: unknown[] | undefined
  resolve(result: unknown): void
  reject(error: Error): void
}

interface Answer {
  readonly id: number | null
  readonly result?: unknown
  readonly part?: unknown[]
  readonly error?: { readonly errno: string; readonly message: string }
}

export class ControlClient {
  readonly #socket: Socket
  readonly #pending = new Map<number, Pending>()
  readonly #lines = new LineReader(ANSWER_MAX)
  #id = 0
  #lost: ControlError | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#lose('the daemon ended the connection'))
  }

  /** Rejects with ControlError where no daemon answers: ENOENT, ECONNREFUSED, EACCES. */
  static connect(path: string): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path)
      socket.once('error', (error: NodeJS.ErrnoException) => {
        const errno = error.code ?? 'EIO'
        reject(new ControlError(errno, reasonOf(errno, path)))
      })
      socket.once('connect', () => {
        socket.removeAllListeners('error')
        resolve(new ControlClient(socket))
      })
    })
  }

  /** Calls may be made before earlier ones are answered. Rejects with ControlError: refused, or EPIPE: connection lost. */
  call<N extends CallName>(name: N, parameters: Calls[N]['with']): Promise<Calls[N]['result']> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost)
    const id = ++this.#id
    return new Promise((resolve, reject) => {
      this.#pending.set(id, {
        parts: undefined,
        resolve: resolve as (result: unknown) => void,
        reject,
      })
      this.#socket.write(`${JSON.stringify({ id, call: name, with: parameters })}\n`)
    })
  }

  #take(chunk: Buffer): void {
    const lines = this.#lines.push(chunk)
    if (lines === undefined) return this.#break('sent an endless line')
    for (const line of lines) {
      let answer: Answer
      try {
        answer = JSON.parse(line) as Answer
      } catch {
        return this.#break('sent no JSON')
      }
      this.#settle(answer)
    }
  }

  #settle({ id, result, part, error }: Answer): void {
    const pending = this.#pending.get(id ?? -1)
    if (pending === undefined || id === null) return
    if (part !== undefined) {
      pending.parts ??= []
      for (const row of part) pending.parts.push(row)
      return
    }
    this.#pending.delete(id)
    if (error !== undefined) pending.reject(new ControlError(error.errno, error.message))
    else if (pending.parts === undefined) pending.resolve(result)
    else pending.resolve(pending.parts.concat(result as unknown[]))
  }

  #break(what: string): void {
    this.#lose(`the daemon ${what}`)
    this.#socket.destroy()
  }

  #lose(message: string): void {
    this.#lost ??= new ControlError('EPIPE', message)
    for (const { reject } of this.#pending.values()) reject(this.#lost)
    this.#pending.clear()
  }

  close(): void {
    this.#lost ??= new ControlError('EPIPE', 'the connection was closed here')
    this.#socket.end()
    this.#socket.unref()
  }
}

function reasonOf(errno: string, path: string): string {
  if (errno === 'EACCES' || errno === 'EPERM') {
    return `the control socket ${path} is not yours to use: be root`
  }
  if (errno === 'ENOENT' || errno === 'ECONNREFUSED') {
    return `no daemon answers at ${path}: start one with \`sluice run\`, or say where by SLUICE_SOCKET`
  }
  return `cannot reach the daemon at ${path} (${errno})`
}
