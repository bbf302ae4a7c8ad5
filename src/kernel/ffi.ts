/**
 * The only door to the C library: fixed prototypes, called through koffi. Nothing else imports it.
 *
 * Functions throw KernelError where a refusal is an accident, and return -errno where the caller lives with
 * it (EAGAIN, EINTR). Addresses are numbers: user memory ends below 2^47.
 *
 * Memory handed to the kernel by address must stay referenced here until the kernel is done with it.
 */
import koffi, { type node } from 'koffi'
import { errnoName, KernelError } from './errno.ts'

export { errnoName }

const O_CLOEXEC = 0x80000
const MSG_WAITFORONE = 0x10000
const POLLIN = 1
const LOCK_EX = 2
const LOCK_NB = 4
const EAGAIN = 11

/** System calls without a function in the C library have a number by the machine. */
const SYS_BPF = process.arch === 'x64' ? 321 : 280

const libc = koffi.load('libc.so.6')
const c = {
  socket: libc.func('int socket(int, int, int)'),
  bind: libc.func('int bind(int, void*, unsigned int)'),
  setsockopt: libc.func('int setsockopt(int, int, int, void*, unsigned int)'),
  getsockopt: libc.func('int getsockopt(int, int, int, void*, void*)'),
  getsockname: libc.func('int getsockname(int, void*, void*)'),
  sendto: libc.func('long sendto(int, void*, long, int, void*, unsigned int)'),
  connect: libc.func('int connect(int, void*, unsigned int)'),
  recv: libc.func('long recv(int, void*, long, int)'),
  recvfrom: libc.func('long recvfrom(int, void*, long, int, void*, void*)'),
  sendmsg: libc.func('long sendmsg(int, int64_t, int)'),
  recvmsg: libc.func('long recvmsg(int, int64_t, int)'),
  sendmmsg: libc.func('int sendmmsg(int, int64_t, unsigned int, int)'),
  recvmmsg: libc.func('int recvmmsg(int, int64_t, unsigned int, int, void*)'),
  poll: libc.func('int poll(void*, unsigned long, int)'),
  writeAt: libc.func('long write(int, int64_t, long)'),
  readInto: libc.func('long read(int, void*, long)'),
  ioctl: libc.func('int ioctl(int, unsigned long, void*)'),
  open: libc.func('int open(const char*, int, unsigned int)'),
  flock: libc.func('int flock(int, int)'),
  close: libc.func('int close(int)'),
  mmap: libc.func('int64_t mmap(int64_t, long, int, int, int, long)'),
  munmap: libc.func('int munmap(int64_t, long)'),
  unshare: libc.func('int unshare(int)'),
  setns: libc.func('int setns(int, int)'),
  mount: libc.func('int mount(const char*, const char*, const char*, unsigned long, const char*)'),
  umount: libc.func('int umount2(const char*, int)'),
  bpf: libc.func('long syscall(long, int, void*, unsigned int)'),
  setrlimit: libc.func('int setrlimit(int, void*)'),
  clockResolution: libc.func('int clock_getres(int, void*)'),
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

/** As an int, which is what most options are. */
export function setsockoptInt(fd: number, level: number, option: number, value: number): void {
  setsockopt(fd, level, option, new Uint8Array(Int32Array.of(value).buffer))
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

/** Of a datagram socket: where `sendto` without an address sends. */
export function connect(fd: number, address: Uint8Array): void {
  check('connect', c.connect(fd, address, address.length) as number)
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

/** As `recv`, and fills `address` with the sender's. */
export function recvfrom(
  fd: number,
  bytes: Uint8Array,
  flags: number,
  address: Uint8Array,
): number {
  const length = Uint32Array.of(address.length)
  return orErrno(c.recvfrom(fd, bytes, bytes.length, flags, address, length) as number)
}

/** Bytes sent of the msghdr at `message`, or -errno. */
export function sendmsg(fd: number, message: number, flags: number): number {
  return orErrno(c.sendmsg(fd, message, flags) as number)
}

/** Bytes received as the msghdr at `message` says, or -errno. */
export function recvmsg(fd: number, message: number, flags: number): number {
  return orErrno(c.recvmsg(fd, message, flags) as number)
}

/** Messages received into the `count` mmsghdrs at `messages`, or -errno; never waits for more than one. */
export function recvmmsg(fd: number, messages: number, count: number, flags: number): number {
  return orErrno(c.recvmmsg(fd, messages, count, flags | MSG_WAITFORONE, null) as number)
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

/** A descriptor, closed when this process starts another program. `mode` is for O_CREAT. */
export function open(path: string, flags: number, mode = 0): number {
  return check(`open ${path}`, c.open(path, flags | O_CLOEXEC, mode) as number)
}

export function close(fd: number): void {
  check('close', c.close(fd) as number)
}

/** Waits until this descriptor's file is locked for it alone; closing it unlocks. */
export function lockFile(fd: number): void {
  check('flock', c.flock(fd, LOCK_EX) as number)
}

/** The same without waiting: false if somebody else has it. The lock ends with the descriptor, however it ends. */
export function tryLockFile(fd: number): boolean {
  const result = orErrno(c.flock(fd, LOCK_EX | LOCK_NB) as number)
  if (result !== -EAGAIN) check('flock', result)
  return result === 0
}

/** Where `bytes` lie. Valid as long as the buffer is referenced. */
export function addressOf(bytes: Uint8Array): number {
  return Number(koffi.address(bytes))
}

/** Memory shared with the kernel. */
export interface Mapping {
  readonly address: number
  readonly buffer: ArrayBuffer
  /** Lets go of the memory. Views of the buffer that are left read zeros from now on. May be called twice. */
  unmap(): void
}

const PROT_READ_WRITE = 3
const MAP_SHARED = 1
/** MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS, MAP_NORESERVE */
const MAP_ZEROS_OVER = 0x2 | 0x10 | 0x20 | 0x4000

function mmap(address: bigint, length: number, flags: number, fd: number): bigint {
  const at = c.mmap(address, length, PROT_READ_WRITE, flags, fd, 0) as number | bigint
  if (BigInt(at) === -1n) throw new KernelError('mmap', koffi.errno())
  return BigInt(at)
}

/** Addresses of buffers that nobody can reach any longer are given back. */
const addresses = new FinalizationRegistry<readonly [bigint, number]>(([pointer, length]) => {
  c.munmap(pointer, length)
})

/**
 * `length` bytes of the descriptor's memory, from its beginning, readable and writable.
 *
 * A view that is touched after munmap(2) would end the process, and a buffer cannot be taken away from those
 * who have views of it. So `unmap` puts empty pages in the place of the memory, and the addresses are
 * given back once the buffer is garbage.
 */
export function mapShared(fd: number, length: number): Mapping {
  const pointer = mmap(0n, length, MAP_SHARED, fd)
  const buffer = koffi.view(pointer, length)
  let isMapped = true
  const unmap = () => {
    if (!isMapped) return
    mmap(pointer, length, MAP_ZEROS_OVER, -1)
    isMapped = false
    addresses.register(buffer, [pointer, length])
  }
  return { address: Number(pointer), buffer, unmap }
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

/** bpf(2): what the command returns, or -errno. `attributes` is read and written. */
export function bpf(command: number, attributes: Uint8Array): number {
  return orErrno(c.bpf(SYS_BPF, command, attributes, attributes.length) as number)
}

/** Soft and hard limit of a resource of this process; BigInt of 64 ones for none. */
export function setrlimit(resource: number, limit: bigint): void {
  const both = new Uint8Array(BigUint64Array.of(limit, limit).buffer)
  check(`setrlimit ${resource}`, c.setrlimit(resource, both) as number)
}

/** Nanoseconds between two values of a clock; below a second. */
export function clockResolution(clock: number): number {
  const timespec = new BigInt64Array(2) // seconds, nanoseconds
  check('clock_getres', c.clockResolution(clock, new Uint8Array(timespec.buffer)) as number)
  return Number(timespec[1])
}

/** Can `fd` be read within `timeoutMs`? Blocks this thread meanwhile. Errors count as readable. */
export function waitReadable(fd: number, timeoutMs: number): boolean {
  const pollfd = new DataView(new ArrayBuffer(8)) // 0 fd i32 | 4 events i16 | 6 returned i16
  pollfd.setInt32(0, fd, true)
  pollfd.setInt16(4, POLLIN, true)
  return check('poll', c.poll(new Uint8Array(pollfd.buffer), 1, timeoutMs) as number) > 0
}

/** How often in a row a descriptor may be in error without anybody taking the error off it. */
const FAILURES_MAX = 100

/** What Node's loop watches. Referenced here: a handle that is collected as garbage stops by itself. */
const watches = new Set<Readiness>()

/**
 * Calls back on Node's loop whenever `fd` can be read or has an error to be read, again and again as long as
 * it has. Makes the descriptor non-blocking. `stop` it before the descriptor is closed: a watch on a number
 * that the next descriptor gets would disturb that one.
 *
 * What koffi's poll handle, undocumented, needs (src/uv.cc there, and libuv's src/unix/poll.c):
 * - its callback gets a status before the events; on POLLERR (a netlink overflow, an interface that goes
 *   down) libuv ends the watch and says EBADF, so it is begun again here;
 * - an exception out of the callback hangs the loop, so it is thrown a moment later;
 * - `stop` after `close` crashes, and one without `close` leaves the handle to the garbage collector, which
 *   takes the descriptor's number off the loop once more, whoever has it by then.
 */
export class Readiness {
  readonly #fd: number
  readonly #onReadable: () => void
  readonly #handle: node.PollHandle
  readonly #wake = (status: unknown): void => this.#call(status as number)
  #failures = 0
  #isOver = false

  constructor(fd: number, onReadable: () => void) {
    this.#fd = fd
    this.#onReadable = onReadable
    this.#handle = koffi.node.poll(fd, { readable: true }, this.#wake)
    watches.add(this)
  }

  /** No further call. May be called twice, and from within the callback. */
  stop(): void {
    if (this.#isOver) return
    this.#isOver = true
    watches.delete(this)
    this.#handle.stop()
    this.#handle.close()
  }

  #call(status: number): void {
    if (this.#isOver) return
    this.#failures = status === 0 ? 0 : this.#failures + 1
    if (this.#failures > FAILURES_MAX) {
      this.stop()
      const error = new Error(`descriptor ${this.#fd} stays in error: its watch ended`)
      return queueMicrotask(() => raise(error))
    }
    if (status !== 0) this.#handle.start({ readable: true }, this.#wake)
    try {
      this.#onReadable()
    } catch (error) {
      queueMicrotask(() => raise(error))
    }
  }
}

function raise(error: unknown): never {
  throw error
}
