/**
 * Routes, as the host's tables have them, into the packet path's trie.
 *
 * Follows Linux with its stock rules (`local`, then `main`; net/ipv4/fib_trie.c keeps both in one trie): the longest
 * prefix wins; among routes of one prefix a local one, then the lowest metric, then the one listed first. Of several
 * next hops (multipath) only the first is used: a stream of packets stays on one path either way, and IPVS's own
 * choice would not be known here. Rules, further tables and types of service are not looked at.
 */
import { familyOf, ipToBytes, type Prefix } from '../../base/ip.ts'
import { assert } from '../../base/assert.ts'
import { ON_LINK } from '../../dataplane/route.ts'
import { buildTrie, switchToTrie, type Leaf } from './route-trie.ts'

export interface NextHop {
  /** Undefined: what the route leads to is on the link itself. May be of the other family than the prefix. */
  readonly gateway: string | undefined
  readonly interfaceIndex: number
}

interface RouteFacts {
  readonly prefix: Prefix
  /** The lowest wins. */
  readonly metric: number
}
/** What leads out by an interface. */
export interface ForwardRoute extends RouteFacts {
  readonly kind: 'forward'
  /** One or more, in the kernel's order; the first is used. */
  readonly nexthops: readonly [NextHop, ...NextHop[]]
  /** Bytes; undefined: the link's. */
  readonly mtu: number | undefined
  /** Address the host sends from on this route. */
  readonly preferredSource: string | undefined
}
/** The host's own addresses; blackhole, prohibit, unreachable. */
export interface EndRoute extends RouteFacts {
  readonly kind: 'local' | 'unreachable'
}
export type Route = ForwardRoute | EndRoute

/** Not all routes have room: what was left out, the longest prefixes first. */
export interface RouteProblem {
  readonly leftOut: number
  readonly message: string
}

/** The trie's value for a route that leads to destinations on the link. */
export function onLink(interfaceIndex: number): number {
  assert(
    interfaceIndex > 0 && interfaceIndex < ON_LINK,
    `no interface has the index ${interfaceIndex}`,
  )
  return ON_LINK | interfaceIndex
}

/** The trie's value for a row of `hops`. */
export function throughHop(row: number): number {
  return row + 1
}

/** The route that holds for each prefix, in the order listed. */
export function selectRoutes(routes: readonly Route[]): Route[] {
  const best = new Map<string, Route>()
  for (const route of routes) {
    const id = `${route.prefix.ip}/${route.prefix.bits}`
    const other = best.get(id)
    if (other === undefined || isPreferred(route, other)) best.set(id, route)
  }
  return [...best.values()]
}

function isPreferred(route: Route, other: Route): boolean {
  const isLocal = route.kind === 'local'
  if (isLocal !== (other.kind === 'local')) return isLocal
  return route.metric < other.metric
}

/** A route that was selected, and what the trie shall say for it: `onLink` or `throughHop`. */
export interface RouteEntry {
  readonly route: Route
  readonly value: number
}

export interface RoutesWritten {
  /** The packet path finds something else than before, somewhere. */
  readonly isChanged: boolean
  readonly problem: RouteProblem | undefined
}

/**
 * Makes the packet path use these routes, one a prefix, and no others. If not all have room, those through gateways
 * with the longest prefixes are left out, as few lengths as will do: then the ones around them hold. The caller
 * advances the generation of cached hops if something changed.
 */
export function writeRoutes(entries: readonly RouteEntry[]): RoutesWritten {
  const leaves = entries.map(({ route, value }) => ({
    bytes: ipToBytes(route.prefix.ip),
    bits: route.prefix.bits,
    value,
    reach: (32 * route.prefix.bits) / (familyOf(route.prefix.ip) === 4 ? 32 : 128),
    isDistant: isDistant(route),
  }))
  const roots = buildTrie(leaves)
  if (roots !== undefined) return { isChanged: switchToTrie(roots), problem: undefined }
  // The strictest cut known to be too mild, and the mildest known to do.
  let tooMild = -1
  let enough = CUTS - 1
  while (enough - tooMild > 1) {
    const cut = (tooMild + enough) >> 1
    if (buildTrie(keepShort(leaves, cut)) === undefined) tooMild = cut
    else enough = cut
  }
  const kept = keepShort(leaves, enough)
  const keptRoots = buildTrie(kept)
  assert(keptRoots !== undefined, 'there is room for the default routes')
  const problem = describeLack(leaves.length, kept.length)
  return { isChanged: switchToTrie(keptRoots), problem }
}

interface RankedLeaf extends Leaf {
  /** Length of the prefix, as if an address had 32 bits. */
  readonly reach: number
  readonly isDistant: boolean
}

function isDistant(route: Route): boolean {
  if (route.kind !== 'forward') return route.kind === 'unreachable'
  return route.nexthops[0].gateway !== undefined
}

const CUTS = 64

/** What a cut leaves: 0 … 31 shorten the distant routes to 31 … 0, 32 … 63 then the others, too. */
function keepShort(leaves: readonly RankedLeaf[], cut: number): RankedLeaf[] {
  const distantMax = Math.max(31 - cut, 0)
  const otherMax = cut < 32 ? 32 : 63 - cut
  return leaves.filter(({ isDistant, reach }) => reach <= (isDistant ? distantMax : otherMax))
}

function describeLack(all: number, kept: number): RouteProblem {
  const leftOut = all - kept
  const message =
    `the routing table does not fit: ${leftOut} of ${all} routes, those with the longest ` +
    `prefixes, are left out, and the routes around them hold instead`
  return { leftOut, message }
}
