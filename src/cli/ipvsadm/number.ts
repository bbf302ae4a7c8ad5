/**
 * Numbers on ipvsadm's command line: decimal as strtol(3) reads it (blanks and a sign before, nothing behind).
 */

const DECIMAL = /^[ \t\n\v\f\r]*[+-]?[0-9]+$/

/** The number, or undefined if `text` is none or lies outside `min` … `max`. */
export function parseNumber(text: string, min: number, max: number): number | undefined {
  if (!DECIMAL.test(text)) return undefined
  const value = Number(text)
  return value >= min && value <= max ? value : undefined
}

/** As atoi(3): what the text begins with, or 0. */
export function parseLeadingNumber(text: string): number {
  const value = Number.parseInt(/^[ \t\n\v\f\r]*([+-]?[0-9]+)/.exec(text)?.[1] ?? '0', 10)
  return Number.isSafeInteger(value) ? value : 0
}
