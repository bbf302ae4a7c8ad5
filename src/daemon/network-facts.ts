/**
 * From what rtnetlink says to what the director is told: links, addresses and routes in the words of `Hops`.
 *
 * Only what decides where a packet goes comes along: routes of the tables `local` and `main`, without those that hold
 * for some source or type of service only, and without next hops that are dead.
 */
import type { InterfaceAddress } from '../kernel/netlink/address.ts'
import { Scope } from '../kernel/netlink/address.ts'
import type { Route as KernelRoute, RouteType } from '../kernel/netlink/route.ts'
import type { OwnAddress } from '../director/hops/hop-source.ts'
import type { NextHop, Route } from '../director/hops/routes.ts'

/** Undefined: the address cannot be used (yet). */
export function toOwnAddress(address: InterfaceAddress): OwnAddress | undefined {
  if (address.isTentative || address.isDuplicate) return undefined
  const { interfaceIndex, ip, bits, peer, isDeprecated } = address
  return {
    interfaceIndex,
    ip,
    subnet: { ip: peer ?? ip, bits },
    scope: scopeOf(address),
    isDeprecated,
  }
}

/** A site's scope counts as global: it reaches beyond the link. */
function scopeOf({ scope }: InterfaceAddress): OwnAddress['scope'] {
  if (scope === Scope.host || scope === Scope.nowhere) return 'host'
  return scope === Scope.link ? 'link' : 'global'
}

/** Broadcast and multicast are no destinations of load balancing: nothing leads there. */
const KINDS: Readonly<Record<RouteType, Route['kind'] | undefined>> = {
  unicast: 'forward',
  local: 'local',
  anycast: 'local',
  broadcast: 'unreachable',
  multicast: 'unreachable',
  blackhole: 'unreachable',
  unreachable: 'unreachable',
  prohibit: 'unreachable',
  throw: undefined,
}

/** Undefined: it does not take part. */
export function toRoute(route: KernelRoute): Route | undefined {
  if (route.from !== undefined || route.tos !== 0) return undefined
  const kind = KINDS[route.type]
  if (kind === undefined) return undefined
  const { destination: prefix, metric, mtu, preferredSource } = route
  if (kind !== 'forward') return { kind, prefix, metric }
  const [first, ...others] = route.nextHops.flatMap(({ gateway, interfaceIndex, isDead }) =>
    isDead || interfaceIndex === undefined ? [] : [{ gateway, interfaceIndex } satisfies NextHop],
  )
  if (first === undefined) return undefined
  return { kind, prefix, metric, mtu, preferredSource, nexthops: [first, ...others] }
}
