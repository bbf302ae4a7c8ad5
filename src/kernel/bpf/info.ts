/**
 * What the kernel says of a map, program or link that is open here: struct bpf_map_info, bpf_prog_info, bpf_link_info
 * (include/uapi/linux/bpf.h). Older kernels know less: what they leave out is zero.
 *
 * Everything has a number besides, unique on the machine as long as it lives, by which others name it: links their
 * program, interfaces what is attached to them, bpftool all of them.
 */
import { readlinkSync } from 'node:fs'
import { assert } from '../../base/assert.ts'
import { viewOf } from '../../base/bytes.ts'
import { BpfAttributes, callBpf, Command, tryBpf } from './call.ts'
import { Errno, KernelError } from '../errno.ts'

export interface MapInfo {
  readonly id: number
  /** enum bpf_map_type */
  readonly type: number
  readonly name: string
  readonly keySize: number
  readonly valueSize: number
  readonly entries: number
  /** BPF_F_… */
  readonly flags: number
}

export interface ProgramInfo {
  readonly id: number
  /** enum bpf_prog_type */
  readonly type: number
  readonly name: string
  /** Of its instructions: the same program, the same tag. */
  readonly tag: string
  /** Numbers of the maps it uses, in no order. */
  readonly maps: readonly number[]
  /** Slots after the kernel's own changes, and bytes of machine code (0: it is interpreted). */
  readonly slots: number
  readonly machineBytes: number
  /** Steps the verifier took (kernel 5.16). */
  readonly verifierSteps: number
  /** Only counted during `countRuns`, or while the sysctl kernel.bpf_stats_enabled is on. */
  readonly runs: number
  readonly runTimeNs: number
}

export interface LinkInfo {
  readonly id: number
  readonly kind: 'xdp' | 'tcx' | 'other'
  /** The number of the program it runs. */
  readonly program: number
  /** 0 once the interface is gone, or the link was detached. */
  readonly interfaceIndex: number
}

/** enum bpf_link_type */
const LinkType = { xdp: 6, tcx: 11 } as const
const MAP_INFO_SIZE = 88
const PROGRAM_INFO_SIZE = 232
const LINK_INFO_SIZE = 64
/** Maps of one program that are listed: the kernel allows no more. */
const MAPS_MAX = 64

/** Throws KernelError. */
export function mapInfo(fd: number): MapInfo {
  const { view, bytes } = getInfo(fd, 'map', MAP_INFO_SIZE)
  const [type, id, keySize, valueSize, entries, flags] = [0, 4, 8, 12, 16, 20].map((at) =>
    view.getUint32(at, true),
  ) as [number, number, number, number, number, number]
  return { id, type, name: nameAt(bytes, 24), keySize, valueSize, entries, flags }
}

/** Throws KernelError. */
export function programInfo(fd: number): ProgramInfo {
  const maps = new Uint32Array(MAPS_MAX)
  const { view, bytes } = getInfo(fd, 'program', PROGRAM_INFO_SIZE, (attributes) => {
    attributes.u32(52, MAPS_MAX).pointer(56, new Uint8Array(maps.buffer))
  })
  return {
    type: view.getUint32(0, true),
    id: view.getUint32(4, true),
    tag: Buffer.from(bytes.subarray(8, 16)).toString('hex'),
    name: nameAt(bytes, 64),
    maps: [...maps.subarray(0, view.getUint32(52, true))],
    slots: view.getUint32(20, true) / 8,
    machineBytes: view.getUint32(16, true),
    runTimeNs: Number(view.getBigUint64(192, true)),
    runs: Number(view.getBigUint64(200, true)),
    verifierSteps: view.getUint32(216, true),
  }
}

/** Throws KernelError. */
export function linkInfo(fd: number): LinkInfo {
  const { view } = getInfo(fd, 'link', LINK_INFO_SIZE)
  const type = view.getUint32(0, true)
  const kind = type === LinkType.xdp ? 'xdp' : type === LinkType.tcx ? 'tcx' : 'other'
  return {
    kind,
    id: view.getUint32(4, true),
    program: view.getUint32(8, true),
    interfaceIndex: kind === 'other' ? 0 : view.getUint32(16, true),
  }
}

/**
 * As long as this descriptor is open the kernel counts runs of all programs, and how long they take; that costs
 * each run some 20 ns. Throws KernelError: EPERM.
 */
export function countRuns(): number {
  const attributes = new BpfAttributes(4).u32(0, RUN_TIME)
  return callBpf('count runs of BPF programs', Command.enableStatistics, attributes)
}

/** BPF_STATS_RUN_TIME */
const RUN_TIME = 0

export type ObjectKind = 'map' | 'program' | 'link'

/** How /proc names them. */
const FILES: ReadonlyMap<string, ObjectKind> = new Map([
  ['anon_inode:bpf-map', 'map'],
  ['anon_inode:bpf-prog', 'program'],
  ['anon_inode:bpf_link', 'link'], // as it was made
  ['anon_inode:bpf-link', 'link'], // opened again
])

/** What the descriptor is open for; undefined if it is none of BPF's. */
export function objectKind(fd: number): ObjectKind | undefined {
  return FILES.get(readlinkSync(`/proc/self/fd/${fd}`))
}

const BY_ID = {
  program: Command.programById,
  map: Command.mapById,
  link: Command.linkById,
} as const satisfies Record<ObjectKind, number>

/** A descriptor of what has that number; undefined if nothing has. Throws KernelError. */
export function openById(kind: ObjectKind, id: number): number | undefined {
  const result = tryBpf(BY_ID[kind], new BpfAttributes(12).u32(0, id))
  if (result === -Errno.ENOENT) return undefined
  if (result < 0) throw new KernelError(`open BPF ${kind} ${id}`, -result)
  return result
}

function getInfo(
  fd: number,
  kind: ObjectKind,
  size: number,
  ask: (info: BpfAttributes) => void = () => undefined,
): { view: DataView; bytes: Uint8Array } {
  assert(objectKind(fd) === kind, `descriptor ${fd} is no BPF ${kind}`) // the kernel would not say so
  const info = new BpfAttributes(size)
  ask(info)
  const attributes = new BpfAttributes(16).u32(0, fd).u32(4, size).pointer(8, info.bytes)
  callBpf(`ask for a BPF ${kind}'s properties`, Command.objectInfo, attributes)
  return { view: viewOf(info.bytes), bytes: info.bytes }
}

function nameAt(bytes: Uint8Array, at: number): string {
  const name = bytes.subarray(at, at + 16)
  const end = name.indexOf(0)
  return Buffer.from(end < 0 ? name : name.subarray(0, end)).toString()
}
