/**
 * What an engine is: something that runs the packet path on live interfaces, over one set of tables.
 *
 * `v8-engine` runs it in this process, over AF_PACKET. The kernel engine (XDP, tc) will be its sibling. Whoever owns
 * an engine fills its tables (director/), and tells it which frames to take from the host's own stack and when a
 * neighbour was resolved; the engine forwards.
 */
import type { TableSet } from '../subset/table.ts'

/** Frames that must not reach the host's own stack: see kernel/claim.ts. */
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
}

export interface EngineEvents {
  /** A frame waits for this neighbour's MAC address: have it resolved, then call `releaseWaiting`. */
  onUnresolved(interfaceIndex: number, address: string): void
}

export interface AttachedInterface {
  readonly index: number
  readonly name: string
  readonly mac: string
  /** Where the packet path sits: 'af_packet', 'xdp', 'tc'. */
  readonly how: string
}

export interface Engine {
  readonly name: 'v8' | 'kernel'
  readonly tables: TableSet
  /** Takes frames from an interface. Throws KernelError with the interface's name in words. */
  attach(link: { index: number; name: string; mac: string }): void
  /** Leaves it to the host again; an interface that has gone is fine. */
  detach(index: number): void
  readonly attached: readonly AttachedInterface[]
  /** Changes what is taken from the host's stack, at once. */
  updateClaims(added: EngineClaims, removed: EngineClaims): void
  /** The neighbour has a MAC address now: frames that waited for it leave. */
  releaseWaiting(interfaceIndex: number, address: string): void
  /** Every tick of the daemon, a few times a second: gives up frames that waited too long. */
  tick(): void
  /** Counters of the engine's own, by name; frames by reason are in the tables. */
  counters(): Readonly<Record<string, number>>
  close(): void
}
