/**
 * Addresses of interfaces, IPv4 and IPv6.
 *
 *      struct ifaddrmsg:  0 family u8 | 1 prefix length u8 | 2 flags u8 | 3 scope u8 | 4 interface index u32
 *
 * Follows include/uapi/linux/if_addr.h, net/ipv4/devinet.c, net/ipv6/addrconf.c.
 */
import { ipToBytes } from '../../base/ip.ts'
import { viewOf } from '../../base/bytes.ts'
import type { NetlinkSocket } from './netlink.ts'
import { Attributes, BodyWriter, RequestFlag } from './netlink-message.ts'
import type { NetlinkSubscription } from './netlink-subscription.ts'
import {
  familyNumber,
  followEntries,
  listEntries,
  readIp,
  RtnetlinkGroup,
  RtnetlinkType,
  type Follower,
  type FollowOptions,
} from './rtnetlink.ts'

export interface InterfaceAddress {
  readonly interfaceIndex: number
  readonly ip: string
  /** Length of the prefix it spans: 0 … 32 or 0 … 128. */
  readonly bits: number
  /** Of `Scope`. */
  readonly scope: number
  /** The other end, of a point-to-point address. */
  readonly peer: string | undefined
  /** IPv4 only: the interface's name, perhaps with ':' and more. */
  readonly label: string | undefined
  /** Not there to stay: it came with a lifetime. */
  readonly isTemporary: boolean
  /** Duplicate address detection runs (RFC 4862 §5.4); until it ends the address cannot be used. */
  readonly isTentative: boolean
  /** Somebody else has the address: it is not used. */
  readonly isDuplicate: boolean
  /** Its preferred lifetime is over: not chosen as a source where there is another. */
  readonly isDeprecated: boolean
}

export interface NewAddress {
  readonly interfaceIndex: number
  readonly ip: string
  readonly bits: number
  /** Default `Scope.global`. */
  readonly scope?: number
  readonly label?: string
  /** IPv6: use it at once, without duplicate address detection. */
  readonly noDad?: boolean
  /** Do not make a route for the prefix. */
  readonly noPrefixRoute?: boolean
}

/** What tells an address of an interface from the others; a point-to-point address's peer is part of it. */
export type WhichAddress = Pick<InterfaceAddress, 'interfaceIndex' | 'ip' | 'bits'> & {
  readonly peer?: string | undefined
}

/** RT_SCOPE_… */
export const Scope = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const

const STRUCTURE_SIZE = 8
/** IFA_… */
const AddressAttribute = { address: 1, local: 2, label: 3, flags: 8 } as const
/** IFA_F_… */
const Flag = {
  noDad: 0x2,
  duplicate: 0x8,
  deprecated: 0x20,
  tentative: 0x40,
  permanent: 0x80,
  noPrefixRoute: 0x200,
} as const

/** Body of RTM_NEWADDR or RTM_DELADDR; undefined if it is malformed, or of another family. */
export function parseAddress(body: Uint8Array): InterfaceAddress | undefined {
  if (body.length < STRUCTURE_SIZE) return undefined
  const view = viewOf(body)
  const attributes = Attributes.parse(body.subarray(STRUCTURE_SIZE))
  const family = view.getUint8(0)
  const far = readIp(family, attributes?.bytes(AddressAttribute.address))
  const ip = readIp(family, attributes?.bytes(AddressAttribute.local)) ?? far
  if (attributes === undefined || ip === undefined) return undefined
  const flags = attributes.u32(AddressAttribute.flags) ?? view.getUint8(2)
  return {
    interfaceIndex: view.getUint32(4, true),
    ip,
    bits: view.getUint8(1),
    scope: view.getUint8(3),
    peer: far === ip ? undefined : far,
    label: attributes.text(AddressAttribute.label),
    isTemporary: (flags & Flag.permanent) === 0,
    isTentative: (flags & Flag.tentative) !== 0,
    isDuplicate: (flags & Flag.duplicate) !== 0,
    isDeprecated: (flags & Flag.deprecated) !== 0,
  }
}

/** Of all interfaces, or of one. Throws KernelError. */
export function listAddresses(socket: NetlinkSocket, interfaceIndex?: number): InterfaceAddress[] {
  const body = new Uint8Array(STRUCTURE_SIZE)
  const all = listEntries(socket, 'list addresses', RtnetlinkType.address, body, parseAddress)
  return all.filter((one) => interfaceIndex === undefined || one.interfaceIndex === interfaceIndex)
}

/** Throws KernelError: EEXIST, ENODEV, EPERM, EINVAL. */
export function addAddress(socket: NetlinkSocket, address: NewAddress): void {
  const noDad = address.noDad === true ? Flag.noDad : 0
  const noPrefixRoute = address.noPrefixRoute === true ? Flag.noPrefixRoute : 0
  const body = writeAddress(address, address.scope ?? Scope.global)
  body.u32(AddressAttribute.flags, noDad | noPrefixRoute)
  if (address.label !== undefined) body.text(AddressAttribute.label, address.label)
  socket.request({
    what: `add address ${address.ip}/${address.bits}`,
    type: RtnetlinkType.address.new,
    flags: RequestFlag.create | RequestFlag.exclusive,
    body: body.finish(),
  })
}

/** Throws KernelError: EADDRNOTAVAIL where the interface has no such address, ENODEV, EPERM. */
export function deleteAddress(socket: NetlinkSocket, address: WhichAddress): void {
  socket.request({
    what: `delete address ${address.ip}/${address.bits}`,
    type: RtnetlinkType.address.delete,
    body: writeAddress(address, Scope.global).finish(),
  })
}

/** Until `stop`. Throws KernelError. */
export function followAddresses(
  follower: Follower<InterfaceAddress>,
  options: FollowOptions = {},
): NetlinkSubscription {
  const groups = [RtnetlinkGroup.address4, RtnetlinkGroup.address6]
  return followEntries(groups, RtnetlinkType.address, parseAddress, follower, options)
}

function writeAddress(address: WhichAddress, scope: number): BodyWriter {
  const structure = new Uint8Array(STRUCTURE_SIZE)
  const view = viewOf(structure)
  view.setUint8(0, familyNumber(address.ip))
  view.setUint8(1, address.bits)
  view.setUint8(3, scope)
  view.setUint32(4, address.interfaceIndex, true)
  return new BodyWriter(structure)
    .bytes(AddressAttribute.local, ipToBytes(address.ip))
    .bytes(AddressAttribute.address, ipToBytes(address.peer ?? address.ip))
}
