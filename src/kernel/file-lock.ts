/**
 * A file that one process has: flock(2), so that the kernel lets go of it when the process ends, however it ends.
 *
 * The file itself stays after a crash, and goes with an owner that ends well. So a newcomer may lock a file that its
 * last owner has just unlinked, while another newcomer makes and locks the next one: only the file that is still at
 * the path after it was locked counts.
 */
import { closeSync, fstatSync, openSync, statSync, unlinkSync } from 'node:fs'
import { tryLockFile } from './ffi.ts'

/** How often the file may go between opening and locking it. */
const ATTEMPTS_MAX = 10

export class FileLock {
  /** Reads, and appends. */
  readonly fd: number
  readonly #path: string
  #isHeld = true

  private constructor(path: string, fd: number) {
    this.#path = path
    this.fd = fd
  }

  /**
   * The file at `path`, made with mode 0600 if it is missing, for this object alone; undefined if another has it,
   * in this process or elsewhere. Throws errors of node:fs, and KernelError.
   */
  static take(path: string): FileLock | undefined {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const fd = openSync(path, 'a+', 0o600)
      if (!isLocked(fd)) {
        closeSync(fd)
        return undefined
      }
      if (isStillAt(path, fd)) return new FileLock(path, fd)
      closeSync(fd)
    }
    return undefined
  }

  /** Lets go of the file, and leaves it there. Letting go twice is harmless. */
  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    closeSync(this.fd)
  }

  /** Removes the file, then lets go of it: in this order, nobody else's file can be meant. */
  remove(): void {
    if (this.#isHeld && isStillAt(this.#path, this.fd)) unlinkSync(this.#path)
    this.release()
  }
}

function isLocked(fd: number): boolean {
  try {
    return tryLockFile(fd)
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function isStillAt(path: string, fd: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true })
  const ours = fstatSync(fd, { bigint: true })
  return found?.ino === ours.ino && found.dev === ours.dev
}
