/**
 * Keeps the packet path's view of the network true: follows links, addresses, routes and neighbours of the host.
 *
 *   links, addresses, routes ── some changed ──► all listed anew, once things are quiet ──► Hops.apply
 *   a neighbour              ── changed ───────► Hops.changeNeighbour ──► frames that waited for it leave
 *   a frame waits            ── onUnresolved ──► the kernel asks (ARP, neighbour discovery)
 *   next hops in use         ── every while ───► the kernel confirms those that are stale
 *
 * The kernel's own stack resolves neighbours; it sends none of our frames itself, so it would never notice that it
 * should. Confirming what is in use also finds out about next hops that died.
 */
import { listAddresses, followAddresses } from '../kernel/netlink/address.ts'
import { isKernelError } from '../kernel/errno.ts'
import { followLinks, listLinks, type Link } from '../kernel/netlink/link.ts'
import type { NetlinkSocket } from '../kernel/netlink/netlink.ts'
import type { NetlinkSubscription } from '../kernel/netlink/netlink-subscription.ts'
import {
  followNeighbours,
  listNeighbours,
  probeNeighbour,
  type Neighbour,
} from '../kernel/netlink/neighbour.ts'
import { followRoutes, listRoutes } from '../kernel/netlink/route.ts'
import { openRtnetlink, type Change } from '../kernel/netlink/rtnetlink.ts'
import type { HopKey } from '../director/hops/hop-entry.ts'
import type { OwnAddress } from '../director/hops/hop-source.ts'
import type { Hops } from '../director/hops/hops.ts'
import { toOwnAddress, toRoute } from './network-facts.ts'

/** Changes come in bursts: an interface that goes up brings a dozen. They are taken in together, soon. */
const QUIET_MS = 20
/** However long the burst, no later than this. */
const RELOAD_LATEST_MS = 500
/** Seconds between two confirmations of next hops in use. */
export const CONFIRM_INTERVAL_S = 30
/** Neighbours asked for in one go; the others follow a second later. */
const PROBES_PER_TURN = 32
const PROBES_PAUSE_MS = 125

export interface NetworkEvents {
  /** Makes the tables in use those that `Hops` writes. */
  use(): void
  /** All links and own addresses, after a change. Called before anything else of the change is told. */
  onNetwork(links: readonly Link[], addresses: readonly OwnAddress[]): void
  /** Frames for this neighbour may leave. */
  onResolved(interfaceIndex: number, address: string): void
  onProblem(text: string): void
}

export class NetworkFollower {
  readonly #hops: Hops
  readonly #events: NetworkEvents
  #socket: NetlinkSocket | undefined
  #subscriptions: NetlinkSubscription[] = []
  #reload: NodeJS.Timeout | undefined
  #changedSince = 0
  #neighboursLost = false
  #confirm: NodeJS.Timeout | undefined
  #toProbe = new Map<string, HopKey>()
  #probing: NodeJS.Timeout | undefined

  constructor(hops: Hops, events: NetworkEvents) {
    this.#hops = hops
    this.#events = events
  }

  /** Takes everything in, and follows it from then on. In this thread's namespace. Throws KernelError. */
  start(): void {
    this.#socket = openRtnetlink()
    const follower = { onChange: () => this.#changed(), onOverflow: () => this.#changed() }
    this.#subscriptions = [
      followLinks(follower),
      followAddresses(follower),
      followRoutes(follower),
      followNeighbours({
        onChange: (change) => this.#neighbourChanged(change),
        onOverflow: () => {
          this.#neighboursLost = true
          this.#changed()
        },
      }),
    ]
    this.#neighboursLost = true
    this.#load()
    this.#confirm = setInterval(() => this.#confirmHops(), CONFIRM_INTERVAL_S * 1000)
  }

  /** A frame waits for this neighbour, or soon will. */
  resolve(key: HopKey): void {
    this.#events.use()
    if (this.#hops.ensureHop(key)) this.#events.onResolved(key.interfaceIndex, key.ip)
    else this.#probe(key)
  }

  /** From now on the way to this real server is kept known. */
  addServer(address: string): void {
    this.#events.use()
    const unresolved = this.#hops.ensureServerHop(address)
    if (unresolved !== undefined) this.#queueProbe(unresolved)
  }

  #changed(): void {
    const now = performance.now()
    if (this.#reload === undefined) this.#changedSince = now
    else if (now - this.#changedSince > RELOAD_LATEST_MS - QUIET_MS) return
    clearTimeout(this.#reload)
    this.#reload = setTimeout(() => this.#load(), QUIET_MS)
  }

  #load(): void {
    this.#reload = undefined
    const socket = this.#socket
    if (socket === undefined) return
    this.#events.use()
    const links = listLinks(socket)
    const addresses = listAddresses(socket).flatMap((address) => toOwnAddress(address) ?? [])
    const routes = listRoutes(socket).flatMap((route) => toRoute(route) ?? [])
    this.#events.onNetwork(links, addresses)
    this.#events.use()
    for (const problem of this.#hops.apply({ links, addresses, routes })) {
      this.#events.onProblem(problem)
    }
    if (this.#neighboursLost) this.#loadNeighbours(socket)
    this.#askForMissing()
  }

  #loadNeighbours(socket: NetlinkSocket): void {
    this.#neighboursLost = false
    const resolved = this.#hops.applyNeighbours(listNeighbours(socket))
    for (const { interfaceIndex, ip } of resolved) this.#events.onResolved(interfaceIndex, ip)
  }

  #neighbourChanged({ kind, entry }: Change<Neighbour>): void {
    this.#events.use()
    if (kind === 'gone') {
      this.#hops.removeNeighbour(entry)
      return
    }
    if (this.#hops.changeNeighbour(entry)) this.#events.onResolved(entry.interfaceIndex, entry.ip)
  }

  /** Next hops in use that the kernel does not know: it should. */
  #askForMissing(): void {
    for (const hop of this.#hops.neededHops()) if (!hop.isResolved) this.#queueProbe(hop)
  }

  #confirmHops(): void {
    this.#events.use()
    for (const hop of this.#hops.neededHops()) {
      if (hop.state !== 'reachable' && hop.state !== 'permanent' && hop.state !== 'noarp') {
        this.#queueProbe(hop)
      }
    }
  }

  #queueProbe(key: HopKey): void {
    this.#toProbe.set(`${key.interfaceIndex} ${key.ip}`, key)
    this.#probing ??= setTimeout(() => this.#probeSome(), 0)
  }

  #probeSome(): void {
    this.#probing = undefined
    let left = PROBES_PER_TURN
    for (const [id, key] of this.#toProbe) {
      if (left-- === 0) break
      this.#toProbe.delete(id)
      this.#probe(key)
    }
    if (this.#toProbe.size > 0) this.#probing = setTimeout(() => this.#probeSome(), PROBES_PAUSE_MS)
  }

  #probe({ interfaceIndex, ip }: HopKey): void {
    if (this.#socket === undefined) return
    try {
      probeNeighbour(this.#socket, interfaceIndex, ip)
    } catch (error) {
      // The interface has gone, is down or has no neighbours: the change itself is on its way to us.
      if (!isKernelError(error, 'ENODEV', 'ENETDOWN', 'EINVAL', 'ENOBUFS')) throw error
    }
  }

  stop(): void {
    for (const timer of [this.#reload, this.#confirm, this.#probing]) clearTimeout(timer)
    for (const subscription of this.#subscriptions) subscription.stop()
    this.#subscriptions = []
    this.#socket?.close()
    this.#socket = undefined
  }
}
