/**
 * Links: the interfaces of a network namespace, real and virtual.
 *
 *      struct ifinfomsg:  0 family u8 | 2 device type u16 | 4 index i32 | 8 flags u32 | 12 which flags change u32
 *
 * Links are told apart by index; names change. Follows include/uapi/linux/if_link.h, net/core/rtnetlink.c,
 * drivers/net/veth.c, drivers/net/macvlan.c.
 */
import { viewOf } from '../../base/bytes.ts'
import { bytesToMac, macToBytes } from '../../base/mac.ts'
import { isKernelError } from '../errno.ts'
import type { NetlinkSocket } from './netlink.ts'
import { Attributes, BodyWriter, RequestFlag } from './netlink-message.ts'
import type { NetlinkSubscription } from './netlink-subscription.ts'
import {
  followEntries,
  listEntries,
  RtnetlinkGroup,
  RtnetlinkType,
  type Follower,
  type FollowOptions,
} from './rtnetlink.ts'

export interface Link {
  readonly index: number
  readonly name: string
  /** Undefined where there is no six-byte address: tunnels. */
  readonly mac: string | undefined
  readonly mtu: number
  /** Set up by the administrator. */
  readonly isUp: boolean
  /** Up, with carrier: it can carry frames now. */
  readonly isRunning: boolean
  readonly isLoopback: boolean
  /** 'veth', 'bridge', 'macvlan', …; undefined for hardware and loopback. */
  readonly kind: string | undefined
  /** Index of the bridge, bond or other master it belongs to. */
  readonly master: number | undefined
  /** Of a veth the other end, of a macvlan or VLAN the link below; an index in `peerNamespaceId` if that is set. */
  readonly peer: number | undefined
  /** The kernel's number, in this namespace, for the namespace of `peer`; undefined if it is this one. */
  readonly peerNamespaceId: number | undefined
}

/** What a new link may be given; what is left out the kernel chooses. */
export interface NewLink {
  readonly name: string
  readonly mac?: string
  readonly mtu?: number
  /** Where it appears: an open descriptor of a namespace. Default: the socket's. */
  readonly namespace?: number
}

/** What to change; what is left out stays. */
export interface LinkChange {
  readonly isUp?: boolean
  /** Most drivers want the link to be down. */
  readonly name?: string
  readonly mac?: string
  readonly mtu?: number
  /** Index of the new master; 0 for none. */
  readonly master?: number
  /** Moves the link: an open descriptor of a namespace. It arrives down and without addresses. */
  readonly namespace?: number
}

const STRUCTURE_SIZE = 16
const AF_UNSPEC = 0
/** IFF_… */
const Flag = { up: 0x1, loopback: 0x8, running: 0x40 } as const
/** IFLA_… */
const LinkAttribute = {
  mac: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  info: 18,
  namespaceFd: 28,
  extensions: 29,
  linkNamespaceId: 37,
} as const
const InfoAttribute = { kind: 1, data: 2 } as const
const VETH_INFO_PEER = 1
const IFLA_MACVLAN_MODE = 1
/** RTEXT_FILTER_SKIP_STATS */
const SKIP_STATISTICS = 0x8
/** How a macvlan treats frames between two on the same link. */
const MacvlanMode = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const

/** Body of RTM_NEWLINK or RTM_DELLINK; undefined if it is malformed, or about a bridge's port and not a link. */
export function parseLink(body: Uint8Array): Link | undefined {
  if (body.length < STRUCTURE_SIZE) return undefined
  const view = viewOf(body)
  const attributes = Attributes.parse(body.subarray(STRUCTURE_SIZE))
  const name = attributes?.text(LinkAttribute.name)
  if (view.getUint8(0) !== AF_UNSPEC || attributes === undefined || name === undefined)
    return undefined
  const mac = attributes.bytes(LinkAttribute.mac)
  const flags = view.getUint32(8, true)
  return {
    index: view.getInt32(4, true),
    name,
    mac: mac?.length === 6 ? bytesToMac(mac) : undefined,
    mtu: attributes.u32(LinkAttribute.mtu) ?? 0,
    isUp: (flags & Flag.up) !== 0,
    isRunning: (flags & Flag.running) !== 0,
    isLoopback: (flags & Flag.loopback) !== 0,
    kind: attributes.nested(LinkAttribute.info)?.text(InfoAttribute.kind),
    master: attributes.u32(LinkAttribute.master),
    peer: attributes.u32(LinkAttribute.link),
    peerNamespaceId: attributes.i32(LinkAttribute.linkNamespaceId),
  }
}

/** Throws KernelError. */
export function listLinks(socket: NetlinkSocket): Link[] {
  const body = new BodyWriter(structure(0)).u32(LinkAttribute.extensions, SKIP_STATISTICS)
  return listEntries(socket, 'list links', RtnetlinkType.link, body.finish(), parseLink)
}

/** By index or name; undefined if there is none. Throws KernelError. */
export function getLink(socket: NetlinkSocket, which: number | string): Link | undefined {
  const body = new BodyWriter(structure(typeof which === 'number' ? which : 0))
  if (typeof which === 'string') body.text(LinkAttribute.name, which)
  const type = RtnetlinkType.link.get
  try {
    const [answer] = socket.request({ what: `get link ${which}`, type, body: body.finish() })
    return answer === undefined ? undefined : parseLink(answer.body)
  } catch (error) {
    if (isKernelError(error, 'ENODEV')) return undefined
    throw error
  }
}

/**
 * Makes a link of a kind that needs no further data: 'bridge', 'dummy', 'ipip', …
 * Throws KernelError: EEXIST, EPERM, EOPNOTSUPP where the kernel does not know the kind.
 */
export function addLink(socket: NetlinkSocket, kind: string, link: NewLink): void {
  create(socket, kind, link)
}

/**
 * Makes a cable: two links, each the other's peer, which may lie in different namespaces.
 * Throws KernelError: EEXIST, EPERM.
 */
export function addVeth(socket: NetlinkSocket, link: NewLink, peer: NewLink): void {
  const write = (data: BodyWriter) =>
    data.nested(VETH_INFO_PEER, (nest) => writeNewLink(nest, peer), structure(0))
  create(socket, 'veth', link, write)
}

/** Makes a link with a MAC of its own on top of the link `below`. Throws KernelError: EEXIST, EPERM, ENODEV. */
export function addMacvlan(
  socket: NetlinkSocket,
  link: NewLink,
  below: number,
  mode: keyof typeof MacvlanMode = 'bridge',
): void {
  const write = (data: BodyWriter) => data.u32(IFLA_MACVLAN_MODE, MacvlanMode[mode])
  create(socket, 'macvlan', link, write, below)
}

/** Throws KernelError: ENODEV, EPERM, EBUSY where a driver wants the link down first. */
export function changeLink(socket: NetlinkSocket, index: number, change: LinkChange): void {
  const head = structure(index)
  if (change.isUp !== undefined) {
    viewOf(head).setUint32(8, change.isUp ? Flag.up : 0, true)
    viewOf(head).setUint32(12, Flag.up, true)
  }
  const body = new BodyWriter(head)
  if (change.name !== undefined) body.text(LinkAttribute.name, change.name)
  if (change.mac !== undefined) body.bytes(LinkAttribute.mac, macToBytes(change.mac))
  if (change.mtu !== undefined) body.u32(LinkAttribute.mtu, change.mtu)
  if (change.master !== undefined) body.u32(LinkAttribute.master, change.master)
  if (change.namespace !== undefined) body.u32(LinkAttribute.namespaceFd, change.namespace)
  const what = `change link ${index}`
  socket.request({ what, type: RtnetlinkType.link.new, body: body.finish() })
}

/** With a veth its peer goes too. Throws KernelError: ENODEV, EPERM, EOPNOTSUPP for hardware. */
export function deleteLink(socket: NetlinkSocket, index: number): void {
  const what = `delete link ${index}`
  socket.request({ what, type: RtnetlinkType.link.delete, body: structure(index) })
}

/** Until `stop`. Throws KernelError. */
export function followLinks(
  follower: Follower<Link>,
  options: FollowOptions = {},
): NetlinkSubscription {
  return followEntries([RtnetlinkGroup.link], RtnetlinkType.link, parseLink, follower, options)
}

function structure(index: number): Uint8Array {
  const bytes = new Uint8Array(STRUCTURE_SIZE)
  viewOf(bytes).setInt32(4, index, true)
  return bytes
}

function create(
  socket: NetlinkSocket,
  kind: string,
  link: NewLink,
  writeData?: (data: BodyWriter) => void,
  below?: number,
): void {
  const body = new BodyWriter(structure(0))
  writeNewLink(body, link)
  if (below !== undefined) body.u32(LinkAttribute.link, below)
  body.nested(LinkAttribute.info, (info) => {
    info.text(InfoAttribute.kind, kind)
    if (writeData !== undefined) info.nested(InfoAttribute.data, writeData)
  })
  socket.request({
    what: `add link ${link.name} (${kind})`,
    type: RtnetlinkType.link.new,
    flags: RequestFlag.create | RequestFlag.exclusive,
    body: body.finish(),
  })
}

function writeNewLink(body: BodyWriter, link: NewLink): void {
  body.text(LinkAttribute.name, link.name)
  if (link.mac !== undefined) body.bytes(LinkAttribute.mac, macToBytes(link.mac))
  if (link.mtu !== undefined) body.u32(LinkAttribute.mtu, link.mtu)
  if (link.namespace !== undefined) body.u32(LinkAttribute.namespaceFd, link.namespace)
}
