/**
 * Pins: names for maps, programs and links in a file system of the kernel's own, "bpffs". What has a name lives on
 * when this process ends, and whoever may read the name can open it again.
 *
 *      /sys/fs/bpf/sluice/web/          a folder for each instance (mkdir, readdir, unlink as anywhere)
 *          connections  services  ...   maps
 *          link-2  ...                  links: the attachments themselves
 *
 * A name ends with `unpin`; what it named ends, a moment later, if nobody else has it. `repin` moves a name in
 * one step. Follows kernel/bpf/inode.c.
 */
import { renameSync, unlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { objectKind, type ObjectKind } from './info.ts'
import { BpfAttributes, callBpf, Command, hintOf, tryBpf } from './call.ts'
import { Errno, isKernelError, KernelError, toKernelError } from '../errno.ts'
import { close } from '../ffi.ts'

/** Names an open map, program or link. Throws KernelError: EEXIST, ENOENT, EPERM outside a bpffs. */
export function pin(fd: number, path: string): void {
  const attributes = new BpfAttributes(16).path(0, path).u32(8, fd)
  callBpf(`pin ${path}`, Command.objectPin, attributes)
}

/**
 * A descriptor of what has that name; undefined if nothing has. Throws KernelError: EINVAL if it is of another
 * kind, EPERM.
 */
export function openPinned(path: string, kind: ObjectKind): number | undefined {
  const what = `open ${path}`
  const fd = tryBpf(Command.objectGet, new BpfAttributes(16).path(0, path))
  if (fd === -Errno.ENOENT) return undefined
  if (fd < 0) throw new KernelError(what, -fd, hintOf(-fd))
  if (objectKind(fd) === kind) return fd
  close(fd)
  throw new KernelError(what, Errno.EINVAL, `it is no BPF ${kind}`)
}

/** Names it, and takes the name from what had it. Throws KernelError. */
export function repin(fd: number, path: string): void {
  const temporary = join(dirname(path), `${basename(path)}-new`)
  unpin(temporary)
  pin(fd, temporary)
  try {
    renameSync(temporary, path)
  } catch (error) {
    unpin(temporary)
    throw toKernelError(`rename ${temporary}`, error)
  }
}

/** Takes the name away; false if there was none. What it named ends a moment later. Throws KernelError. */
export function unpin(path: string): boolean {
  try {
    unlinkSync(path)
    return true
  } catch (error) {
    const failure = toKernelError(`unlink ${path}`, error)
    if (isKernelError(failure, 'ENOENT')) return false
    throw failure
  }
}
