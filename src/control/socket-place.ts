/**
 * A socket's place in the file system: taken from the dead, left to the living.
 *
 * A daemon binds under a name of its own and, once it listens, links the socket to where clients look. Linking fails
 * where something is already: so of two daemons that start at once one finds the other, and no client ever sees a
 * socket that does not listen or has the wrong mode.
 */
import { randomBytes } from 'node:crypto'
import { linkSync, lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { ControlError } from './control-error.ts'
import { PATH_MAX, PUBLISH_TRIES_MAX } from './limits.ts'

/** A name beside `path` that nobody else has; its folder is made if it is missing. Throws ControlError. */
export function reserveName(path: string): string {
  const name = nameBeside(path)
  if (Buffer.byteLength(name) > PATH_MAX) {
    const most = PATH_MAX - (Buffer.byteLength(name) - Buffer.byteLength(path))
    throw new ControlError('ENAMETOOLONG', `${path} is too long: a socket's path has ${most} bytes`)
  }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  } catch (error) {
    throw new ControlError(codeOf(error), `cannot make the folder of ${path} (${codeOf(error)})`)
  }
  return name
}

/**
 * Moves the socket at `name` to `path`. Rejects with ControlError: EADDRINUSE where another daemon answers, EEXIST
 * where something else is.
 */
export async function publish(name: string, path: string): Promise<void> {
  for (let i = 0; i < PUBLISH_TRIES_MAX; i++) {
    if (isLinked(name, path)) {
      rmSync(name)
      return
    }
    await removeDead(path)
  }
  throw new ControlError('EADDRINUSE', `other daemons are after ${path} at this moment`)
}

/** Which file is there; undefined if there is none. */
export function inodeAt(path: string): bigint | undefined {
  return lstatSync(path, { throwIfNoEntry: false, bigint: true })?.ino
}

function isLinked(name: string, path: string): boolean {
  try {
    linkSync(name, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw new ControlError(codeOf(error), `cannot put a socket at ${path} (${codeOf(error)})`)
  }
}

/** Removes the socket of a daemon that was killed. */
async function removeDead(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new ControlError('EEXIST', `${path} is no socket and was left alone: choose another`)
  }
  if (!(await isDead(path))) throw answered(path)
  // Taken aside first: another daemon may have replaced it since it was asked.
  const aside = nameBeside(path)
  try {
    renameSync(path, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw new ControlError(codeOf(error), `cannot remove the dead ${path} (${codeOf(error)})`)
  }
  const isStillDead = await isDead(aside)
  if (!isStillDead) isLinked(aside, path)
  rmSync(aside)
  if (!isStillDead) throw answered(path)
}

/** Does nobody listen there? A socket that is not ours to ask, or has a long queue, is alive. */
function isDead(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', (error) => resolve(['ECONNREFUSED', 'ENOENT'].includes(codeOf(error))))
  })
}

function answered(path: string): ControlError {
  return new ControlError(
    'EADDRINUSE',
    `another daemon answers at ${path}: stop it first, or give this one another socket`,
  )
}

function nameBeside(path: string): string {
  return `${path}.${randomBytes(4).toString('hex')}`
}

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'EIO'
}
