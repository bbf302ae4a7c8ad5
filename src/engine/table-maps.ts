/**
 * Tables as maps of the kernel, one by one: made, named, opened again; and beside them, under a name of its own, what
 * they look like (dataplane/schema.ts), so that other releases can read them.
 *
 *     table_settings            which layout is in charge
 *     table_5f3ac01d_hops …     the tables of that layout
 *     layout_5f3ac01d           its description
 */
import { layoutOf, parseDescription, type TableShape } from '../dataplane/schema.ts'
import { mapInfo } from '../kernel/bpf/info.ts'
import { createMap, lookupElement, mapMemory, updateElement } from '../kernel/bpf/map.ts'
import { openPinned, pin, unpin } from '../kernel/bpf/pin.ts'
import { isKernelError } from '../kernel/errno.ts'
import { close, type Mapping } from '../kernel/ffi.ts'
import type { AnyTable } from '../subset/table.ts'
import { EngineProblem } from './engine.ts'
import type { Instance } from './instance.ts'

/** What the kernel shows of a map has 15 letters at most. */
const NAME_MAX = 15

export interface KernelTable {
  readonly fd: number
  readonly rows: number
  readonly mapping: Mapping
}

/** A fresh one. Throws EngineProblem, KernelError. */
export function makeTable({ name, struct, contents }: AnyTable, rows: number): KernelTable {
  const valueSize = rows * struct.size
  const table = mapped(makeMap(name, valueSize), rows, valueSize)
  if (contents !== undefined) new Uint8Array(table.mapping.buffer).set(contents)
  return table
}

/** The same, with a name; closed if it cannot have it. Throws KernelError. */
export function named(table: KernelTable, path: string): KernelTable {
  try {
    unpin(path)
    pin(table.fd, path)
    return table
  } catch (error) {
    closeTable(table)
    throw error
  }
}

/** Of an earlier daemon. Throws EngineProblem if somebody removed it. */
export function openTable(
  instance: Instance,
  { name, size }: Pick<TableShape, 'name' | 'size'>,
  layout: number,
): KernelTable {
  const path = instance.tablePath(name, layout)
  const fd = openPinned(path, 'map')
  if (fd === undefined) {
    throw new EngineProblem(
      `the instance "${instance.name}" has no table ${name}: somebody removed it. Begin anew after \`sluice detach\``,
      false,
    )
  }
  const { valueSize } = mapInfo(fd)
  return mapped(fd, Math.floor(valueSize / size), valueSize)
}

export function closeTable({ fd, mapping }: KernelTable): void {
  mapping.unmap()
  close(fd)
}

export function writeDescription(instance: Instance, layout: number, description: string): void {
  const bytes = Buffer.from(description)
  const fd = makeMap('layout', bytes.length)
  try {
    updateElement(fd, 0, bytes)
    const path = instance.layoutPath(layout)
    unpin(path)
    pin(fd, path)
  } finally {
    close(fd)
  }
}

/** The tables of a layout; undefined if nobody wrote what they look like. Throws KernelError. */
export function readDescription(path: string, layout: number): TableShape[] | undefined {
  const fd = openPinned(path, 'map')
  if (fd === undefined) return undefined
  try {
    const text = Buffer.from(lookupElement(fd, 0, mapInfo(fd).valueSize)).toString()
    return layoutOf(text) === layout ? parseDescription(text) : undefined
  } finally {
    close(fd)
  }
}

function makeMap(name: string, valueSize: number): number {
  try {
    const shape = { name: name.slice(0, NAME_MAX), valueSize, entries: 1, isMappable: true }
    return createMap({ type: 'array', ...shape })
  } catch (error) {
    if (!isKernelError(error, 'E2BIG')) throw error
    throw new EngineProblem(
      'this kernel has BPF arrays of a few MiB only, and our tables are larger (Linux 6.0 has such)',
      true,
    )
  }
}

function mapped(fd: number, rows: number, valueSize: number): KernelTable {
  try {
    return { fd, rows, mapping: mapMemory(fd, { valueSize, entries: 1 }) }
  } catch (error) {
    close(fd)
    throw error
  }
}
