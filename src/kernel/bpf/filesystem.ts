/**
 * Where pins can be: a mounted bpffs, found or made.
 *
 *   /sys/fs/bpf       where every distribution has it, mounted at boot by systemd
 *   another mount     where an administrator put it
 *   /sys/fs/bpf       mounted by us: it was not there (containers, small systems)
 *   /run/sluice/bpf   mounted by us, where /sys cannot be written
 *
 * Mounts belong to a mount namespace. A process in one of its own (`ip netns exec`, some units, containers) may see
 * others than the next process will, and a bpffs that nobody sees any longer is gone with all its pins: hence
 * `isLasting`, which is true if the machine's first process sees it, too.
 *
 * Follows proc_pid_mountinfo(5), kernel/bpf/inode.c.
 */
import { mkdirSync, readFileSync, statfsSync } from 'node:fs'
import { isKernelError, toKernelError } from '../errno.ts'
import { mount, umount } from '../ffi.ts'

export interface BpfFilesystem {
  readonly path: string
  /** Will pins be there for a process that is started anew? */
  readonly isLasting: boolean
}

const USUAL = '/sys/fs/bpf'
const OURS = '/run/sluice/bpf'
/** BPF_FS_MAGIC */
const MAGIC = 0xcafe4a11
/** MS_NOSUID, MS_NODEV, MS_NOEXEC */
const MOUNT_FLAGS = 0x2 | 0x4 | 0x8
const MNT_DETACH = 2

/** Throws KernelError: EPERM, ENODEV where the kernel knows no bpffs. */
export function findBpfFilesystem(): BpfFilesystem {
  return describe(mountedBpfFilesystem() ?? mountSomewhere())
}

/** Where one is mounted already; undefined if none is. */
export function mountedBpfFilesystem(): string | undefined {
  return [USUAL, ...readMounts('self').map((one) => one.path)].find(isBpfFilesystem)
}

/** A new one, empty, there; the folder is made. Throws KernelError: EPERM, ENODEV, EROFS. */
export function mountBpfFilesystem(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw toKernelError(`mkdir ${path}`, error)
  }
  mount('bpf', path, 'bpf', MOUNT_FLAGS)
}

/** With all pins in it. Throws KernelError. */
export function unmountBpfFilesystem(path: string): void {
  umount(path, MNT_DETACH)
}

/** Is there one, exactly there or above? */
export function isBpfFilesystem(path: string): boolean {
  try {
    return statfsSync(path).type === MAGIC
  } catch {
    return false
  }
}

function mountSomewhere(): string {
  try {
    mountBpfFilesystem(USUAL)
    return USUAL
  } catch (error) {
    if (!isKernelError(error, 'ENOENT', 'EROFS', 'EACCES', 'EPERM')) throw error
  }
  mountBpfFilesystem(OURS)
  return OURS
}

function describe(path: string): BpfFilesystem {
  const device = readMounts('self').find((one) => one.path === path)?.device
  const isLasting = device !== undefined && readMounts('1').some((one) => one.device === device)
  return { path, isLasting }
}

export interface BpfMount {
  readonly path: string
  /** Major and minor number: the file system, wherever it is mounted. */
  readonly device: string
}

/** Of a process; none if it cannot be seen. */
function readMounts(process: string): BpfMount[] {
  try {
    return parseBpfMounts(readFileSync(`/proc/${process}/mountinfo`, 'utf8'))
  } catch {
    return []
  }
}

/** What of /proc/…/mountinfo is bpffs. */
export function parseBpfMounts(mountinfo: string): BpfMount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [left, right] = line.split(' - ')
    const [, , device, root, path] = left!.split(' ')
    if (right?.split(' ')[0] !== 'bpf' || root !== '/' || device === undefined) return []
    return [{ device, path: unescaped(path!) }]
  })
}

/** Blanks and the like are written as \040. */
function unescaped(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(parseInt(digits, 8)),
  )
}
