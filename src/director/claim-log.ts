/**
 * What the packet path takes, for the engine to keep from the host's own stack: changes gathered until they are taken.
 *
 * An endpoint claimed n times must be released n times; within one batch, what came and went cancels out.
 */
export interface Endpoint {
  readonly address: string
  /** IP protocol number. */
  readonly protocol: number
  /** 0: every port. */
  readonly port: number
}

export interface ClaimChanges {
  readonly destinations: readonly Endpoint[]
  readonly sources: readonly Endpoint[]
}

type Kind = keyof ClaimChanges

export class ClaimLog {
  #pending = new Map<string, { kind: Kind; endpoint: Endpoint; change: number }>()

  claim(kind: Kind, endpoint: Endpoint): void {
    this.#note(kind, endpoint, 1)
  }

  release(kind: Kind, endpoint: Endpoint): void {
    this.#note(kind, endpoint, -1)
  }

  #note(kind: Kind, endpoint: Endpoint, change: number): void {
    const key = `${kind} ${endpoint.protocol} ${endpoint.port} ${endpoint.address}`
    const noted = this.#pending.get(key)
    if (noted === undefined) this.#pending.set(key, { kind, endpoint, change })
    else noted.change += change
  }

  get isEmpty(): boolean {
    return this.#pending.size === 0
  }

  /** Changes that were taken but could not be made: they are pending again. */
  putBack(added: ClaimChanges, removed: ClaimChanges): void {
    for (const kind of ['destinations', 'sources'] as const) {
      for (const endpoint of added[kind]) this.claim(kind, endpoint)
      for (const endpoint of removed[kind]) this.release(kind, endpoint)
    }
  }

  /** Changes since the last call. */
  take(): { added: ClaimChanges; removed: ClaimChanges } {
    const added = { destinations: [] as Endpoint[], sources: [] as Endpoint[] }
    const removed = { destinations: [] as Endpoint[], sources: [] as Endpoint[] }
    for (const { kind, endpoint, change } of this.#pending.values()) {
      const side = change > 0 ? added : removed
      for (let i = Math.abs(change); i > 0; i--) side[kind].push(endpoint)
    }
    this.#pending = new Map()
    return { added, removed }
  }
}
