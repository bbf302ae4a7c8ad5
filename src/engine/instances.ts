/**
 * All instances on this machine, by the network namespace they forward in.
 */
import { statSync } from 'node:fs'
import { Settings, settings } from '../dataplane/tables.ts'
import { judgeSchema } from '../dataplane/schema.ts'
import { mapInfo } from '../kernel/bpf-info.ts'
import { mapMemory } from '../kernel/bpf-map.ts'
import { openPinned } from '../kernel/bpf-pin.ts'
import { isKernelError } from '../kernel/errno.ts'
import { close } from '../kernel/ffi.ts'
import { listInstances, tablePathOf } from './instance.ts'

/** The network namespace of this thread, as a number: the inode that stands for it. */
export function ownNetwork(): number {
  return statSync('/proc/thread-self/ns/net').ino
}

/** Names of instances that forward in a network namespace. */
export function instancesOf(network: number): string[] {
  return listInstances().filter((name) => networkOf(name) === network)
}

/** Undefined for an instance of another release, whose tables cannot be read, and one that is not finished. */
export function networkOf(instance: string): number | undefined {
  try {
    return readNetwork(tablePathOf(instance, settings.name))
  } catch (error) {
    if (isKernelError(error)) return undefined
    throw error
  }
}

function readNetwork(path: string): number | undefined {
  const fd = openPinned(path, 'map')
  if (fd === undefined) return undefined
  try {
    const { valueSize } = mapInfo(fd)
    const { buffer, unmap } = mapMemory(fd, { valueSize, entries: 1 })
    const head = new DataView(buffer)
    const network = judgeSchema(head) === 'ours' ? Settings.view(head, 0).network : undefined
    unmap()
    return network
  } finally {
    close(fd)
  }
}
