/**
 * One client of the control socket: its lines in, the answers out, in order.
 *
 * Calls begin in order, at once, and are answered in order. That a call begins before the one before it is answered
 * lets changes share one step of the engine (daemon/claim-keeper.ts). Behind a call with a long result, or one that is
 * long work (LONG_CALLS), the next begins when that is answered: so a client has one listing in the making, and each
 * shows what the calls before it left.
 *
 * Two things are bounded here: what waits in memory for a client that does not read (OUTSTANDING_MAX answers; then it
 * is not read from either), and how long packets wait for this client (SLICE_MS).
 */
import type { Socket } from 'node:net'
import { JsonRows } from '../base/json-rows.ts'
import type { CallTable } from './call-table.ts'
import { ControlError } from './control-error.ts'
import { OUTSTANDING_MAX, PART_BYTES, SLICE_MS } from './limits.ts'
import { LineReader } from './lines.ts'
import {
  fillRows,
  isLong,
  nextPart,
  PART_HEAD_MAX,
  wrapRows,
  type LongAnswer,
} from './long-answer.ts'
import { LINE_MAX, LONG_CALLS, type CallName } from './protocol.ts'
import { shorten } from './shape.ts'
import { checkParameters } from './validate.ts'

export interface SessionOptions {
  /** A call failed with something that is no refusal: the daemon's own fault. */
  onFault?(error: unknown): void
}

interface Refusal {
  readonly errno: string
  readonly message: string
}

/** How a call ended. `long`: rows that are made while they are written. */
type Outcome =
  { readonly result: unknown } | { readonly long: LongAnswer } | { readonly error: Refusal }

export class ControlSession {
  readonly #socket: Socket
  readonly #calls: CallTable
  readonly #options: SessionOptions
  readonly #lines = new LineReader(LINE_MAX)
  /** Resolves when every call that began is answered. */
  #answered: Promise<void> = Promise.resolve()
  #outstanding = 0
  /** What is written in one turn goes out together. */
  #unsent: string[] = []
  /** The client has not taken enough of what was sent before. */
  #isClogged = false

  constructor(socket: Socket, calls: CallTable, options: SessionOptions) {
    this.#socket = socket
    this.#calls = calls
    this.#options = options
  }

  /** Serves the client until it has gone. Needs a socket that may be half open. */
  async run(): Promise<void> {
    // The error itself reaches whoever reads or writes.
    this.#socket.on('error', () => {})
    this.#socket.on('drain', () => (this.#isClogged = false))
    try {
      for await (const chunk of this.#socket.iterator({ destroyOnReturn: false })) {
        await this.#takeLines(this.#lines.push(chunk as Buffer))
        if (this.#lines.isTooLong) break
      }
      await this.#answered
      await this.#end()
    } catch {
      // The client has gone, or it breaks off in the middle of an answer.
      this.#socket.destroy()
    }
  }

  async #takeLines(lines: readonly string[]): Promise<void> {
    let sliceMs = performance.now()
    for (const line of lines) {
      if (line !== '' && this.#begin(line)) await this.#answered
      if (performance.now() - sliceMs < SLICE_MS) continue
      await nextTurn()
      sliceMs = performance.now()
    }
    if (this.#outstanding > OUTSTANDING_MAX) await this.#answered
  }

  /** True: the call takes long, no other may begin before it is answered. */
  #begin(line: string): boolean {
    const request = parseRequest(line)
    if (request === undefined) {
      this.#queue(null, { error: { errno: 'EINVAL', message: 'this line is no JSON object' } })
      return false
    }
    const outcome = this.#call(request.call, request.with)
    this.#queue(Number.isFinite(request.id) ? (request.id as number) : null, outcome)
    return 'long' in outcome || LONG_CALLS.has(request.call as CallName)
  }

  #call(name: unknown, parameters: unknown): Outcome | Promise<Outcome> {
    try {
      if (typeof name !== 'string' || !Object.hasOwn(this.#calls, name)) {
        throw new ControlError('ENOSYS', `there is no call ${shorten(name)}`)
      }
      const checked = checkParameters(name as CallName, parameters)
      const call = this.#calls[name as CallName] as (parameters: unknown) => unknown
      const result = call(checked)
      if (isLong(result)) return { long: result }
      if (!(result instanceof Promise)) return { result }
      return result.then(
        (settled: unknown) => ({ result: settled }),
        (error: unknown) => ({ error: this.#refuse(error) }),
      )
    } catch (error) {
      return { error: this.#refuse(error) }
    }
  }

  #queue(id: number | null, outcome: Outcome | Promise<Outcome>): void {
    this.#outstanding++
    const before = this.#answered
    this.#answered = (async () => {
      await before
      await this.#answer(id, await outcome)
      this.#outstanding--
    })()
    // Whoever awaits it next learns of the client's departure.
    this.#answered.catch(() => {})
  }

  async #answer(id: number | null, outcome: Outcome): Promise<void> {
    if ('result' in outcome) return this.#write({ id, result: outcome.result ?? null })
    if ('error' in outcome) return this.#write({ id, error: outcome.error })
    const { long } = outcome
    return long instanceof JsonRows ? this.#answerInBytes(id, long) : this.#answerInParts(id, long)
  }

  async #answerInParts(id: number | null, long: Iterable<unknown>): Promise<void> {
    const rows = long[Symbol.iterator]()
    try {
      for (;;) {
        const { part, isLast, error } = nextPart(rows)
        if (error !== undefined) return this.#write({ id, error: this.#refuse(error) })
        await this.#write(`{"id":${id},"${isLast ? 'result' : 'part'}":[${part.join()}]}`)
        if (isLast) return
        await nextTurn()
      }
    } finally {
      rows.return?.()
    }
  }

  /** One piece of memory for all parts: the next is made when the client has taken the last. */
  async #answerInBytes(id: number | null, rows: JsonRows): Promise<void> {
    const bytes = Buffer.allocUnsafeSlow(PART_BYTES)
    while (!this.#socket.destroyed) {
      let end: number
      try {
        end = fillRows(rows, bytes)
      } catch (error) {
        return this.#write({ id, error: this.#refuse(error) })
      }
      this.#send()
      if (end > PART_HEAD_MAX || rows.isDone) {
        await this.#writeBytes(
          wrapRows(bytes, end, `{"id":${id},"${rows.isDone ? 'result' : 'part'}":[`),
        )
      }
      if (rows.isDone) return
      await nextTurn()
    }
    throw new Error('the client has gone')
  }

  /** Resolves once nobody needs the bytes any more; rejects if the client has gone. */
  #writeBytes(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** What the client is told of a thrown error; one that is no refusal is the daemon's own fault. */
  #refuse(error: unknown): Refusal {
    if (error instanceof ControlError) return { errno: error.errno, message: error.message }
    this.#options.onFault?.(error)
    return { errno: 'EINTERNAL', message: 'the daemon failed at this; its log says why' }
  }

  /** Resolves once the client has taken enough for more; rejects if it has gone. */
  #write(answer: object | string): Promise<void> | void {
    const line = typeof answer === 'string' ? answer : JSON.stringify(answer)
    if (this.#socket.destroyed) throw new Error('the client has gone')
    if (this.#unsent.push(line) === 1) process.nextTick(() => this.#send())
    if (this.#isClogged) return this.#drained()
  }

  #send(): void {
    if (this.#unsent.length === 0 || this.#socket.destroyed) return
    const text = `${this.#unsent.join('\n')}\n`
    this.#unsent = []
    this.#isClogged = !this.#socket.write(text)
  }

  #drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        this.#socket.off('close', settle).off('drain', settle)
        if (this.#socket.destroyed) reject(new Error('the client has gone'))
        else resolve()
      }
      this.#socket.on('close', settle).on('drain', settle)
    })
  }

  /** Says what was wrong with a line that never ended, and that nothing more comes. */
  async #end(): Promise<void> {
    if (this.#lines.isTooLong) {
      const error = { errno: 'EMSGSIZE', message: `a line has more than ${LINE_MAX} bytes` }
      await this.#write({ id: null, error })
      // What it still sends is let go: a client that cannot write all of it might never come to read this.
      this.#socket.resume()
    }
    this.#send()
    this.#socket.end()
  }
}

interface Request {
  readonly id?: unknown
  readonly call?: unknown
  readonly with?: unknown
}

function parseRequest(line: string): Request | undefined {
  try {
    const value = JSON.parse(line) as unknown
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // No JSON at all.
  }
  return undefined
}

/** Lets the loop do its other work: packets go before listings. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
