/**
 * The control socket's client side. Light: command lines load it at every start.
 */
import { connect, type Socket } from 'node:net'
import { ControlError } from './control-error.ts'
import { ANSWER_MAX } from './limits.ts'
import { LineReader } from './lines.ts'
import type { CallName, Calls } from './protocol.ts'

interface Pending {
  /** The parts of a long answer that came. */
  readonly parts: unknown[][]
  /** Instead of those, as bytes. */
  readonly rows?: Buffer[]
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
  /** Why there can be no more calls. */
  #lost: ControlError | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#lose('EPIPE', 'the daemon ended the connection'))
  }

  /** Rejects with ControlError where no daemon answers: ENOENT, ECONNREFUSED, EACCES. */
  static connect(path: string): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path)
      const refuse = (error: NodeJS.ErrnoException) => reject(refusal(error.code ?? 'EIO', path))
      socket.once('error', refuse)
      socket.once('connect', () => {
        socket.off('error', refuse)
        resolve(new ControlClient(socket))
      })
    })
  }

  /**
   * Calls may be made before earlier ones are answered. Rejects with ControlError: a refusal, EPIPE where the
   * connection is lost, or what the daemon had against the client as such.
   */
  call<N extends CallName>(name: N, parameters: Calls[N]['with']): Promise<Calls[N]['result']> {
    return this.#begin(name, parameters) as Promise<Calls[N]['result']>
  }

  /**
   * All connections as they come: JSON of rows, a comma between any two, in pieces. Who
   * prints a million of them needs neither texts nor objects.
   */
  connectionRows(): Promise<readonly Buffer[]> {
    return this.#begin('connection.list', {}, []) as Promise<readonly Buffer[]>
  }

  #begin(name: CallName, parameters: object, rows?: Buffer[]): Promise<unknown> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost)
    const id = ++this.#id
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { parts: [], ...(rows && { rows }), resolve, reject })
      this.#send(`${JSON.stringify({ id, call: name, with: parameters })}\n`)
    })
  }

  /** What is sent in one turn goes out together. */
  #send(line: string): void {
    const socket = this.#socket
    if (socket.writableCorked === 0) {
      socket.cork()
      process.nextTick(() => socket.uncork())
    }
    socket.write(line)
  }

  #take(chunk: Buffer): void {
    for (const line of this.#lines.pushBytes(chunk)) {
      if (this.#takeRows(line)) continue
      const answer = parseAnswer(line.toString())
      if (answer === undefined) return this.#leave('EPROTO', 'the daemon sent what is no answer')
      this.#settle(answer)
    }
    if (this.#lines.isTooLong) this.#leave('EPROTO', 'the daemon sent a line without an end')
  }

  /** True: the line is a part of what is wanted as bytes, which can only be the oldest call's. */
  #takeRows(line: Buffer): boolean {
    const [oldest] = this.#pending
    const rows = oldest?.[1].rows
    if (oldest === undefined || rows === undefined) return false
    const [id, { resolve }] = oldest
    for (const kind of ['part', 'result'] as const) {
      const head = `{"id":${id},"${kind}":[`
      if (line.toString('latin1', 0, head.length) !== head) continue
      rows.push(line.subarray(head.length, -ROWS_END))
      if (kind === 'result') {
        this.#pending.delete(id)
        resolve(rows)
      }
      return true
    }
    return false
  }

  #settle({ id, result, part, error }: Answer): void {
    // Not about one call: the daemon does not want this client, and ends the connection.
    if (id === null) return this.#lose(error?.errno ?? 'EPROTO', error?.message ?? 'refused')
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    if (part !== undefined) {
      pending.parts.push(part)
      return
    }
    this.#pending.delete(id)
    if (error !== undefined) pending.reject(new ControlError(error.errno, error.message))
    else if (pending.parts.length === 0) pending.resolve(result)
    else pending.resolve([...pending.parts, result].flat())
  }

  /** Rejects what is outstanding; from now on every call. */
  #lose(errno: string, message: string): void {
    this.#lost ??= new ControlError(errno, message)
    for (const { reject } of this.#pending.values()) reject(this.#lost)
    this.#pending.clear()
  }

  #leave(errno: string, message: string): void {
    this.#lose(errno, message)
    this.#socket.destroy()
  }

  /** What was sent still goes out; nothing is waited for. */
  close(): void {
    this.#lose('EPIPE', 'the connection was closed here')
    this.#socket.destroySoon()
    this.#socket.unref()
  }
}

/** `]}` */
const ROWS_END = 2

function parseAnswer(line: string): Answer | undefined {
  try {
    const value = JSON.parse(line) as Answer | null
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function refusal(errno: string, path: string): ControlError {
  return new ControlError(errno, reasonOf(errno, path))
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
