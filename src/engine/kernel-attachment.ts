/**
 * One interface that the kernel's packet path takes frames from: which programs sit where, under which names.
 *
 *     XDP            link_2_xdp, link_2_xdp-generic     and the companion under tc
 *     tcx            link_2_tc, link_2_companion
 *     clsact         a filter; its mark is clsact_2_tc or clsact_2_companion. clsact_2_made: clsact is ours, too
 *
 * Links end with their last name and descriptor; a filter stays with its interface. A name is made before what it
 * stands for: whenever the daemon is killed, nothing of ours is without a name.
 */
import { linkInfo } from '../kernel/bpf/info.ts'
import { attachTcx, attachXdp, detachLink, replaceProgram } from '../kernel/bpf/link.ts'
import { openPinned, pin, unpin } from '../kernel/bpf/pin.ts'
import { isKernelError } from '../kernel/errno.ts'
import { close } from '../kernel/ffi.ts'
import type { NetlinkSocket } from '../kernel/netlink/netlink.ts'
import {
  addClsact,
  listFilters,
  removeClsact,
  removeFilter,
  replaceFilter,
  type FilterPlace,
} from '../kernel/netlink/tc-filter.ts'
import type { Place } from './attach-choice.ts'
import type { Instance } from './instance.ts'
import type { ProgramName } from './kernel-programs.ts'

/** Where an attachment's programs come from, and where its names are. */
export interface AttachmentSurroundings {
  readonly instance: Instance
  readonly programs: { get(name: ProgramName): number }
  readonly socket: NetlinkSocket
  /** Else filters of clsact take its place. */
  readonly hasTcx: boolean
  /** False: the program under XDP leaves nothing to be done under tc. */
  readonly hasCompanion?: false
}

/** One program at its place. */
interface Part {
  readonly program: ProgramName
  readonly how: 'xdp' | 'xdp generic' | 'tcx' | 'clsact'
  /** Of the pin. */
  readonly name: string
  /** Descriptor of the link; a filter has none. */
  readonly link: number | undefined
}

/** Ours among the filters of an interface. */
const HANDLE = 0x51c
const PRIORITY = 1
const LINK_PINS = { xdp: 'xdp', 'xdp-generic': 'xdp generic', tc: 'tcx', companion: 'tcx' } as const

export class Attachment {
  readonly index: number
  readonly #with: AttachmentSurroundings
  readonly #parts: readonly Part[]

  private constructor(index: number, surroundings: AttachmentSurroundings, parts: readonly Part[]) {
    this.index = index
    this.#with = surroundings
    this.#parts = parts
  }

  /** Throws KernelError, and leaves nothing behind then. */
  static make(index: number, place: Place, surroundings: AttachmentSurroundings): Attachment {
    const parts: Part[] = []
    const attachment = new Attachment(index, surroundings, parts)
    try {
      if (place === 'tc') parts.push(attachUnderTc(index, 'tc', surroundings))
      else {
        if (surroundings.hasCompanion !== false) {
          parts.push(attachUnderTc(index, 'companion', surroundings))
        }
        parts.push(attachUnderXdp(index, place, surroundings))
      }
      return attachment
    } catch (error) {
      attachment.detach()
      throw error
    }
  }

  /** What the instance's names say is attached; what has gone with its interface is forgotten. Throws KernelError. */
  static findAll(surroundings: AttachmentSurroundings): Attachment[] {
    const { instance } = surroundings
    const parts = new Map<number, Part[]>()
    for (const name of instance.pins) {
      const [kind, number, which] = name.split('_')
      if ((kind !== 'link' && kind !== 'clsact') || which === 'made') continue
      const index = Number(number)
      const find = kind === 'link' ? findLink : findFilter
      const part = find(index, name, which!, surroundings)
      if (part === undefined) unpin(instance.pathOf(name))
      else parts.set(index, [...(parts.get(index) ?? []), part])
    }
    return [...parts].map(([index, found]) => new Attachment(index, surroundings, inOrder(found)))
  }

  /** Where the packet path itself sits. */
  get how(): Part['how'] {
    return this.#parts.at(-1)!.how
  }

  get place(): Place {
    const { how } = this
    return how === 'tcx' || how === 'clsact' ? 'tc' : how
  }

  /** Has it all its parts, and is the interface still there? */
  get isWhole(): boolean {
    const isThere = this.#parts.every(
      ({ link }) => link === undefined || linkInfo(link).interfaceIndex === this.index,
    )
    const programs = this.#parts.map(({ program }) => program)
    const needed = this.#with.hasCompanion === false ? 1 : 2
    return isThere && (programs.includes('tc') || programs.length === needed)
  }

  /** From here on the interface's frames meet the programs as they are now, but for `except`. Throws KernelError. */
  renew(except?: ProgramName): void {
    for (const { program, link, how } of this.#parts) {
      if (program === except) continue
      const fd = this.#with.programs.get(program)
      if (link !== undefined) replaceProgram(link, fd)
      else if (how === 'clsact') setFilter(this.index, program, fd, this.#with)
    }
  }

  /** Leaves the interface to the host, which may have gone. */
  detach(): void {
    for (const part of [...this.#parts].reverse()) end(this.index, part, this.#with)
  }

  /** This process's part ends. */
  close(): void {
    for (const { link } of this.#parts) if (link !== undefined) close(link)
  }
}

/** The companion first: the packet path counts on it. */
function inOrder(parts: readonly Part[]): Part[] {
  return [...parts].sort(
    (a, b) => Number(b.program === 'companion') - Number(a.program === 'companion'),
  )
}

function attachUnderXdp(
  index: number,
  place: 'xdp' | 'xdp generic',
  { instance, programs }: AttachmentSurroundings,
): Part {
  const link = attachXdp(programs.get('xdp'), index, place === 'xdp' ? 'native' : 'generic')
  const name = `link_${index}_${place === 'xdp' ? 'xdp' : 'xdp-generic'}`
  return { program: 'xdp', how: place, name, link: pinned(link, instance.pathOf(name)) }
}

function attachUnderTc(
  index: number,
  program: ProgramName,
  surroundings: AttachmentSurroundings,
): Part {
  const { instance, programs, hasTcx } = surroundings
  if (!hasTcx) return attachByFilter(index, program, surroundings)
  const link = attachTcx(programs.get(program), index)
  const name = `link_${index}_${program}`
  return { program, how: 'tcx', name, link: pinned(link, instance.pathOf(name)) }
}

/** The link, under a name; closed if that cannot be. */
function pinned(link: number, path: string): number {
  try {
    unpin(path)
    pin(link, path)
    return link
  } catch (error) {
    close(link)
    throw error
  }
}

function attachByFilter(
  index: number,
  program: ProgramName,
  surroundings: AttachmentSurroundings,
): Part {
  const { instance, programs, socket } = surroundings
  const fd = programs.get(program)
  const made = instance.pathOf(`clsact_${index}_made`)
  const name = `clsact_${index}_${program}`
  mark(fd, made)
  if (!addClsact(socket, index)) unpin(made)
  mark(fd, instance.pathOf(name))
  setFilter(index, program, fd, surroundings)
  return { program, how: 'clsact', name, link: undefined }
}

/** A name for what has no descriptor: the program's stands for it. */
function mark(program: number, path: string): void {
  unpin(path)
  pin(program, path)
}

function setFilter(
  index: number,
  program: ProgramName,
  fd: number,
  { instance, socket }: AttachmentSurroundings,
): void {
  replaceFilter(socket, placeOf(index), filterName(instance, program), fd)
}

function placeOf(interfaceIndex: number): FilterPlace {
  return { interfaceIndex, direction: 'ingress', priority: PRIORITY, handle: HANDLE }
}

function filterName({ name }: Instance, program: string): string {
  return `sluice_${name}_${program}`
}

function findLink(
  _index: number,
  name: string,
  which: string,
  { instance }: AttachmentSurroundings,
): Part | undefined {
  const how = LINK_PINS[which as keyof typeof LINK_PINS] as Part['how'] | undefined
  const link = openPinned(instance.pathOf(name), 'link')
  if (link === undefined) return undefined
  if (how === undefined || linkInfo(link).interfaceIndex === 0) {
    close(link)
    return undefined
  }
  const program = which === 'tc' || which === 'companion' ? which : 'xdp'
  return { program, how, name, link }
}

function findFilter(
  index: number,
  name: string,
  which: string,
  { instance, socket }: AttachmentSurroundings,
): Part | undefined {
  const isOurs = filtersOf(socket, index).some((one) => one.name === filterName(instance, which))
  if (!isOurs) return undefined
  return { program: which as ProgramName, how: 'clsact', name, link: undefined }
}

function filtersOf(socket: NetlinkSocket, index: number) {
  try {
    return (['ingress', 'egress'] as const).flatMap((side) => listFilters(socket, index, side))
  } catch (error) {
    if (isKernelError(error, 'ENODEV', 'EINVAL', 'ENOENT')) return []
    throw error
  }
}

function end(index: number, { link, name }: Part, surroundings: AttachmentSurroundings): void {
  const { instance, socket } = surroundings
  if (link !== undefined) {
    unlink(link)
    close(link)
  } else endFilter(index, surroundings)
  unpin(instance.pathOf(name))
  if (link === undefined && unpin(instance.pathOf(`clsact_${index}_made`))) {
    if (filtersOf(socket, index).length === 0) ignoreGone(() => removeClsact(socket, index))
  }
}

/** At once, whoever else has the link. */
function unlink(link: number): void {
  ignoreGone(() => detachLink(link))
}

function endFilter(index: number, { socket }: AttachmentSurroundings): void {
  ignoreGone(() => removeFilter(socket, placeOf(index)))
}

function ignoreGone(remove: () => void): void {
  try {
    remove()
  } catch (error) {
    if (!isKernelError(error, 'ENODEV', 'ENOLINK', 'ENOENT', 'EOPNOTSUPP')) throw error
  }
}
