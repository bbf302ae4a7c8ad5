/**
 * What the kernel says when it refuses a system call: errno, by number, by name and in words.
 *
 * The numbers are those of include/uapi/asm-generic/errno.h, which x86-64 and arm64 share.
 */
import os from 'node:os'
import { getSystemErrorMap } from 'node:util'

/** Refusals that callers live with, by number. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EAGAIN: 11,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  EOPNOTSUPP: 95,
  EADDRNOTAVAIL: 99,
  ENOBUFS: 105,
  ETIMEDOUT: 110,
} as const

/** Node names the first of two names for one number, and its words are about files and processes. */
const NAMES = new Map<number, string>([
  ...Object.entries(os.constants.errno).map(([name, number]): [number, string] => [number, name]),
  [Errno.EAGAIN, 'EAGAIN'],
  [Errno.EOPNOTSUPP, 'EOPNOTSUPP'],
  [77, 'EBADFD'],
  [117, 'EUCLEAN'],
])

const WORDS = new Map<number, string>([
  ...[...getSystemErrorMap()].map(([number, [, words]]): [number, string] => [-number, words]),
  [Errno.ENOENT, 'no such file or entry'],
  [Errno.ESRCH, 'no such entry'],
  [Errno.EEXIST, 'exists already'],
  [Errno.EBUSY, 'is in use'],
  [Errno.EOPNOTSUPP, 'operation not supported'],
  [10, 'no child process'],
  [62, 'timer expired'],
  [77, 'descriptor in a bad state'],
  [115, 'operation in progress'],
  [116, 'no longer valid'],
  [117, 'structure needs cleaning'],
  [122, 'quota exceeded'],
])

/** 'EPERM' for 1; the number itself, as text, if it has no name. */
export function errnoName(number: number): string {
  return NAMES.get(number) ?? String(number)
}

/** 'operation not permitted' for 1. */
export function errnoWords(number: number): string {
  return WORDS.get(number) ?? `error ${number}`
}

/** A refused system call: `message` is one sentence with all of the below. */
export class KernelError extends Error {
  override readonly name = 'KernelError'
  /** The call, and on what: `bind AF_PACKET`. */
  readonly call: string
  /** Errno's name: 'EPERM'. As in Node's own errors, the name is the code and the number is errno. */
  readonly code: string
  readonly errno: number
  /** What may help, or what the kernel itself had to say; may be empty. */
  readonly hint: string

  /** `errno` is the number, positive. */
  constructor(call: string, errno: number, hint = '') {
    const code = errnoName(errno)
    // An answer, often expected and by the thousand: its call says where it is from, a stack costs more than the call.
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    super(`${call}: ${errnoWords(errno)} (${code})${hint === '' ? '' : `: ${hint}`}`)
    Error.stackTraceLimit = limit
    this.call = call
    this.code = code
    this.errno = errno
    this.hint = hint
  }
}

/** Is it a refusal by the kernel, with one of these names if any are given? */
export function isKernelError(error: unknown, ...codes: readonly string[]): error is KernelError {
  return error instanceof KernelError && (codes.length === 0 || codes.includes(error.code))
}

/** An error of Node's file functions as the KernelError that `call` deserves; others as they are. */
export function toKernelError(call: string, error: unknown, hint = ''): unknown {
  const errno = error instanceof Error && 'errno' in error ? error.errno : undefined
  return typeof errno === 'number' ? new KernelError(call, Math.abs(errno), hint) : error
}
