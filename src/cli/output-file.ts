/**
 * A file that a command writes: either all of it is there in the end, or what was there before.
 */
import { closeSync, openSync, realpathSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { sayFileError } from './input-file.ts'
import { Exit, Failure } from './sluice/exit.ts'

/**
 * Writes the parts beside `path` and then takes its place. What is no regular file (a pipe, /dev/null) is written to
 * as it is. Throws Failure, in one sentence.
 */
export function writeFileWhole(path: string, parts: Iterable<Uint8Array>): void {
  try {
    const target = resolveLink(path)
    if (isSpecial(target)) writeParts(target, 'w', parts)
    else replace(target, parts)
  } catch (error) {
    throw new Failure(Exit.no, `cannot write ${path}: ${sayFileError(error)}`)
  }
}

/** Do both lead to the same regular file? */
export function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }))
  return a !== undefined && b?.isFile() === true && a.ino === b.ino && a.dev === b.dev
}

function replace(path: string, parts: Iterable<Uint8Array>): void {
  const unfinished = `${path}.${process.pid}.part`
  try {
    writeParts(unfinished, 'wx', parts)
    renameSync(unfinished, path)
  } catch (error) {
    rmSync(unfinished, { force: true })
    throw error
  }
}

function writeParts(path: string, flags: string, parts: Iterable<Uint8Array>): void {
  const file = openSync(path, flags)
  try {
    for (const part of parts) {
      for (let at = 0; at < part.length;) at += writeSync(file, part, at)
    }
  } finally {
    closeSync(file)
  }
}

/** Where a symbolic link leads: the link itself is to stay. */
function resolveLink(path: string): string {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? path : realpathSync(path)
}

function isSpecial(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false })
  return status !== undefined && !status.isFile()
}
