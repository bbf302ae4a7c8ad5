/**
 * The end of the director's tunnels in the kernel: the compiled src/dataplane/decapsulation/, on the interfaces that
 * tunnel packets come in on.
 *
 *   NIC ─► program ─┬─ taken out of its tunnel ─► the host's stack, as if it had come so ─► the server
 *                   └─ anything else ───────────► the host's stack ─► the sockets of decapsulator.ts
 *
 * The attachments have names (src/engine/instance.ts): when this process is killed, tunnels are ended still, as the
 * VIPs stay; the next run finds them and puts its own programs in the place of the old ones, each in one step. Tables
 * go with the programs.
 */
import { ipToWords } from '../base/ip.ts'
import { enterAddress, leaveAddress } from '../dataplane/decapsulation/addresses.ts'
import { Outcome } from '../dataplane/decapsulation/outcome.ts'
import {
  DECAPSULATION_TABLES,
  HostRole,
  outcomes,
  tunnelSettings,
} from '../dataplane/decapsulation/tables.ts'
import { readArtefact } from '../engine/artefact-file.ts'
import { choosePlaces, type AttachWish, type Place } from '../engine/attach-choice.ts'
import { EngineProblem } from '../engine/engine.ts'
import { Instance } from '../engine/instance.ts'
import { Attachment, type AttachmentSurroundings } from '../engine/kernel-attachment.ts'
import { KernelPrograms } from '../engine/kernel-programs.ts'
import { listAddresses, followAddresses } from '../kernel/netlink/address.ts'
import { probeBpf, type Fact } from '../kernel/bpf/features.ts'
import { createMap, mapMemory } from '../kernel/bpf/map.ts'
import { isKernelError } from '../kernel/errno.ts'
import { close, type Mapping } from '../kernel/ffi.ts'
import type { Link } from '../kernel/netlink/link.ts'
import type { NetlinkSocket } from '../kernel/netlink/netlink.ts'
import { TableSet } from '../subset/table.ts'
import { enterAddresses } from './unwrap.ts'

export interface KernelDecapsulatorOptions {
  /** Of the instance in the kernel. */
  readonly instance: string
  readonly attach: AttachWish
  /** Canonical, as all addresses here. */
  readonly vips: readonly string[]
  /** Who may send; none: anybody. */
  readonly directors: readonly string[]
  readonly guePort: number
  /** Where tunnel packets come in. */
  readonly links: readonly Link[]
}

/** Where the program sits on an interface, and why there. */
export interface AttachedLink {
  readonly interface: string
  readonly how: string
  readonly why: string
}

export type OutcomeName = Exclude<keyof typeof Outcome, 'notTunnel'>
export type KernelCounts = Readonly<Record<OutcomeName, number>>

const NEEDED: readonly Fact[] = ['canLoad', 'pins', 'mappableMaps']
const NAME_MAX = 15
const NO_DATAGRAM_MAX = 0xffffffff
/** After a change of addresses others may follow; after a failure nothing has changed yet. */
const SETTLE_MS = 5
const RETRY_MS = 500
/** Of jiffies: the program never asks the time. */
const ANY_HERTZ = 250

export class KernelDecapsulator {
  readonly attached: readonly AttachedLink[]
  /** What the operator should know, in sentences. */
  readonly notes: readonly string[]
  readonly #instance: Instance
  readonly #tables: TunnelTables
  readonly #attachments: readonly Attachment[]
  readonly #programs: KernelPrograms
  readonly #following: { stop(): void }

  private constructor(
    { instance, programs }: Surroundings,
    tables: TunnelTables,
    found: Found,
    following: { stop(): void },
  ) {
    this.#instance = instance
    this.#programs = programs
    this.#tables = tables
    this.#attachments = found.attachments
    this.attached = found.attached
    this.notes = found.notes
    this.#following = following
  }

  /** In this thread's network namespace. Throws EngineProblem, KernelError; nothing is attached then. */
  static open(options: KernelDecapsulatorOptions, socket: NetlinkSocket): KernelDecapsulator {
    const hasTcx = refuseLacks()
    const instance = Instance.take(options.instance)
    const closers: (() => void)[] = [() => instance.remove()]
    try {
      const tables = TunnelTables.make()
      closers.push(() => tables.close())
      furnish(tables, options)
      const following = keepLocalAddresses(tables, socket)
      closers.push(() => following.stop())
      const read = (name: string) => readArtefact(`tun_${name}`)
      const programs = new KernelPrograms(tables, ANY_HERTZ, read)
      closers.push(() => programs.close())
      const surroundings = { instance, programs, socket, hasTcx, hasCompanion: false } as const
      const found = attachEverywhere(options, surroundings)
      return new KernelDecapsulator(surroundings, tables, found, following)
    } catch (error) {
      for (const undo of closers.reverse()) undo()
      throw error
    }
  }

  counts(): KernelCounts {
    this.#tables.set.use()
    const entries = Object.entries(Outcome)
      .filter(([name]) => name !== 'notTunnel')
      .map(([name, row]) => [name, outcomes.row(row).packets])
    return Object.fromEntries(entries) as Record<OutcomeName, number>
  }

  /** No program is left anywhere. */
  close(): void {
    this.#following.stop()
    for (const attachment of this.#attachments) attachment.detach()
    this.#programs.close()
    this.#tables.close()
    this.#instance.remove()
  }
}

type Surroundings = AttachmentSurroundings & { readonly programs: KernelPrograms }

/** The tables as maps, mapped into this process; they live as long as it or a program that uses them. */
class TunnelTables {
  readonly set: TableSet
  readonly #maps: ReadonlyMap<string, { fd: number; rows: number; mapping: Mapping }>

  private constructor(maps: ReadonlyMap<string, { fd: number; rows: number; mapping: Mapping }>) {
    this.#maps = maps
    const memories = [...maps.values()].map(({ rows, mapping }) => {
      return { capacity: rows, bytes: new DataView(mapping.buffer), base: 0 }
    })
    this.set = new TableSet(DECAPSULATION_TABLES, memories)
  }

  /** Throws KernelError. */
  static make(): TunnelTables {
    const maps = new Map<string, { fd: number; rows: number; mapping: Mapping }>()
    for (const { name, struct, capacity } of DECAPSULATION_TABLES) {
      const valueSize = capacity * struct.size
      const shape = { valueSize, entries: 1, isMappable: true }
      const fd = createMap({ type: 'array', name: name.slice(0, NAME_MAX), ...shape })
      maps.set(name, { fd, rows: capacity, mapping: mapMemory(fd, shape) })
    }
    return new TunnelTables(maps)
  }

  mapOf(name: string): { readonly fd: number; readonly rows: number } | undefined {
    return this.#maps.get(name)
  }

  close(): void {
    for (const { fd, mapping } of this.#maps.values()) {
      mapping.unmap()
      close(fd)
    }
  }
}

/** Throws EngineProblem. Is there tcx? */
function refuseLacks(): boolean {
  const { lacks } = probeBpf()
  for (const fact of NEEDED) {
    const sentence = lacks.get(fact)
    if (sentence !== undefined) throw new EngineProblem(sentence, true)
  }
  const [tcx, filters] = [lacks.get('tcx'), lacks.get('tcFilters')]
  if (tcx !== undefined && filters !== undefined) throw new EngineProblem(filters, true)
  return tcx === undefined
}

function furnish(tables: TunnelTables, options: KernelDecapsulatorOptions): void {
  const { vips, directors, guePort } = options
  tables.set.use()
  enterAddresses(vips, HostRole.vip)
  enterAddresses(directors, HostRole.director)
  const settings = tunnelSettings.row(0)
  settings.datagramMax = NO_DATAGRAM_MAX
  settings.guePort = guePort
  settings.checksSource = directors.length > 0 ? 1 : 0
}

/** Tunnels end at all addresses of this host, from now on until `stop`. Throws KernelError. */
function keepLocalAddresses(tables: TunnelTables, socket: NetlinkSocket): { stop(): void } {
  let known = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  // Addresses change seldom: all are read, once for all changes that come together.
  const readSoon = (delayMs: number) => {
    timer ??= setTimeout(() => {
      timer = undefined
      try {
        read()
      } catch (error) {
        if (!isKernelError(error)) throw error
        readSoon(RETRY_MS)
      }
    }, delayMs)
  }
  const read = () => {
    const now = new Set(listAddresses(socket).map(({ ip }) => ip))
    tables.set.use()
    for (const ip of known) if (!now.has(ip)) leaveAddress(ipToWords(ip), HostRole.local)
    for (const ip of now) enterAddress(ipToWords(ip), HostRole.local)
    known = now
  }
  const following = followAddresses({
    onChange: () => readSoon(SETTLE_MS),
    onOverflow: () => readSoon(SETTLE_MS),
  })
  const stop = () => {
    following.stop()
    clearTimeout(timer)
  }
  try {
    read()
    return { stop }
  } catch (error) {
    stop()
    throw error
  }
}

interface Found {
  readonly attachments: readonly Attachment[]
  readonly attached: readonly AttachedLink[]
  readonly notes: readonly string[]
}

/** Takes over what an earlier run left, attaches the rest. Throws EngineProblem if there is nothing to attach to. */
function attachEverywhere(options: KernelDecapsulatorOptions, surroundings: Surroundings): Found {
  const old = new Map(Attachment.findAll(surroundings).map((one) => [one.index, one]))
  const attachments: Attachment[] = []
  const attached: AttachedLink[] = []
  const notes: string[] = []
  try {
    for (const { index, name, kind } of options.links) {
      const { places, why } = choosePlaces(options.attach, kind)
      try {
        const { attachment, refusals } = attachSomewhere(
          index,
          places,
          old.get(index),
          surroundings,
        )
        attachments.push(attachment)
        attached.push({ interface: name, how: attachment.how, why: [why, ...refusals].join('; ') })
        if (attachment === old.get(index)) old.delete(index)
      } catch (error) {
        if (!isKernelError(error)) throw error
        notes.push(`${name}: tunnels end in this process, since ${error.message}`)
      }
    }
    for (const attachment of old.values()) attachment.detach()
  } catch (error) {
    for (const attachment of attachments) attachment.detach()
    throw error
  }
  if (attachments.length > 0) return { attachments, attached, notes }
  const why = notes.length > 0 ? notes.join('; ') : 'no interface with an address takes programs'
  throw new EngineProblem(why, true)
}

/** In the first of the places that takes it; the old attachment goes on there with the new program. */
function attachSomewhere(
  index: number,
  places: readonly Place[],
  old: Attachment | undefined,
  surroundings: Surroundings,
): { attachment: Attachment; refusals: string[] } {
  if (old?.isWhole === true && places.includes(old.place)) {
    old.renew()
    return { attachment: old, refusals: [] }
  }
  const refusals: string[] = []
  for (const place of places.slice(0, -1)) {
    try {
      return { attachment: Attachment.make(index, place, surroundings), refusals }
    } catch (error) {
      if (!isKernelError(error)) throw error
      refusals.push(`${place} was refused: ${error.message}`)
    }
  }
  return { attachment: Attachment.make(index, places.at(-1)!, surroundings), refusals }
}
