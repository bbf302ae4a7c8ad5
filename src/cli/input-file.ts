/**
 * Files that a command is given: read whole, and what is wrong with them said with its place.
 */
import { readFileSync } from 'node:fs'
import { parseRules, RulesError, type Rule } from './ipvsadm/rules.ts'
import { Exit, Failure } from './sluice/exit.ts'

/** Throws Failure, in one sentence. */
export function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new Failure(Exit.usage, `cannot read ${path}: ${sayFileError(error)}`)
  }
}

/** As `readBytes`, but text. */
export function readText(path: string): string {
  return new TextDecoder().decode(readBytes(path))
}

/** Rules as `ipvsadm -S` writes them. Throws Failure: all that is wrong, a line each. */
export function readRules(path: string): Rule[] {
  try {
    return parseRules(readText(path))
  } catch (error) {
    if (error instanceof RulesError) throw failureOf(path, error.problems)
    throw error
  }
}

/** A file's problems, one a line: `rules.txt:3:39: illegal weight specified`. */
export function failureOf(
  path: string,
  problems: readonly { line: number; column?: number; message: string }[],
): Failure {
  const lines = problems.map(({ line, column, message }) => {
    const place = column === undefined ? `${path}:${line}` : `${path}:${line}:${column}`
    return `${place}: ${message}`
  })
  return new Failure(Exit.usage, lines.join('\n'))
}

const ERROR_TEXT: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'you may not',
  EISDIR: 'it is a folder',
  ENOSPC: 'the disk is full',
  EROFS: 'it is on a disk that cannot be written to',
}

/** What went wrong with a file, in words. */
export function sayFileError(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException
  return ERROR_TEXT[code] ?? message
}
