/**
 * `--watch`: a listing again and again, until it fails or somebody ends it.
 *
 * On a terminal each one stands in the place of the one before, as far as it fits; elsewhere they follow each other,
 * an empty line between.
 */
import type { Surroundings } from './surroundings.ts'

const HOME = '\x1b[H'
const CLEAR_LINE = '\x1b[K'
const CLEAR_BELOW = '\x1b[J'

/** `show` prints the listing once, and gives the status. */
export async function watch(
  seconds: number,
  surroundings: Surroundings,
  show: (surroundings: Surroundings) => Promise<number>,
): Promise<number> {
  const { print, terminalRows, pause } = surroundings
  const draw = (text: string) => {
    const rows = terminalRows()
    print(rows === null ? text : onScreen(text, rows))
  }
  for (let isFirst = true; ; isFirst = false) {
    if (!isFirst && terminalRows() === null) print('\n')
    const status = await show({ ...surroundings, print: draw })
    if (status !== 0 || !(await pause(seconds))) return status
  }
}

function onScreen(text: string, rows: number): string {
  const lines = text.split('\n').slice(0, rows - 1)
  return HOME + lines.map((line) => `${line}${CLEAR_LINE}`).join('\n') + CLEAR_BELOW
}
