/**
 * Which interfaces the engine takes frames from.
 *
 * Those the operator names, whenever they are there; else every Ethernet interface that is up and takes part in
 * routing: not one that is a port of a bridge or bond, whose master it is that receives, and none without an address.
 */
import type { Link } from '../kernel/netlink/link.ts'

/** Interfaces attached at most: each costs a ring of 17 MiB. */
export const ATTACHED_MAX = 64

export interface Attachable {
  readonly index: number
  readonly name: string
  readonly mac: string
  readonly kind: string | undefined
}

export interface ChoiceFacts {
  readonly links: readonly Link[]
  /** Indices of interfaces that have an address of more than local scope. */
  readonly withAddress: ReadonlySet<number>
  /** Names the operator gave; none: choose. */
  readonly wanted: readonly string[]
  /** The engine's own device. */
  readonly except: number | undefined
  /** Interfaces that are down, too: the first frame when one comes up is taken already. */
  readonly mayBeDown: boolean
}

export function chooseInterfaces(facts: ChoiceFacts): Attachable[] {
  const { links, withAddress, wanted, except, mayBeDown } = facts
  const chosen = links.flatMap(({ index, name, mac, kind, isUp, isLoopback, master }) => {
    if (mac === undefined || isLoopback || index === except) return []
    if (!isUp && !mayBeDown) return []
    const isChosen =
      wanted.length > 0 ? wanted.includes(name) : withAddress.has(index) && master === undefined
    return isChosen ? [{ index, name, mac, kind }] : []
  })
  return chosen.slice(0, ATTACHED_MAX)
}
