/**
 * What a pass has to say about a place in a file, and how that is shown:
 *
 *     src/dataplane/hash.ts:12:10: error: `*` may exceed 2^53, where JavaScript loses bits
 *       12 |   return a * b
 *          |          ^~~~~
 *          = write mul32(a, b) instead
 */
import type { Place } from './tree.ts'

export interface Diagnostic {
  readonly file: string
  /** Both count from 1; the column in UTF-16 units. */
  readonly line: number
  readonly column: number
  /** Columns the caret underlines, at least 1; no further than the line's end. */
  readonly width: number
  readonly message: string
  /** What to write instead; '' where nobody can know. */
  readonly instead: string
}

/** A diagnostic about `place` of the file with this text. */
export function diagnose(
  file: string,
  text: string,
  place: Place,
  message: string,
  instead: string,
): Diagnostic {
  const before = text.slice(0, place.start)
  const lineStart = before.lastIndexOf('\n') + 1
  const lineEnd = text.indexOf('\n', place.start)
  const end = Math.min(place.end, lineEnd < 0 ? text.length : lineEnd)
  return {
    file,
    line: before.split('\n').length,
    column: place.start - lineStart + 1,
    width: Math.max(1, end - place.start),
    message,
    instead,
  }
}

/** As people read it: where, what, the line with a caret, what to write instead. `text` is the file's. */
export function formatDiagnostic(diagnostic: Diagnostic, text: string): string {
  const { file, line, column, width, message, instead } = diagnostic
  const number = String(line)
  const margin = ' '.repeat(number.length)
  const source = text.split('\n')[line - 1] ?? ''
  const caret = ' '.repeat(column - 1) + '^' + '~'.repeat(width - 1)
  const lines = [
    `${file}:${line}:${column}: error: ${message}`,
    `  ${number} | ${source}`,
    `  ${margin} | ${caret}`,
  ]
  if (instead !== '') lines.push(`  ${margin} = write ${instead} instead`)
  return lines.join('\n')
}
