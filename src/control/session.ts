/**
 * One client of the control socket: its lines in, the answers out, in order.
 */
import type { Socket } from 'node:net'
import type { CallTable } from './call-table.ts'
import { ControlError } from './control-error.ts'
import { LineReader } from './lines.ts'
import { LINE_MAX, PART_ROWS, type CallName } from './protocol.ts'
import { checkParameters } from './validate.ts'

/** Answers that may be outstanding before no further line is taken. */
const OUTSTANDING_MAX = 1024

export interface SessionOptions {
  /** A call failed with something that is no refusal: the daemon's own fault. */
  onFault?(error: unknown): void
}

type Outcome = { readonly result: unknown } | { readonly error: unknown }

export class ControlSession {
  readonly #socket: Socket
  readonly #calls: CallTable
  readonly #options: SessionOptions
  readonly #lines = new LineReader(LINE_MAX)
  /** The last answer written, or being written. */
  #answered: Promise<void> = Promise.resolve()
  #outstanding = 0

  constructor(socket: Socket, calls: CallTable, options: SessionOptions) {
    this.#socket = socket
    this.#calls = calls
    this.#options = options
  }

  run(): void {
    this.#socket.on('error', () => this.#socket.destroy())
    this.#socket.on('data', (chunk: Buffer) => {
      const lines = this.#lines.push(chunk)
      if (lines === undefined) {
        const tooLong = new ControlError('EMSGSIZE', `a line has more than ${LINE_MAX} bytes`)
        this.#queue(null, Promise.resolve({ error: tooLong }))
        this.#socket.pause()
        void this.#answered.then(() => this.#socket.end())
        return
      }
      for (const line of lines) if (line !== '') this.#begin(line)
      if (this.#outstanding > OUTSTANDING_MAX) this.#socket.pause()
    })
  }

  #begin(line: string): void {
    let request: { id?: unknown; call?: unknown; with?: unknown }
    try {
      request = JSON.parse(line) as typeof request
      if (typeof request !== 'object' || request === null) throw new SyntaxError('no object')
    } catch {
      const error = new ControlError('EINVAL', 'this line is no JSON object')
      this.#queue(null, Promise.resolve({ error }))
      return
    }
    const id = typeof request.id === 'number' ? request.id : null
    this.#queue(id, this.#call(request.call, request.with))
  }

  /** Begins the call now. */
  async #call(name: unknown, parameters: unknown): Promise<Outcome> {
    try {
      if (typeof name !== 'string' || !Object.hasOwn(this.#calls, name)) {
        throw new ControlError('ENOSYS', `there is no call ${JSON.stringify(name)}`)
      }
      const checked = checkParameters(name as CallName, parameters)
      const call = this.#calls[name as CallName] as (parameters: unknown) => unknown
      return { result: await call(checked) }
    } catch (error) {
      if (!(error instanceof ControlError)) this.#options.onFault?.(error)
      return { error }
    }
  }

  #queue(id: number | null, outcome: Promise<Outcome>): void {
    this.#outstanding++
    const before = this.#answered
    this.#answered = (async () => {
      await before
      await this.#answer(id, await outcome)
      if (--this.#outstanding === 0 && this.#socket.isPaused()) this.#socket.resume()
    })().catch(() => void this.#socket.destroy())
  }

  async #answer(id: number | null, outcome: Outcome): Promise<void> {
    if ('error' in outcome) return this.#write({ id, error: describe(outcome.error) })
    const { result } = outcome
    if (!isLong(result)) return this.#write({ id, result: result ?? null })
    let part: unknown[] = []
    for (const row of result) {
      part.push(row)
      if (part.length < PART_ROWS) continue
      await this.#write({ id, part })
      part = []
      // Packets go before listings: let the loop do its other work.
      await new Promise((resolve) => setImmediate(resolve))
    }
    await this.#write({ id, result: part })
  }

  /** Resolves once the client has taken enough for more. */
  #write(message: object): Promise<void> | void {
    if (this.#socket.destroyed) throw new Error('the client has gone')
    if (this.#socket.write(`${JSON.stringify(message)}\n`)) return
    return new Promise((resolve, reject) => {
      const gone = () => reject(new Error('the client has gone'))
      this.#socket.once('close', gone)
      this.#socket.once('drain', () => {
        this.#socket.off('close', gone)
        resolve()
      })
    })
  }
}

function isLong(result: unknown): result is Iterable<unknown> {
  return typeof result === 'object' && result !== null && Symbol.iterator in result
}

function describe(error: unknown): { errno: string; message: string } {
  if (error instanceof ControlError) return { errno: error.errno, message: error.message }
  return { errno: 'EINTERNAL', message: 'the daemon failed at this; its log says why' }
}
