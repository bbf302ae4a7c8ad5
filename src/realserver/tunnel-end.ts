/**
 * Where the director's tunnels end on this host: in the kernel where that can be had, and always in this process, too.
 *
 *   engine kernel   programs take out what is as a director sends it; what they leave comes to the sockets
 *   engine v8       everything comes to the sockets
 *
 * What stands in the way of the kernel is one sentence; `auto` goes on without, and the report says why.
 */
import { ownNetwork } from '../engine/instances.ts'
import { detachInstance } from '../engine/detach.ts'
import { EngineProblem } from '../engine/engine.ts'
import { listInstances } from '../engine/instance.ts'
import { listAddresses, Scope } from '../kernel/netlink/address.ts'
import { isKernelError, KernelError } from '../kernel/errno.ts'
import { listLinks, type Link } from '../kernel/netlink/link.ts'
import type { NetlinkSocket } from '../kernel/netlink/netlink.ts'
import { Decapsulator, type DecapsulatorCounts } from './decapsulator.ts'
import {
  KernelDecapsulator,
  type AttachedLink,
  type KernelCounts,
  type KernelDecapsulatorOptions,
} from './kernel-decapsulator.ts'
import type { Refusal } from './unwrap.ts'

export interface TunnelWish {
  readonly vips: readonly string[]
  /** Where tunnel packets come in; undefined: wherever there is an address. */
  readonly interfaceName: string | undefined
  readonly engine: 'auto' | 'kernel' | 'v8'
  readonly attach: KernelDecapsulatorOptions['attach']
  /** Of what is in the kernel; undefined: one that belongs to this network namespace. */
  readonly instance: string | undefined
  /** Who may send, canonical; none: anybody. */
  readonly directors: readonly string[]
  /** UDP port that GUE comes to. */
  readonly guePort: number
}

export interface TunnelReport {
  readonly engine: 'kernel' | 'v8'
  /** Why not the kernel; undefined if it is, or was not asked for. */
  readonly why: string | undefined
  readonly attached: readonly AttachedLink[]
  /** Through which packets come out of tunnels in this process. */
  readonly deviceName: string | undefined
  readonly notes: readonly string[]
}

/** `kernel`: of the program alone. What it leaves is counted once more, by those who get it. */
export interface TunnelCounts extends DecapsulatorCounts {
  readonly kernel: KernelCounts | undefined
}

const NOTHING: DecapsulatorCounts = {
  delivered: 0,
  refused: {
    malformed: 0,
    otherTunnel: 0,
    wrongChecksum: 0,
    otherDestination: 0,
    congested: 0,
    mergedDatagrams: 0,
    stranger: 0,
  },
  overrun: 0,
  failed: {},
}

export class TunnelEnd {
  readonly report: TunnelReport
  readonly #kernel: KernelDecapsulator | undefined
  readonly #sockets: Decapsulator | undefined

  private constructor(
    report: TunnelReport,
    kernel: KernelDecapsulator | undefined,
    sockets: Decapsulator | undefined,
  ) {
    this.report = report
    this.#kernel = kernel
    this.#sockets = sockets
  }

  /**
   * In this thread's network namespace. `onFirst` hears of the first packet refused for each reason, in this process.
   * Throws EngineProblem, KernelError; nothing is left then.
   */
  static open(
    wish: TunnelWish,
    netlink: NetlinkSocket,
    onFirst: (refusal: Refusal) => void,
  ): TunnelEnd {
    const { kernel, why } = openKernel(wish, netlink)
    const notes = [...(kernel?.notes ?? []), ...warnings(wish, kernel !== undefined)]
    try {
      const sockets = openSockets(wish, netlink, onFirst, kernel === undefined ? undefined : notes)
      const report: TunnelReport = {
        engine: kernel === undefined ? 'v8' : 'kernel',
        why,
        attached: kernel?.attached ?? [],
        deviceName: sockets?.deviceName,
        notes,
      }
      return new TunnelEnd(report, kernel, sockets)
    } catch (error) {
      kernel?.close()
      throw error
    }
  }

  counts(): TunnelCounts {
    return { ...(this.#sockets?.counts() ?? NOTHING), kernel: this.#kernel?.counts() }
  }

  close(): void {
    this.#kernel?.close()
    this.#sockets?.close()
  }
}

/** What a killed run left in the kernel, where tunnels are not to end there any more. Throws KernelError. */
export function endLeftTunnels({ instance }: Pick<TunnelWish, 'instance'>): void {
  const name = instance ?? usualInstance()
  if (listInstances().includes(name)) detachInstance(name)
}

function usualInstance(): string {
  return `realserver-${ownNetwork()}`
}

function openKernel(
  wish: TunnelWish,
  netlink: NetlinkSocket,
): { kernel: KernelDecapsulator | undefined; why: string | undefined } {
  if (wish.engine !== 'v8') {
    try {
      const instance = wish.instance ?? usualInstance()
      const options = { ...wish, instance, links: linksOf(wish, netlink) }
      return { kernel: KernelDecapsulator.open(options, netlink), why: undefined }
    } catch (error) {
      const problem = problemOf(error)
      if (wish.engine === 'kernel' || !problem.isLacking) throw problem
      endLeftTunnels(wish)
      return { kernel: undefined, why: problem.message }
    }
  }
  endLeftTunnels(wish)
  return { kernel: undefined, why: undefined }
}

/** What the kernel refuses is what this machine lacks. */
function problemOf(error: unknown): EngineProblem {
  if (error instanceof EngineProblem) return error
  if (error instanceof KernelError) return new EngineProblem(error.message, true)
  throw error
}

/** Interfaces with a MAC address and an IP address of their own; or the one that was named. */
function linksOf({ interfaceName }: TunnelWish, netlink: NetlinkSocket): Link[] {
  const links = listLinks(netlink).filter(({ mac, isLoopback }) => mac !== undefined && !isLoopback)
  if (interfaceName !== undefined) return links.filter(({ name }) => name === interfaceName)
  const addresses = listAddresses(netlink).filter(({ scope }) => scope === Scope.global)
  const indexes = new Set(addresses.map(({ interfaceIndex }) => interfaceIndex))
  return links.filter(({ index, isUp, kind }) => isUp && kind !== 'dummy' && indexes.has(index))
}

/** With programs in the kernel, the notes: there it is no more than a pity if sockets cannot be had. */
function openSockets(
  { vips, guePort, directors }: TunnelWish,
  netlink: NetlinkSocket,
  onFirst: (refusal: Refusal) => void,
  notes: string[] | undefined,
): Decapsulator | undefined {
  const mtus = listLinks(netlink).map(({ isLoopback, mtu }) => (isLoopback ? 0 : mtu))
  const options = { mtu: Math.max(0, ...mtus), guePort, directors }
  try {
    return Decapsulator.open(vips, options, onFirst)
  } catch (error) {
    if (notes === undefined || !isKernelError(error)) throw error
    notes.push(`outer packets in fragments do not come out of their tunnels: ${error.message}`)
    return undefined
  }
}

function warnings({ directors }: TunnelWish, isInKernel: boolean): string[] {
  if (!isInKernel || directors.length > 0) return []
  return [
    'tunnel packets are taken from everybody, before a firewall of this host sees them: ' +
      'name the directors (--director)',
  ]
}
