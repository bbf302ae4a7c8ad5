/**
 * What the packet path takes, for the engine to keep from the host's own stack: changes gathered until they are taken.
 *
 * What was claimed n times must be released n times; within one batch, what came and went cancels out.
 */
export interface Endpoint {
  readonly address: string
  /** IP protocol number. */
  readonly protocol: number
  /** 0: every port. */
  readonly port: number
}

/** What goes to a network, on some ports. */
export interface NetworkClaim {
  /** '10.0.0.0/8', '::/0'. */
  readonly prefix: string
  readonly protocol: number
  readonly firstPort: number
  readonly lastPort: number
}

export interface ClaimChanges {
  readonly destinations: readonly Endpoint[]
  readonly sources: readonly Endpoint[]
  readonly networks: readonly NetworkClaim[]
  /** Real servers at the end of a tunnel: the address counts, protocol and port are 0. */
  readonly tunnels: readonly Endpoint[]
}

/** A tunnel's end, as a claim. */
export function tunnelEnd(address: string): Endpoint {
  return { address, protocol: 0, port: 0 }
}

type Kind = keyof ClaimChanges
type Claim = ClaimChanges[Kind][number]

const KINDS = ['destinations', 'sources', 'networks', 'tunnels'] as const

/** Of a longer range every port is claimed: what is not wanted is given back. */
const PORTS_NAMED_MAX = 256

/** The ports from `first` to `last`, as endpoints name them. */
export function claimedPorts(first: number, last: number): number[] {
  if (last - first >= PORTS_NAMED_MAX) return [0]
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

export class ClaimLog {
  #pending = new Map<string, { kind: Kind; claim: Claim; change: number }>()

  claim<K extends Kind>(kind: K, claim: ClaimChanges[K][number]): void {
    this.#note(kind, claim, 1)
  }

  release<K extends Kind>(kind: K, claim: ClaimChanges[K][number]): void {
    this.#note(kind, claim, -1)
  }

  #note(kind: Kind, claim: Claim, change: number): void {
    const key = `${kind} ${Object.values(claim).join(' ')}`
    const noted = this.#pending.get(key)
    if (noted === undefined) this.#pending.set(key, { kind, claim, change })
    else noted.change += change
  }

  get isEmpty(): boolean {
    return this.#pending.size === 0
  }

  /** Changes that were taken but could not be made: they are pending again. */
  putBack(added: ClaimChanges, removed: ClaimChanges): void {
    for (const kind of KINDS) {
      for (const claim of added[kind]) this.#note(kind, claim, 1)
      for (const claim of removed[kind]) this.#note(kind, claim, -1)
    }
  }

  /** Changes since the last call. */
  take(): { added: ClaimChanges; removed: ClaimChanges } {
    const added = noChanges()
    const removed = noChanges()
    for (const { kind, claim, change } of this.#pending.values()) {
      const list = (change > 0 ? added : removed)[kind] as Claim[]
      for (let i = Math.abs(change); i > 0; i--) list.push(claim)
    }
    this.#pending = new Map()
    return { added, removed }
  }
}

function noChanges() {
  return {
    destinations: [] as Endpoint[],
    sources: [] as Endpoint[],
    networks: [] as NetworkClaim[],
    tunnels: [] as Endpoint[],
  }
}
