/**
 * The next hops of a route. One alone stands in the route's own attributes; several stand in one attribute:
 *
 *      struct rtnexthop:  0 length u16, with what follows | 2 flags u8 | 3 weight - 1 u8 | 4 interface index i32
 *                         8 attributes: the gateway
 *
 * A gateway of the route's own family is an RTA_GATEWAY; one of the other, an IPv6 router for an IPv4 route (RFC 5549),
 * an RTA_VIA: 0 family u16 | 2 address. Follows include/uapi/linux/rtnetlink.h, net/ipv4/fib_semantics.c.
 */
import { bytesToIp, familyOf, ipToBytes } from '../../base/ip.ts'
import { concatBytes, viewOf } from '../../base/bytes.ts'
import { Attributes, BodyWriter } from './netlink-message.ts'
import { familyNumber, readIp } from './rtnetlink.ts'

export interface NextHop {
  /** The router; undefined: the destination itself is on the link. */
  readonly gateway: string | undefined
  readonly interfaceIndex: number | undefined
  /** Its share, 1 … 256, among several. */
  readonly weight: number
  /** The gateway is on the link, although no prefix there says so. */
  readonly isOnLink: boolean
  /** The link is down: not used. */
  readonly isDead: boolean
}

/** What is left out is undefined, false or 1. */
export type NewNextHop = Partial<Omit<NextHop, 'isDead'>>

const STRUCTURE_SIZE = 8
/** RTA_… */
const HopAttribute = { interfaceIndex: 4, gateway: 5, multipath: 9, via: 18 } as const
/** RTNH_F_…: also the low byte of a route's own flags. */
const Flag = { dead: 0x1, onLink: 0x4, linkDown: 0x10 } as const

/** Of a route's attributes and flags; undefined if they are malformed. */
export function parseRouteHops(attributes: Attributes, flags: number): NextHop[] | undefined {
  const several = attributes.bytes(HopAttribute.multipath)
  if (several !== undefined) return parseMultipath(several)
  const interfaceIndex = attributes.u32(HopAttribute.interfaceIndex)
  const hop = parseHop(attributes, interfaceIndex, flags, 1)
  if (hop === undefined) return undefined
  return hop.gateway === undefined && interfaceIndex === undefined ? [] : [hop]
}

/** Flags for the route's own structure. */
export function routeFlags(hops: readonly NewNextHop[]): number {
  return hops.length === 1 ? hopFlags(hops[0]!) : 0
}

/** Adds the attributes of a route to `destination`. */
export function writeRouteHops(
  body: BodyWriter,
  destination: string,
  hops: readonly NewNextHop[],
): void {
  const [first] = hops
  if (first === undefined) return
  if (hops.length > 1) {
    const all = hops.map((hop) => emitHop(destination, hop))
    body.bytes(HopAttribute.multipath, concatBytes(...all))
    return
  }
  if (first.interfaceIndex !== undefined) {
    body.u32(HopAttribute.interfaceIndex, first.interfaceIndex)
  }
  writeGateway(body, destination, first.gateway)
}

function parseMultipath(bytes: Uint8Array): NextHop[] | undefined {
  const view = viewOf(bytes)
  const hops: NextHop[] = []
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < STRUCTURE_SIZE) return undefined
    const length = view.getUint16(at, true)
    if (length < STRUCTURE_SIZE || length > bytes.length - at) return undefined
    const attributes = Attributes.parse(bytes.subarray(at + STRUCTURE_SIZE, at + length))
    if (attributes === undefined) return undefined
    const [flags, weight] = [view.getUint8(at + 2), view.getUint8(at + 3) + 1]
    const hop = parseHop(attributes, view.getInt32(at + 4, true), flags, weight)
    if (hop === undefined) return undefined
    hops.push(hop)
    at += (length + 3) & ~3
  }
  return hops
}

function parseHop(
  attributes: Attributes,
  interfaceIndex: number | undefined,
  flags: number,
  weight: number,
): NextHop | undefined {
  const gateway = parseGateway(attributes)
  if (gateway === MALFORMED) return undefined
  return {
    gateway,
    interfaceIndex,
    weight,
    isOnLink: (flags & Flag.onLink) !== 0,
    isDead: (flags & (Flag.dead | Flag.linkDown)) !== 0,
  }
}

/** No address has this text. */
const MALFORMED = 'malformed'

function parseGateway(attributes: Attributes): string | undefined {
  const near = attributes.bytes(HopAttribute.gateway)
  if (near !== undefined) {
    return near.length === 4 || near.length === 16 ? bytesToIp(near) : MALFORMED
  }
  const via = attributes.bytes(HopAttribute.via)
  if (via === undefined) return undefined
  return readIp(attributes.u16(HopAttribute.via) ?? 0, via.subarray(2)) ?? MALFORMED
}

function emitHop(destination: string, hop: NewNextHop): Uint8Array {
  const structure = new Uint8Array(STRUCTURE_SIZE)
  const body = new BodyWriter(structure)
  writeGateway(body, destination, hop.gateway)
  const bytes = body.finish()
  const view = viewOf(bytes)
  view.setUint16(0, bytes.length, true)
  view.setUint8(2, hopFlags(hop))
  view.setUint8(3, (hop.weight ?? 1) - 1)
  view.setInt32(4, hop.interfaceIndex ?? 0, true)
  return bytes
}

function writeGateway(body: BodyWriter, destination: string, gateway: string | undefined): void {
  if (gateway === undefined) return
  const bytes = ipToBytes(gateway)
  if (familyOf(gateway) === familyOf(destination)) {
    body.bytes(HopAttribute.gateway, bytes)
    return
  }
  const via = new Uint8Array(2 + bytes.length)
  viewOf(via).setUint16(0, familyNumber(gateway), true)
  via.set(bytes, 2)
  body.bytes(HopAttribute.via, via)
}

function hopFlags(hop: NewNextHop): number {
  return hop.isOnLink === true ? Flag.onLink : 0
}
