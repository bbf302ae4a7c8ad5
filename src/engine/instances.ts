/**
 * All instances on this machine, by the network namespace they forward in.
 */
import { statSync } from 'node:fs'
import { Settings, settings } from '../dataplane/tables.ts'
import { judgeSchema, LAYOUT, type OtherSchema } from '../dataplane/schema.ts'
import { mapInfo } from '../kernel/bpf/info.ts'
import { mapMemory } from '../kernel/bpf/map.ts'
import { openPinned } from '../kernel/bpf/pin.ts'
import { isKernelError } from '../kernel/errno.ts'
import { close } from '../kernel/ffi.ts'
import { layoutPathOf, listInstances, tablePathOf } from './instance.ts'
import { readDescription } from './table-maps.ts'

/** The network namespace of this thread, as a number: the inode that stands for it. */
export function ownNetwork(): number {
  return statSync('/proc/thread-self/ns/net').ino
}

/** Names of instances that forward in a network namespace. */
export function instancesOf(network: number): string[] {
  return listInstances().filter((name) => networkOf(name) === network)
}

/** Undefined for an instance of another release whose tables cannot be read, and one that is not finished. */
export function networkOf(instance: string): number | undefined {
  try {
    return readNetwork(instance)
  } catch (error) {
    if (isKernelError(error)) return undefined
    throw error
  }
}

function readNetwork(instance: string): number | undefined {
  const fd = openPinned(tablePathOf(instance, settings.name, LAYOUT), 'map')
  if (fd === undefined) return undefined
  try {
    const { valueSize } = mapInfo(fd)
    const { buffer, unmap } = mapMemory(fd, { valueSize, entries: 1 })
    const head = new DataView(buffer)
    const judgement = judgeSchema(head)
    const place = judgement === 'ours' ? Settings.offsets.network : placeOf(instance, judgement)
    const network = place === undefined ? undefined : head.getUint32(place, true)
    unmap()
    return network
  } finally {
    close(fd)
  }
}

/** Where another release has it. */
function placeOf(instance: string, judgement: 'unfinished' | OtherSchema): number | undefined {
  if (judgement === 'unfinished' || !judgement.isAlike) return undefined
  const { layout } = judgement
  const shapes = readDescription(layoutPathOf(instance, layout), layout)
  return shapes?.find(({ name }) => name === settings.name)?.offsets['network']
}
