/**
 * A socket's place in the file system: taken from the dead, left to the living.
 *
 *   /run/sluice/sluice.sock         where clients look
 *   /run/sluice/sluice.sock.lock    locked by the daemon that has the place, as long as it lives
 *   /run/sluice/sluice.sock.new     for a moment: bound, not yet listening
 *
 * Of daemons that start at once one gets the lock. It alone may replace what a killed one left, and renames its socket
 * onto it once it listens: clients find the dead one or the new one, never none and never one with the wrong mode.
 */
import { lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { ControlError } from './control-error.ts'
import { PATH_MAX } from './limits.ts'

/** What only one daemon has, and has until it ends, however it ends. */
export interface Lock {
  /** Gives it back, and removes its file. */
  remove(): void
}

/** Undefined if another has it; throws errors with a `code`. */
export type TakeLock = (path: string) => Lock | undefined

const NEW = '.new'

export class SocketPlace {
  readonly path: string
  /** Where to bind. */
  readonly newPath: string
  readonly #lock: Lock
  /** Of our socket, once it is published. */
  #inode: bigint | undefined

  private constructor(path: string, lock: Lock) {
    this.path = path
    this.newPath = `${path}${NEW}`
    this.#lock = lock
  }

  /**
   * Its folder is made if it is missing. Rejects with ControlError: EADDRINUSE where another daemon is, EEXIST where
   * something else is, or why the place cannot be had.
   */
  static async take(path: string, takeLock: TakeLock): Promise<SocketPlace> {
    refuseLongPath(path)
    tell(`cannot make the folder of ${path}`, () =>
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 }),
    )
    const lock = tell(`cannot lock ${path}.lock`, () => takeLock(`${path}.lock`))
    if (lock === undefined) throw takenError(path)
    try {
      await refuseOccupant(path)
      rmSync(`${path}${NEW}`, { force: true })
    } catch (error) {
      lock.remove()
      throw error
    }
    return new SocketPlace(path, lock)
  }

  /** The socket at `newPath` listens: clients may find it. Throws ControlError; the place is still ours then. */
  async publish(): Promise<void> {
    // Who keeps no lock may have come since.
    await refuseOccupant(this.path)
    const inode = inodeAt(this.newPath)
    tell(`cannot put a socket at ${this.path}`, () => renameSync(this.newPath, this.path))
    this.#inode = inode
  }

  /** Removes the socket, if it is still ours. */
  withdraw(): void {
    if (this.#inode !== undefined && inodeAt(this.path) === this.#inode) rmSync(this.path)
    this.#inode = undefined
  }

  /** Lets the next daemon have it. Leaving twice is harmless. */
  leave(): void {
    this.withdraw()
    this.#lock.remove()
  }
}

function refuseLongPath(path: string): void {
  const most = PATH_MAX - NEW.length
  if (Buffer.byteLength(path) <= most) return
  throw new ControlError('ENAMETOOLONG', `${path} is too long: a socket's path has ${most} bytes`)
}

/** Only the socket of a daemon that was killed may be there. */
async function refuseOccupant(path: string): Promise<void> {
  const found = tell(`cannot look at ${path}`, () => lstatSync(path, { throwIfNoEntry: false }))
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new ControlError('EEXIST', `${path} is no socket and was left alone: choose another`)
  }
  if (!(await isDead(path))) throw takenError(path)
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

function inodeAt(path: string): bigint | undefined {
  return lstatSync(path, { throwIfNoEntry: false, bigint: true })?.ino
}

function takenError(path: string): ControlError {
  return new ControlError(
    'EADDRINUSE',
    `another daemon has ${path}: stop it first, or give this one another socket`,
  )
}

/** What `attempt` gives; an error of the system becomes a ControlError that begins with `what`. */
function tell<T>(what: string, attempt: () => T): T {
  try {
    return attempt()
  } catch (error) {
    throw new ControlError(codeOf(error), `${what} (${codeOf(error)})`)
  }
}

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'EIO'
}
