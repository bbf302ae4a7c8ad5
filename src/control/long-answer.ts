/**
 * A long answer in its parts, made while they are written: as many rows as one turn of the loop has time for.
 *
 *     {"id":7,"part":[ROW,ROW,…]}     …     {"id":7,"result":[ROW,…]}
 *
 * Rows are values, or bytes that are JSON already (base/json-rows.ts).
 */
import { JsonRows } from '../base/json-rows.ts'
import { PART_CHARS, SLICE_MS } from './limits.ts'
import { PART_ROWS } from './protocol.ts'

export type LongAnswer = Iterable<unknown> | JsonRows

export function isLong(result: unknown): result is LongAnswer {
  return (
    result instanceof JsonRows ||
    (typeof result === 'object' && result !== null && Symbol.iterator in result)
  )
}

export interface Part {
  /** Rows as JSON. */
  readonly part: string[]
  readonly isLast: boolean
  readonly error?: unknown
}

/** As many rows as may be made in one turn. */
export function nextPart(rows: Iterator<unknown>): Part {
  const untilMs = performance.now() + SLICE_MS
  const part: string[] = []
  let chars = 0
  try {
    do {
      const row = rows.next()
      if (row.done === true) return { part, isLast: true }
      const text = JSON.stringify(row.value)
      part.push(text)
      chars += text.length
    } while (part.length < PART_ROWS && chars < PART_CHARS && performance.now() < untilMs)
  } catch (error) {
    return { part, isLast: true, error: error ?? new Error('thrown without a reason') }
  }
  return { part, isLast: false }
}

/** As many rows as may be made in one turn, and fit, behind the room for what a line begins with. Where they end. */
export function fillRows(rows: JsonRows, bytes: Buffer): number {
  const untilMs = performance.now() + SLICE_MS
  const last = bytes.length - rows.room - PART_END.length
  let at = PART_HEAD_MAX
  while (!rows.isDone && at <= last && performance.now() < untilMs) at = rows.write(bytes, at)
  return at
}

/** The whole line: `head` is written to end where the rows begin, whose last comma goes. */
export function wrapRows(bytes: Buffer, end: number, head: string): Buffer {
  const rowsEnd = end === PART_HEAD_MAX ? end : end - 1
  const start = PART_HEAD_MAX - head.length
  bytes.write(head, start, 'latin1')
  bytes.write(PART_END, rowsEnd, 'latin1')
  return bytes.subarray(start, rowsEnd + PART_END.length)
}
/** Where the rows begin. */
export const PART_HEAD_MAX = 64
const PART_END = ']}\n'
