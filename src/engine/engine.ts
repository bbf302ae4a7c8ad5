/**
 * What an engine is: something that runs the packet path on live interfaces, over one set of tables.
 *
 * `v8-engine` runs it in this process, over AF_PACKET; `kernel-engine` has the kernel run it, by XDP or tc. Whoever
 * owns an engine fills its tables (director/), and tells it which frames to take from the host's own stack and when a
 * neighbour was resolved; the engine forwards.
 */
import type { TableSet } from '../subset/table.ts'

/** Frames that must not reach the host's own stack: see kernel/claim/claim.ts. */
export interface EngineClaims {
  readonly destinations: readonly { address: string; protocol: number; port: number }[]
  readonly sources: readonly { address: string; protocol: number; port: number }[]
  readonly ownAddresses: readonly string[]
  /** What goes to whole networks. */
  readonly networks: readonly {
    prefix: string
    protocol: number
    firstPort: number
    lastPort: number
  }[]
  readonly tunnels: readonly { address: string }[]
}

export interface EngineEvents {
  /** A frame waits for this neighbour's MAC address: have it resolved, then call `releaseWaiting`. */
  onUnresolved(interfaceIndex: number, address: string): void
  onProblem(text: string): void
  /** Has what is in the tables to do with IPv4 alone? */
  isIpv4Only?(): boolean
}

/** An interface to take frames from. */
export interface EngineLink {
  readonly index: number
  readonly name: string
  readonly mac: string
  /** 'veth', 'bridge', …; undefined for hardware. */
  readonly kind: string | undefined
}

export interface AttachedInterface {
  readonly index: number
  readonly name: string
  readonly mac: string
  /** Where the packet path sits: 'af_packet', 'xdp', 'xdp generic', 'tcx', 'clsact'. */
  readonly how: string
}

export interface Engine {
  readonly name: 'v8' | 'kernel'
  readonly tables: TableSet
  /** The tables are those of an earlier daemon, and packets go by them: they are to be adopted, not made. */
  readonly isAdopted: boolean
  /** Those tables were of another release: what they held is in this one's now. */
  readonly isTakenOver?: boolean
  /** Forwarding outlives this process; an interface that is down may stay attached. */
  readonly isLasting: boolean
  /** A device of the engine's own: never to be attached. */
  readonly hostDevice: number | undefined
  /**
   * Takes frames from an interface; one that is attached is taken over with what is new about it. Why it is attached
   * where it is, in words, if that is of interest. Throws KernelError.
   */
  attach(link: EngineLink): string
  /** Leaves it to the host again; an interface that has gone is fine. */
  detach(index: number): void
  readonly attached: readonly AttachedInterface[]
  /** Can frames leave by the interface without further ado? Only of those that XDP knows. */
  takesXdp(index: number): boolean
  /** Is XDP attached in the driver of a device that sends back what it is given back? No virtual one. */
  sendsBack(index: number): boolean
  /** Services and servers may be added from now on until `endChange`. Throws KernelError: then they must not. */
  beginChange(): void
  endChange(): void
  /** Changes what is taken from the host's stack, at once. */
  updateClaims(added: EngineClaims, removed: EngineClaims): void
  /** The neighbour has a MAC address now: frames that waited for it leave. */
  releaseWaiting(interfaceIndex: number, address: string): void
  /** Returns when no packet is on its way any longer that was when it was called. */
  waitForReaders(): void
  /** Every tick of the daemon, a few times a second: gives up frames that waited too long, and sets the clock. */
  tick(): void
  /** Counters of the engine's own, by name; frames by reason are in the tables. */
  counters(): Readonly<Record<string, number>>
  /** The end of this process's part: 'leave' forwarding to the kernel, if it can do it alone, or 'detach'. */
  close(ending: 'leave' | 'detach'): void
}

/**
 * The engine cannot be had, for a reason that is one sentence. `isLacking`: this machine does not provide for it, and
 * another engine may; else somebody else's forwarding is in the way.
 */
export class EngineProblem extends Error {
  override readonly name = 'EngineProblem'
  readonly isLacking: boolean

  constructor(message: string, isLacking: boolean) {
    super(message)
    this.isLacking = isLacking
  }
}
