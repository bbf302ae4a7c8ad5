/**
 * bpf(2): its commands, and the attributes that each takes: one structure of the kernel's, union bpf_attr, laid
 * out differently by command (include/uapi/linux/bpf.h). The offsets stand where they are used.
 *
 * A kernel takes a structure that is longer than it knows as long as the rest is zero.
 */
import { assert } from '../../base/assert.ts'
import { viewOf } from '../../base/bytes.ts'
import { Errno, KernelError } from '../errno.ts'
import { addressOf, bpf } from '../ffi.ts'

export const Command = {
  mapCreate: 0,
  mapLookup: 1,
  mapUpdate: 2,
  mapDelete: 3,
  programLoad: 5,
  objectPin: 6,
  objectGet: 7,
  programRun: 10,
  programNextId: 11,
  mapNextId: 12,
  programById: 13,
  mapById: 14,
  objectInfo: 15,
  programQuery: 16,
  btfLoad: 18,
  mapFreeze: 22,
  linkCreate: 28,
  linkUpdate: 29,
  linkById: 30,
  linkNextId: 31,
  enableStatistics: 32,
  linkDetach: 34,
} as const

/** With its NUL. */
const NAME_SIZE = 16

/** Attributes of one call; keeps alive what they point at. */
export class BpfAttributes {
  readonly bytes: Uint8Array
  readonly #view: DataView
  readonly #kept: Uint8Array[] = []

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
    this.#view = viewOf(this.bytes)
  }

  u32(at: number, value: number): this {
    this.#view.setUint32(at, value, true)
    return this
  }

  u64(at: number, value: bigint): this {
    this.#view.setBigUint64(at, value, true)
    return this
  }

  /** Where `bytes` lie; 0 for none. */
  pointer(at: number, bytes: Uint8Array): this {
    this.#kept.push(bytes)
    return this.u64(at, bytes.length === 0 ? 0n : BigInt(addressOf(bytes)))
  }

  /** A NUL-terminated text somewhere else. */
  path(at: number, text: string): this {
    return this.pointer(at, Buffer.from(`${text}\0`))
  }

  /** The name of a map or program: at most 15 letters, digits, dots and underscores. */
  name(at: number, name: string): this {
    assert(isObjectName(name), `the kernel takes no BPF object named '${name}'`)
    this.bytes.set(Buffer.from(name), at)
    return this
  }

  readU32(at: number): number {
    return this.#view.getUint32(at, true)
  }
}

/** Would the kernel take it for a map or program? */
export function isObjectName(name: string): boolean {
  return /^[\w.]*$/.test(name) && name.length < NAME_SIZE
}

/** How often a call that a signal interrupted is begun again. */
const ATTEMPTS_MAX = 5

/** What the command returns, mostly a descriptor, or -errno. */
export function tryBpf(command: number, attributes: BpfAttributes): number {
  let result = 0
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    result = bpf(command, attributes.bytes)
    if (result !== -Errno.EAGAIN && result !== -Errno.EINTR) break
  }
  return result
}

/** The same; `what` says in words what is tried. Throws KernelError. */
export function callBpf(what: string, command: number, attributes: BpfAttributes): number {
  const result = tryBpf(command, attributes)
  if (result >= 0) return result
  throw new KernelError(what, -result, hintOf(-result))
}

/** What an errno of bpf(2) means more often than not. */
export function hintOf(errno: number): string {
  if (errno === Errno.EPERM)
    return 'BPF needs root (CAP_BPF, CAP_NET_ADMIN), and a kernel that is not locked down'
  if (errno === ENOSYS) return 'this kernel was built without bpf(2)'
  return ''
}

const ENOSYS = 38
