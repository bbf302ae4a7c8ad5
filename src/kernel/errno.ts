/**
 * What the kernel says when it refuses a system call.
 */
import os from 'node:os'

const NAMES = new Map<number, string>(
  Object.entries(os.constants.errno).map(([name, number]) => [number, name]),
)

/** 'EPERM' for 1; the number itself, as text, if it has no name. */
export function errnoName(number: number): string {
  return NAMES.get(number) ?? String(number)
}

/** A refused system call. */
export class KernelError extends Error {
  /** The call, and on what: `bind AF_PACKET`. */
  readonly call: string
  /** Errno's name: 'EPERM'. */
  readonly code: string
  /** What may help, or what the kernel itself had to say; may be empty. */
  readonly hint: string

  /** `errno` is the number. */
  constructor(call: string, errno: number, hint = '') {
    const code = errnoName(errno)
    super(hint === '' ? `${call}: ${code}` : `${call}: ${code} (${hint})`)
    this.name = 'KernelError'
    this.call = call
    this.code = code
    this.hint = hint
  }
}
