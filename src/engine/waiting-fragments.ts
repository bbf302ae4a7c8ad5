/**
 * Fragments that came before the first one of their datagram: kept until that comes and tells their ports.
 *
 * Bounded, by datagram and in all: when full, the oldest datagram gives way. One whose first fragment does not come is
 * given up after Linux's ipfrag_time.
 */
import { FRAGMENT_TIMEOUT_S } from '../dataplane/limits.ts'
import type { Flow } from '../dataplane/flow.ts'

const DATAGRAMS_MAX = 256
/** Of one datagram: 64 KiB are 45 of the usual size. */
const FRAGMENTS_MAX = 48

export interface WaitingFragment {
  readonly bytes: Uint8Array
  /** Index of the interface it came in on. */
  readonly ingress: number
}

interface Datagram {
  readonly fragments: WaitingFragment[]
  readonly sinceMs: number
}

export class WaitingFragments {
  /** By what all fragments of it have in common; the oldest first. */
  readonly #datagrams = new Map<string, Datagram>()
  /** Fragments that gave way or waited in vain. */
  dropped = 0

  /** Keeps a fragment of the datagram that `flow` describes. */
  add(flow: Flow, fragment: WaitingFragment, nowMs: number): void {
    const id = idOf(flow)
    const known = this.#datagrams.get(id)
    if (known === undefined) {
      if (this.#datagrams.size >= DATAGRAMS_MAX) this.#giveUpOldest()
      this.#datagrams.set(id, { fragments: [fragment], sinceMs: nowMs })
    } else if (known.fragments.length < FRAGMENTS_MAX) known.fragments.push(fragment)
    else this.dropped++
  }

  /** The first fragment, which `flow` describes, has come: those that waited for it, in their order. */
  take(flow: Flow): readonly WaitingFragment[] {
    if (this.#datagrams.size === 0) return []
    const id = idOf(flow)
    const datagram = this.#datagrams.get(id)
    this.#datagrams.delete(id)
    return datagram?.fragments ?? []
  }

  /** Those of datagrams whose ports are known by now, as `isKnown` says of any of their fragments. */
  takeKnown(isKnown: (fragment: WaitingFragment) => boolean): readonly WaitingFragment[] {
    const taken: WaitingFragment[] = []
    for (const [id, { fragments }] of this.#datagrams) {
      if (!isKnown(fragments[0]!)) continue
      this.#datagrams.delete(id)
      taken.push(...fragments)
    }
    return taken
  }

  /** Gives up what has waited too long at `nowMs`. */
  expire(nowMs: number): void {
    for (const { sinceMs } of this.#datagrams.values()) {
      if (nowMs - sinceMs < FRAGMENT_TIMEOUT_S * 1000) return
      this.#giveUpOldest()
    }
  }

  get length(): number {
    let fragments = 0
    for (const datagram of this.#datagrams.values()) fragments += datagram.fragments.length
    return fragments
  }

  #giveUpOldest(): void {
    const [oldest] = this.#datagrams
    if (oldest === undefined) return
    this.dropped += oldest[1].fragments.length
    this.#datagrams.delete(oldest[0])
  }
}

function idOf(flow: Flow): string {
  const { source0, source1, source2, source3, identification, protocol } = flow
  const { destination0, destination1, destination2, destination3 } = flow
  const source = `${source0} ${source1} ${source2} ${source3}`
  const destination = `${destination0} ${destination1} ${destination2} ${destination3}`
  return `${source} ${destination} ${identification} ${protocol}`
}
