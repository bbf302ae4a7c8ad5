/**
 * BPF maps: memory that programs in the kernel and this process share.
 *
 *   array, mappable    our tables: one entry whose value is the whole table, which programs address directly
 *                      (instruction.ts: mapValue) and this process maps (`mapMemory`)
 *   perCpuArray        a value for each CPU; this process reads them all at once
 *   programArray       programs to tail-call, by index
 *   arrayOfMaps        maps of one shape, by index
 *
 * A map is a descriptor; it lives as long as a descriptor, a program or a pin (bpf/pin.ts) has it. Its memory is
 * zero at first. Values above 4 MiB need kernel 6.0, direct addresses end at 512 MiB.
 *
 * Follows kernel/bpf/syscall.c, kernel/bpf/arraymap.c.
 */
import { readFileSync } from 'node:fs'
import { assert } from '../../base/assert.ts'
import { BpfAttributes, callBpf, Command, tryBpf } from './call.ts'
import { Errno, KernelError } from '../errno.ts'
import { mapShared, type Mapping } from '../ffi.ts'

/** enum bpf_map_type */
const MAP_TYPE = { array: 2, programArray: 3, perCpuArray: 6, arrayOfMaps: 12 } as const
export type MapType = keyof typeof MAP_TYPE

export interface MapShape {
  readonly type: MapType
  /** At most 15 letters, digits, dots and underscores. */
  readonly name: string
  /** Bytes of a value; of what holds programs or maps 4. */
  readonly valueSize: number
  readonly entries: number
  /** Of an array: `mapMemory` may be called. */
  readonly isMappable?: boolean
  /** Programs only read it; once it is frozen, the verifier knows its values as constants. */
  readonly isReadOnly?: boolean
  /** Of an arrayOfMaps: a map, open, of the shape that all have in it. */
  readonly inner?: number
  /** BTF that names the types of key and value: for those who look at the map with other tools. */
  readonly btf?: { readonly fd: number; readonly keyType: number; readonly valueType: number }
}

/** BPF_F_… */
const Flag = { readOnlyProgram: 1 << 7, mappable: 1 << 10 } as const
const KEY_SIZE = 4

/** A descriptor. Throws KernelError: EPERM, ENOMEM, E2BIG where the kernel wants smaller values. */
export function createMap(shape: MapShape): number {
  const flags =
    (shape.isMappable ? Flag.mappable : 0) | (shape.isReadOnly ? Flag.readOnlyProgram : 0)
  const attributes = new BpfAttributes(64)
    .u32(0, MAP_TYPE[shape.type])
    .u32(4, KEY_SIZE)
    .u32(8, shape.valueSize)
    .u32(12, shape.entries)
    .u32(16, flags)
    .u32(20, shape.inner ?? 0)
    .name(28, shape.name)
  if (shape.btf !== undefined) {
    attributes.u32(48, shape.btf.fd).u32(52, shape.btf.keyType).u32(56, shape.btf.valueType)
  }
  const size = `${shape.entries} × ${shape.valueSize} bytes`
  return callBpf(
    `create BPF map ${shape.name} (${shape.type}, ${size})`,
    Command.mapCreate,
    attributes,
  )
}

/** The memory of a mappable array, entry behind entry, each at a multiple of 8. Throws KernelError. */
export function mapMemory(fd: number, shape: Pick<MapShape, 'valueSize' | 'entries'>): Mapping {
  return mapShared(fd, shape.entries * padded(shape.valueSize))
}

/** A copy of an array's value. Throws KernelError: ENOENT. */
export function lookupElement(fd: number, index: number, valueSize: number): Uint8Array {
  const value = new Uint8Array(valueSize)
  callBpf('look up in BPF map', Command.mapLookup, element(fd, index, value))
  return value
}

/** The value that each CPU has, of a perCpuArray. Throws KernelError: ENOENT. */
export function lookupPerCpu(fd: number, index: number, valueSize: number): Uint8Array[] {
  const stride = padded(valueSize)
  const values = lookupElement(fd, index, stride * possibleCpus())
  const count = values.length / stride
  return Array.from({ length: count }, (_, cpu) =>
    values.subarray(cpu * stride, cpu * stride + valueSize),
  )
}

/** Of a programArray, `value` is the program's descriptor as u32. Throws KernelError. */
export function updateElement(fd: number, index: number, value: Uint8Array): void {
  callBpf('change BPF map', Command.mapUpdate, element(fd, index, value))
}

/** The program that a tail call to `index` runs from now on. Throws KernelError. */
export function setProgram(fd: number, index: number, program: number): void {
  updateElement(fd, index, new Uint8Array(Uint32Array.of(program).buffer))
}

/** Empties a slot of a programArray; false if it was empty. Throws KernelError. */
export function clearProgram(fd: number, index: number): boolean {
  const result = tryBpf(Command.mapDelete, element(fd, index, new Uint8Array(0)))
  if (result < 0 && result !== -Errno.ENOENT) throw new KernelError('change BPF map', -result)
  return result >= 0
}

/** No system call changes it from now on. Throws KernelError: EBUSY while it is mapped. */
export function freezeMap(fd: number): void {
  callBpf('freeze BPF map', Command.mapFreeze, new BpfAttributes(4).u32(0, fd))
}

function element(fd: number, index: number, value: Uint8Array): BpfAttributes {
  const key = new Uint8Array(Uint32Array.of(index).buffer)
  return new BpfAttributes(32).u32(0, fd).pointer(8, key).pointer(16, value)
}

function padded(size: number): number {
  return Math.ceil(size / 8) * 8
}

/** How many CPUs there may ever be: a value of each is in a perCpuArray. */
export function possibleCpus(): number {
  const text = readFileSync('/sys/devices/system/cpu/possible', 'latin1').trim()
  const last = /(\d+)$/.exec(text)?.[1]
  assert(last !== undefined, `CPUs '${text}'`)
  return Number(last) + 1
}
