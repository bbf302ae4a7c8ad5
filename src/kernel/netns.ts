/**
 * Network namespaces with names, as `ip netns` has them: each is a file in /run/netns onto which the kernel's
 * handle of the namespace is mounted, so that it lives without a process in it.
 *
 *   /run/netns            a mount point, shared, so that other mount namespaces see what appears in it
 *   /run/netns/director   ◄─ bind mount of /proc/<thread>/ns/net, taken right after unshare(2)
 *
 * A thread is in one network namespace at a time. `inNamespace` moves this thread there for the length of one
 * synchronous function, and always back: nothing else of Node runs meanwhile. Sockets stay where they were
 * opened, and child processes are born where the thread is.
 * Node's pool (dns.lookup, asynchronous fs) has threads of its own, which stay where the process began.
 *
 * Follows iproute2's ip/ipnetns.c in what it leaves on the machine; setns(2), network_namespaces(7).
 */
import { mkdirSync, readdirSync, unlinkSync } from 'node:fs'
import { assert } from '../base/assert.ts'
import { isKernelError, KernelError, toKernelError } from './errno.ts'
import { close, lockFile, mount, open, setns, umount, unshare } from './ffi.ts'

/** A name in /run/netns, or an open descriptor of a namespace. */
export type NetworkNamespace = string | number

const FOLDER = '/run/netns'
const OWN = '/proc/thread-self/ns/net'
const CLONE_NEWNET = 0x40000000
const MS_BIND = 1 << 12
const MS_REC = 1 << 14
const MS_SHARED = 1 << 20
const MNT_DETACH = 2
const O_CREAT_EXCL = 0o300

/**
 * Makes a namespace with nothing but a loopback device, which is down. Throws KernelError: EEXIST, EPERM
 * without CAP_SYS_ADMIN.
 */
export function createNamespace(name: string): void {
  assert(isNamespaceName(name), `'${name}' cannot name a namespace`)
  shareFolder()
  const path = `${FOLDER}/${name}`
  close(open(path, O_CREAT_EXCL))
  const own = openOwnNamespace()
  try {
    unshare(CLONE_NEWNET)
    try {
      mount(OWN, path, 'none', MS_BIND)
    } finally {
      setns(own, CLONE_NEWNET)
    }
  } catch (error) {
    unlinkSync(path)
    throw withRootHint(error)
  } finally {
    close(own)
  }
}

/**
 * Takes the name away; the namespace, and every virtual link in it, goes with the last process and socket in
 * it. Throws KernelError: ENOENT, EPERM.
 */
export function deleteNamespace(name: string): void {
  assert(isNamespaceName(name), `'${name}' cannot name a namespace`)
  const path = `${FOLDER}/${name}`
  try {
    umount(path, MNT_DETACH)
  } catch (error) {
    if (!isKernelError(error, 'EINVAL')) throw withRootHint(error) // EINVAL: a file, but no mount
  }
  try {
    unlinkSync(path)
  } catch (error) {
    throw toKernelError(`unlink ${path}`, error)
  }
}

/** Names, sorted. */
export function listNamespaces(): string[] {
  try {
    return readdirSync(FOLDER).sort()
  } catch (error) {
    const failure = toKernelError(`list ${FOLDER}`, error)
    if (isKernelError(failure, 'ENOENT')) return []
    throw failure
  }
}

/** Could it be a file's name? */
export function isNamespaceName(name: string): boolean {
  return /^[^/\0]{1,255}$/.test(name) && name !== '.' && name !== '..'
}

/** A descriptor that keeps the namespace alive; the caller closes it. Throws KernelError: ENOENT. */
export function openNamespace(name: string): number {
  assert(isNamespaceName(name), `'${name}' cannot name a namespace`)
  return open(`${FOLDER}/${name}`, 0)
}

/** The namespace this thread is in, as a descriptor; the caller closes it. */
export function openOwnNamespace(): number {
  return open(OWN, 0)
}

/**
 * The result of `run`, called with this thread in the namespace. `run` must be synchronous: what it leaves to
 * a promise or a callback happens outside. Throws what `run` throws, and KernelError: ENOENT, EPERM.
 */
export function inNamespace<T>(namespace: NetworkNamespace, run: () => T): T {
  const own = openOwnNamespace()
  try {
    join(namespace)
    try {
      const result = run()
      assert(!isThenable(result), 'what runs in a namespace is synchronous, not a promise')
      return result
    } finally {
      setns(own, CLONE_NEWNET)
    }
  } finally {
    close(own)
  }
}

/**
 * The result of `run`, called with this thread in a new namespace without a name, which is gone afterwards unless
 * `run` opened something in it. Throws what `run` throws, and KernelError: EPERM.
 */
export function inScratchNamespace<T>(run: () => T): T {
  const own = openOwnNamespace()
  try {
    leave()
    try {
      const result = run()
      assert(!isThenable(result), 'what runs in a namespace is synchronous, not a promise')
      return result
    } finally {
      setns(own, CLONE_NEWNET)
    }
  } finally {
    close(own)
  }
}

/** Into a new namespace. */
function leave(): void {
  try {
    unshare(CLONE_NEWNET)
  } catch (error) {
    throw withRootHint(error)
  }
}

function join(namespace: NetworkNamespace): void {
  const fd = typeof namespace === 'string' ? openNamespace(namespace) : namespace
  try {
    setns(fd, CLONE_NEWNET)
  } catch (error) {
    throw withRootHint(error)
  } finally {
    if (fd !== namespace) close(fd)
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value
}

/**
 * The folder, as a shared mount. Only a mount point can be shared, so the first to come mounts it onto itself;
 * two who did so at once would hide each other's names, hence the lock.
 */
function shareFolder(): void {
  try {
    mkdirSync(FOLDER, { recursive: true, mode: 0o755 })
  } catch (error) {
    throw withRootHint(toKernelError(`mkdir ${FOLDER}`, error))
  }
  const lock = open(FOLDER, 0)
  try {
    lockFile(lock)
    if (tryShare()) return
    mount(FOLDER, FOLDER, 'none', MS_BIND | MS_REC)
    assert(tryShare(), 'a mount point can be shared')
  } catch (error) {
    throw withRootHint(error)
  } finally {
    close(lock)
  }
}

/** False where the folder is no mount point. */
function tryShare(): boolean {
  try {
    mount('none', FOLDER, 'none', MS_SHARED | MS_REC)
    return true
  } catch (error) {
    if (isKernelError(error, 'EINVAL')) return false
    throw error
  }
}

function withRootHint(error: unknown): unknown {
  if (!isKernelError(error, 'EPERM', 'EACCES')) return error
  return new KernelError(error.call, error.errno, 'network namespaces need root (CAP_SYS_ADMIN)')
}
