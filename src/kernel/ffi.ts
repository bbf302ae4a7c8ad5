/**
 * The only door to the C library: fixed prototypes, called through koffi. Nothing else imports it.
 *
 * Functions throw KernelError where a refusal is an accident, and return -errno where the caller lives with
 * it (EAGAIN, EINTR). Addresses are numbers: user memory ends below 2^47.
 *
 * Memory handed to the kernel by address must stay referenced here until the kernel is done with it.
 */
import koffi from 'koffi'
import { errnoName, KernelError } from './errno.ts'

export { errnoName }

const libc = koffi.load('libc.so.6')
const c = {
  socket: libc.func('int socket(int, int, int)'),
  bind: libc.func('int bind(int, void*, unsigned int)'),
  setsockopt: libc.func('int setsockopt(int, int, int, void*, unsigned int)'),
  getsockopt: libc.func('int getsockopt(int, int, int, void*, void*)'),
  getsockname: libc.func('int getsockname(int, void*, void*)'),
  sendto: libc.func('long sendto(int, void*, long, int, void*, unsigned int)'),
  recv: libc.func('long recv(int, void*, long, int)'),
  sendmmsg: libc.func('int sendmmsg(int, int64_t, unsigned int, int)'),
  writeAt: libc.func('long write(int, int64_t, long)'),
  readInto: libc.func('long read(int, void*, long)'),
  ioctl: libc.func('int ioctl(int, unsigned long, void*)'),
  open: libc.func('int open(const char*, int, unsigned int)'),
  close: libc.func('int close(int)'),
  mmap: libc.func('int64_t mmap(int64_t, long, int, int, int, long)'),
  munmap: libc.func('int munmap(int64_t, long)'),
  unshare: libc.func('int unshare(int)'),
  setns: libc.func('int setns(int, int)'),
  mount: libc.func('int mount(const char*, const char*, const char*, unsigned long, const char*)'),
  umount: libc.func('int umount2(const char*, int)'),
}

function check(call: string, result: number): number {
  if (result < 0) throw new KernelError(call, koffi.errno())
  return result
}

/** The result, or -errno. */
function orErrno(result: number): number {
  return result < 0 ? -koffi.errno() : result
}

/** A descriptor. */
export function socket(domain: number, type: number, protocol: number): number {
  return check('socket', c.socket(domain, type, protocol) as number)
}

export function bind(fd: number, address: Uint8Array): void {
  check('bind', c.bind(fd, address, address.length) as number)
}

export function setsockopt(fd: number, level: number, option: number, value: Uint8Array): void {
  check(
    `setsockopt ${level} ${option}`,
    c.setsockopt(fd, level, option, value, value.length) as number,
  )
}

/** Fills `value`. */
export function getsockopt(fd: number, level: number, option: number, value: Uint8Array): void {
  const length = Uint32Array.of(value.length)
  check(`getsockopt ${level} ${option}`, c.getsockopt(fd, level, option, value, length) as number)
}

/** Fills `address`. */
export function getsockname(fd: number, address: Uint8Array): void {
  check('getsockname', c.getsockname(fd, address, Uint32Array.of(address.length)) as number)
}

/** Bytes sent, or -errno. `address` may be empty on a connected or bound socket. */
export function sendto(fd: number, bytes: Uint8Array, address: Uint8Array): number {
  const to = address.length === 0 ? null : address
  return orErrno(c.sendto(fd, bytes, bytes.length, 0, to, address.length) as number)
}

/** Bytes received into `bytes` (of a truncated message, with MSG_TRUNC: all it had), or -errno. */
export function recv(fd: number, bytes: Uint8Array, flags: number): number {
  return orErrno(c.recv(fd, bytes, bytes.length, flags) as number)
}

/** Messages sent of the `count` mmsghdrs at `messages`, or -errno if not even the first was. */
export function sendmmsg(fd: number, messages: number, count: number, flags: number): number {
  return orErrno(c.sendmmsg(fd, messages, count, flags) as number)
}

/** Bytes written of the `length` at `address`, or -errno. */
export function write(fd: number, address: number, length: number): number {
  return orErrno(c.writeAt(fd, address, length) as number)
}

/** Bytes read into `bytes`, or -errno. */
export function read(fd: number, bytes: Uint8Array): number {
  return orErrno(c.readInto(fd, bytes, bytes.length) as number)
}

/** `argument` is read and written, as the request says. */
export function ioctl(fd: number, request: number, argument: Uint8Array): void {
  check(`ioctl 0x${request.toString(16)}`, c.ioctl(fd, request, argument) as number)
}

/** A descriptor; close-on-exec unless the caller's flags are odd about it. */
export function open(path: string, flags: number): number {
  return check(`open ${path}`, c.open(path, flags, 0) as number)
}

export function close(fd: number): void {
  check('close', c.close(fd) as number)
}

/** Where `bytes` lie. Valid as long as the buffer is referenced. */
export function addressOf(bytes: Uint8Array): number {
  return Number(koffi.address(bytes))
}

/** Memory shared with the kernel. */
export interface Mapping {
  readonly address: number
  readonly buffer: ArrayBuffer
  /** Afterwards nobody may touch the buffer: the process would crash. */
  unmap(): void
}

const PROT_READ_WRITE = 3
const MAP_SHARED = 1

/** `length` bytes of the descriptor's memory, from its beginning, readable and writable. */
export function mapShared(fd: number, length: number): Mapping {
  const pointer = BigInt(c.mmap(0, length, PROT_READ_WRITE, MAP_SHARED, fd, 0) as number | bigint)
  if (pointer === -1n) throw new KernelError('mmap', koffi.errno())
  return {
    address: Number(pointer),
    buffer: koffi.view(pointer, length),
    unmap: () => {
      check('munmap', c.munmap(pointer, length) as number)
    },
  }
}

export function unshare(flags: number): void {
  check('unshare', c.unshare(flags) as number)
}

/** This thread joins the namespace that `fd` stands for. */
export function setns(fd: number, kind: number): void {
  check('setns', c.setns(fd, kind) as number)
}

export function mount(source: string, target: string, type: string, flags: number): void {
  check(`mount ${target}`, c.mount(source, target, type, flags, null) as number)
}

export function umount(target: string, flags: number): void {
  check(`umount ${target}`, c.umount(target, flags) as number)
}

/**
 * Calls back on Node's loop whenever `fd` can be read, again and again as long as it can. `stop` it before the
 * descriptor is closed: the other order crashes the process.
 */
export class Readiness {
  readonly #watch: { stop(): void }
  #isOver = false

  constructor(fd: number, onReadable: () => void) {
    this.#watch = koffi.node.poll(fd, { readable: true }, () => {
      if (!this.#isOver) onReadable()
    })
  }

  stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#watch.stop()
  }
}
