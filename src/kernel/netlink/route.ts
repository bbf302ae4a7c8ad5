/**
 * Routes: where packets go, by the kernel's tables.
 *
 *      struct rtmsg:  0 family u8 | 1 destination bits u8 | 2 source bits u8 | 3 TOS u8
 *                     4 table u8 | 5 protocol u8 | 6 scope u8 | 7 type u8 | 8 flags u32
 *
 * A route has next hops: one, or several that share the load; one of type `blackhole`, `unreachable` or
 * `prohibit` has none. Follows include/uapi/linux/rtnetlink.h, net/ipv4/fib_frontend.c, net/ipv6/route.c.
 */
import { formatPrefix, ipToBytes, type Prefix } from '../../base/ip.ts'
import { viewOf } from '../../base/bytes.ts'
import { isKernelError } from '../errno.ts'
import type { NetlinkSocket } from './netlink.ts'
import { Attributes, BodyWriter, RequestFlag } from './netlink-message.ts'
import type { NetlinkSubscription } from './netlink-subscription.ts'
import {
  parseRouteHops,
  routeFlags,
  writeRouteHops,
  type NewNextHop,
  type NextHop,
} from './route-next-hop.ts'
import {
  AF_INET,
  AF_INET6,
  familyNumber,
  followEntries,
  listEntries,
  readIp,
  RtnetlinkGroup,
  RtnetlinkType,
  type Follower,
  type FollowOptions,
} from './rtnetlink.ts'

/** RTN_… */
const TypeNumber = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
} as const

export type RouteType = keyof typeof TypeNumber

export interface Route {
  /** The default route's is 0.0.0.0/0 or ::/0. */
  readonly destination: Prefix
  readonly type: RouteType
  /** Of `Table`, or any other number. */
  readonly table: number
  readonly nextHops: readonly NextHop[]
  /** The lower wins; 0 where none was given. */
  readonly metric: number
  /** Address that this host's own packets get as source. */
  readonly preferredSource: string | undefined
  /** Only for packets from there: IPv6 subtrees. */
  readonly from: Prefix | undefined
  readonly tos: number
  /** Bytes; undefined: the link's. */
  readonly mtu: number | undefined
  /** Who made it, RTPROT_…: 2 the kernel, 3 boot, 4 an administrator, 9 router advertisements. */
  readonly protocol: number
}

export type NewRoute = Pick<Route, 'destination'> &
  Partial<Pick<Route, 'type' | 'table' | 'metric' | 'tos' | 'protocol'>> & {
    /** At least one, unless the type needs none. */
    readonly nextHops?: readonly NewNextHop[]
    readonly preferredSource?: string
    readonly mtu?: number
  }

/** RT_TABLE_… */
export const Table = { default: 253, main: 254, local: 255 } as const

const STRUCTURE_SIZE = 12
/** RTA_… */
const RouteAttribute = {
  destination: 1,
  source: 2,
  interfaceIndex: 4,
  metric: 6,
  preferredSource: 7,
  metrics: 8,
  multipath: 9,
  table: 15,
  mark: 16,
} as const
/** RTAX_MTU */
const METRIC_MTU = 2
/** RTM_F_CLONED: no route, but what the kernel remembers of one. */
const CLONED = 0x200
/** RT_SCOPE_…; a deletion with `nowhere` matches any. */
const Scope = { universe: 0, link: 253, host: 254, nowhere: 255 } as const
const RTPROT_STATIC = 4

const TYPES = new Map<number, RouteType>(
  Object.entries(TypeNumber).map(([name, number]) => [number, name as RouteType]),
)

/** Body of RTM_NEWROUTE or RTM_DELROUTE; undefined if it is malformed, cached, or of another family. */
export function parseRoute(body: Uint8Array): Route | undefined {
  if (body.length < STRUCTURE_SIZE) return undefined
  const view = viewOf(body)
  const family = view.getUint8(0)
  const type = TYPES.get(view.getUint8(7))
  const flags = view.getUint32(8, true)
  const attributes = Attributes.parse(body.subarray(STRUCTURE_SIZE))
  if (attributes === undefined || type === undefined || (flags & CLONED) !== 0) return undefined
  const any = family === AF_INET ? '0.0.0.0' : '::'
  const at = (attribute: number) =>
    attributes.has(attribute) ? readIp(family, attributes.bytes(attribute)) : any
  const [to, from] = [at(RouteAttribute.destination), at(RouteAttribute.source)]
  const nextHops = parseRouteHops(attributes, flags)
  if ((family !== AF_INET && family !== AF_INET6) || nextHops === undefined) return undefined
  if (to === undefined || from === undefined) return undefined
  return {
    destination: { ip: to, bits: view.getUint8(1) },
    type,
    table: attributes.u32(RouteAttribute.table) ?? view.getUint8(4),
    nextHops: hasNextHops(type) ? nextHops : [],
    metric: attributes.u32(RouteAttribute.metric) ?? 0,
    preferredSource: readIp(family, attributes.bytes(RouteAttribute.preferredSource)),
    from: view.getUint8(2) === 0 ? undefined : { ip: from, bits: view.getUint8(2) },
    tos: view.getUint8(3),
    mtu: attributes.nested(RouteAttribute.metrics)?.u32(METRIC_MTU),
    protocol: view.getUint8(5),
  }
}

/** Of these tables, both families. Throws KernelError. */
export function listRoutes(
  socket: NetlinkSocket,
  tables: readonly number[] = [Table.main, Table.local],
): Route[] {
  return [AF_INET, AF_INET6].flatMap((family) =>
    tables.flatMap((table) =>
      listTable(socket, family, table).filter(
        // A kernel too old to choose, or without IPv6, lists more than it was asked for.
        (route) => route.table === table && familyNumber(route.destination.ip) === family,
      ),
    ),
  )
}

/**
 * The way a packet of this host to `ip` takes now, with the one next hop chosen; undefined where there is none, or
 * one that refuses. `destination` is the address alone. Throws KernelError.
 */
export function findRoute(
  socket: NetlinkSocket,
  ip: string,
  options: { readonly mark?: number; readonly interfaceIndex?: number } = {},
): Route | undefined {
  const structure = new Uint8Array(STRUCTURE_SIZE)
  structure[0] = familyNumber(ip)
  structure[1] = 8 * ipToBytes(ip).length
  const body = new BodyWriter(structure).bytes(RouteAttribute.destination, ipToBytes(ip))
  if (options.mark !== undefined) body.u32(RouteAttribute.mark, options.mark)
  const { interfaceIndex } = options
  if (interfaceIndex !== undefined) body.u32(RouteAttribute.interfaceIndex, interfaceIndex)
  try {
    const request = { what: `find route ${ip}`, type: RtnetlinkType.route.get, body: body.finish() }
    const [answer] = socket.request(request)
    const found = answer === undefined ? undefined : parseRoute(uncloned(answer.body))
    if (found === undefined || !hasNextHops(found.type)) return undefined
    return { ...found, from: undefined } // IPv6 tells of a source although none was asked for: ::/128
  } catch (error) {
    // A blackhole's, a prohibiting route's, and no or an unreachable route's errors.
    if (isKernelError(error, 'EINVAL', 'EACCES', 'ENETUNREACH', 'EHOSTUNREACH')) return undefined
    throw error
  }
}

/** Throws KernelError: EEXIST, ENETUNREACH where the gateway is on no link, ENODEV, ENETDOWN, EPERM. */
export function addRoute(socket: NetlinkSocket, route: NewRoute): void {
  const flags = RequestFlag.create | RequestFlag.exclusive
  socket.request({ ...describe('add', route), type: RtnetlinkType.route.new, flags })
}

/** Instead of the route of the same destination, table, TOS and metric, if there is one. Throws KernelError. */
export function replaceRoute(socket: NetlinkSocket, route: NewRoute): void {
  const flags = RequestFlag.create | RequestFlag.replace
  socket.request({ ...describe('replace', route), type: RtnetlinkType.route.new, flags })
}

/**
 * The first route that agrees in destination, table and TOS, and in whatever else is given. Throws KernelError:
 * ESRCH where there is none, EPERM.
 */
export function deleteRoute(socket: NetlinkSocket, route: NewRoute): void {
  const { what, body } = describe('delete', route)
  const view = viewOf(body)
  if (route.type === undefined) view.setUint8(7, 0)
  if (route.protocol === undefined) view.setUint8(5, 0)
  view.setUint8(6, Scope.nowhere)
  socket.request({ what, type: RtnetlinkType.route.delete, body })
}

/** Of all tables, until `stop`. Throws KernelError. */
export function followRoutes(
  follower: Follower<Route>,
  options: FollowOptions = {},
): NetlinkSubscription {
  const groups = [RtnetlinkGroup.route4, RtnetlinkGroup.route6]
  return followEntries(groups, RtnetlinkType.route, parseRoute, follower, options)
}

function listTable(socket: NetlinkSocket, family: number, table: number): Route[] {
  const structure = new Uint8Array(STRUCTURE_SIZE)
  structure[0] = family
  const body = new BodyWriter(structure).u32(RouteAttribute.table, table)
  try {
    return listEntries(socket, 'list routes', RtnetlinkType.route, body.finish(), parseRoute)
  } catch (error) {
    if (isKernelError(error, 'ENOENT')) return [] // the table does not exist
    throw error
  }
}

function hasNextHops(type: RouteType): boolean {
  return !['blackhole', 'unreachable', 'prohibit', 'throw'].includes(type)
}

/** The answer to a question about one packet is marked as a clone: it is one, but it is what was asked for. */
function uncloned(body: Uint8Array): Uint8Array {
  const copy = body.slice()
  if (copy.length < STRUCTURE_SIZE) return copy
  viewOf(copy).setUint32(8, viewOf(copy).getUint32(8, true) & ~CLONED, true)
  return copy
}

function describe(verb: string, route: NewRoute): { what: string; body: Uint8Array } {
  const { destination, nextHops = [] } = route
  const type = route.type ?? 'unicast'
  const structure = new Uint8Array(STRUCTURE_SIZE)
  structure[0] = familyNumber(destination.ip)
  structure[1] = destination.bits
  structure[3] = route.tos ?? 0
  structure[5] = route.protocol ?? RTPROT_STATIC
  structure[6] = scopeOf(type, nextHops)
  structure[7] = TypeNumber[type]
  viewOf(structure).setUint32(8, routeFlags(nextHops), true)
  const body = new BodyWriter(structure)
  body.bytes(RouteAttribute.destination, ipToBytes(destination.ip))
  body.u32(RouteAttribute.table, route.table ?? (type === 'local' ? Table.local : Table.main))
  if (route.metric !== undefined) body.u32(RouteAttribute.metric, route.metric)
  if (route.preferredSource !== undefined) {
    body.bytes(RouteAttribute.preferredSource, ipToBytes(route.preferredSource))
  }
  const { mtu } = route
  if (mtu !== undefined) body.nested(RouteAttribute.metrics, (nest) => nest.u32(METRIC_MTU, mtu))
  writeRouteHops(body, destination.ip, nextHops)
  return { what: `${verb} route ${formatPrefix(destination)}`, body: body.finish() }
}

/** How far away the destination is; IPv4 insists on it, IPv6 does not look. */
function scopeOf(type: RouteType, nextHops: readonly NewNextHop[]): number {
  if (type === 'local') return Scope.host
  const isOnLink = nextHops.length > 0 && nextHops.every(({ gateway }) => gateway === undefined)
  return isOnLink || type === 'broadcast' || type === 'anycast' ? Scope.link : Scope.universe
}
