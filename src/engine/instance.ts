/**
 * An instance of the kernel engine: all of it that outlives its daemon, in one folder of a bpffs.
 *
 *     /sys/fs/bpf/sluice/NAME/      locked by the daemon that has it, as long as it lives
 *         table_settings            maps: which layout is in charge,
 *         table_5f3a…_hops …        the tables of that layout,
 *         layout_5f3a…              what they look like
 *         link_2_xdp  link_2_tcx    attachments of interface 2
 *         clsact_2                  a mark: there is a filter of ours on interface 2 (its program)
 *         clsact_2_made             a mark: clsact was put there by us
 *
 * A name in bpffs has no dots.
 */
import { fstatSync, mkdirSync, openSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { assert } from '../base/assert.ts'
import {
  findBpfFilesystem,
  mountedBpfFilesystem,
  type BpfFilesystem,
} from '../kernel/bpf/filesystem.ts'
import { unpin } from '../kernel/bpf/pin.ts'
import { isKernelError, KernelError, toKernelError } from '../kernel/errno.ts'
import { close, tryLockFile } from '../kernel/ffi.ts'
import { EngineProblem } from './engine.ts'

const FOLDER = 'sluice'
const TABLE = 'table_'
const LAYOUT = 'layout_'
/** The one table with the same name in every layout. */
const COMMON = 'settings'
/** Others may come and go at the same time. */
const TRIES = 8

export const DEFAULT_INSTANCE = 'default'

/** May an instance be called so? */
export function isInstanceName(name: string): boolean {
  return /^[\w-]{1,64}$/.test(name)
}

export class Instance {
  readonly name: string
  readonly folder: string
  /** Will another process find it? Not where the bpffs belongs to this mount namespace alone. */
  readonly isLasting: boolean
  readonly #lock: number
  #isHeld = true

  private constructor(name: string, folder: string, isLasting: boolean, lock: number) {
    this.name = name
    this.folder = folder
    this.isLasting = isLasting
    this.#lock = lock
  }

  /**
   * The instance of that name, made if there is none, for this object alone. Throws EngineProblem if another process
   * has it, and where there can be no bpffs.
   */
  static take(name: string): Instance {
    const { path, isLasting } = findPlace()
    const folder = join(path, FOLDER, name)
    for (let i = 0; i < TRIES; i++) {
      const lock = openFolder(folder)
      if (lock === undefined) continue
      if (!tryLockFile(lock)) {
        close(lock)
        throw new EngineProblem(
          `another process runs the instance "${name}": choose another --name for a second director, or end that one`,
          false,
        )
      }
      if (isStillThere(folder, lock)) return new Instance(name, folder, isLasting, lock)
      close(lock)
    }
    throw new EngineProblem(`other processes keep removing ${folder}`, false)
  }

  /** Names of all pins. */
  get pins(): string[] {
    return namesIn(this.folder)
  }

  pathOf(pin: string): string {
    return join(this.folder, pin)
  }

  /** `layout`: a hash of what tables look like (dataplane/schema.ts). */
  tablePath(table: string, layout: number): string {
    return this.pathOf(tablePin(table, layout))
  }

  layoutPath(layout: number): string {
    return this.pathOf(LAYOUT + hex(layout))
  }

  /** What was left of tables of other layouts ends, if nobody else has it. */
  clearTablesBut(layout: number): void {
    const isOurs = (pin: string) =>
      pin === TABLE + COMMON || pin === LAYOUT + hex(layout) || pin.startsWith(tablePin('', layout))
    const isTables = (pin: string) => pin.startsWith(TABLE) || pin.startsWith(LAYOUT)
    for (const pin of this.pins) if (isTables(pin) && !isOurs(pin)) unpin(this.pathOf(pin))
  }

  /** Takes all names away: what they named ends where nobody else has it. */
  clear(): void {
    for (const pin of this.pins) unpin(this.pathOf(pin))
  }

  /** Lets go of it, and leaves it there. Letting go twice is harmless. */
  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    close(this.#lock)
  }

  /** Removes it with all its pins, and lets go of it. */
  remove(): void {
    this.clear()
    try {
      rmdirSync(this.folder)
      removeIfEmpty(dirname(this.folder))
    } catch (error) {
      throw toKernelError(`remove ${this.folder}`, error)
    } finally {
      this.release()
    }
  }
}

/** Throws EngineProblem. */
function findPlace(): BpfFilesystem {
  try {
    return findBpfFilesystem()
  } catch (error) {
    if (!(error instanceof KernelError)) throw error
    throw new EngineProblem(
      `no file system for BPF is mounted, and this process cannot mount one (${error.message}): ` +
        'as root, `mount -t bpf bpf /sys/fs/bpf`',
      true,
    )
  }
}

/** Names of all instances, in no order; none where there is no bpffs, which is not looked for any further. */
export function listInstances(): string[] {
  const path = mountedBpfFilesystem()
  return path === undefined ? [] : namesIn(join(path, FOLDER))
}

/** Of an instance that another process may have. Asserts that there is a bpffs. */
export function tablePathOf(instance: string, table: string, layout: number): string {
  return join(folderOf(instance), tablePin(table, layout))
}

/** As tablePathOf. */
export function layoutPathOf(instance: string, layout: number): string {
  return join(folderOf(instance), LAYOUT + hex(layout))
}

function folderOf(instance: string): string {
  const path = mountedBpfFilesystem()
  assert(path !== undefined, 'the bpffs is still there')
  return join(path, FOLDER, instance)
}

function tablePin(table: string, layout: number): string {
  return table === COMMON ? TABLE + table : `${TABLE}${hex(layout)}_${table}`
}

function hex(layout: number): string {
  return layout.toString(16).padStart(8, '0')
}

/** Makes the folder, if need be, and opens it. Undefined: somebody removed it, or the one above, meanwhile. */
function openFolder(path: string): number | undefined {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    return openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw toKernelError(`make ${path}`, error)
  }
}

/** Does the path still lead to the folder that is open? Its last owner may have removed it before it was locked. */
function isStillThere(path: string, descriptor: number): boolean {
  return statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(descriptor).ino
}

/** The folder of all instances goes with the last. */
function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOTEMPTY' && code !== 'ENOENT') throw error
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    const failure = toKernelError(`read ${folder}`, error)
    if (isKernelError(failure, 'ENOENT')) return []
    throw failure
  }
}
