/**
 * Ends an instance for good: no program of it runs any more, and nothing of it is left.
 *
 * Needs no table to be read, so it also ends what another release began.
 */
import { openRtnetlink } from '../kernel/netlink/rtnetlink.ts'
import { EngineProblem } from './engine.ts'
import { Instance, listInstances } from './instance.ts'
import { networkOf, ownNetwork } from './instances.ts'
import { Attachment } from './kernel-attachment.ts'

export interface Detached {
  readonly instance: string
  /** Where its programs sat, by interface index. */
  readonly interfaces: readonly { readonly index: number; readonly how: string }[]
}

/** In this thread's network namespace, if it is the instance's. Throws EngineProblem, KernelError. */
export function detachInstance(name: string): Detached {
  if (!listInstances().includes(name)) {
    throw new EngineProblem(`there is no instance "${name}"`, false)
  }
  const network = networkOf(name)
  const instance = Instance.take(name)
  const socket = openRtnetlink()
  try {
    const hasFilters = instance.pins.some((pin) => pin.startsWith('clsact_'))
    if (hasFilters && network !== undefined && network !== ownNetwork()) {
      throw new EngineProblem(
        `the instance "${name}" belongs to another network namespace, and must be ended there`,
        false,
      )
    }
    const attachments = Attachment.findAll({
      instance,
      socket,
      programs: NO_PROGRAMS,
      hasTcx: true,
    })
    const interfaces = attachments.map(({ index, how }) => ({ index, how }))
    for (const attachment of attachments) attachment.detach()
    instance.remove()
    return { instance: name, interfaces }
  } finally {
    instance.release()
    socket.close()
  }
}

const NO_PROGRAMS = {
  get(): number {
    throw new RangeError('what ends needs no programs')
  },
}
