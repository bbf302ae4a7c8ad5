/**
 * Neighbours: which MAC an address on the link has, as the kernel's ARP (RFC 826) and neighbour discovery
 * (RFC 4861) found out or were told.
 *
 *      struct ndmsg:  0 family u8 | 4 interface index i32 | 8 state u16 | 10 flags u8 | 11 type u8
 *
 * Follows include/uapi/linux/neighbour.h, net/core/neighbour.c.
 */
import { ipToBytes } from '../../base/ip.ts'
import { viewOf } from '../../base/bytes.ts'
import { bytesToMac, macToBytes } from '../../base/mac.ts'
import { isKernelError } from '../errno.ts'
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

/** NUD_…: RFC 4861 §7.3.2, and of Linux's own `none`, `failed`, `noarp` and `permanent`. */
const StateNumber = {
  none: 0,
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
} as const

export type NeighbourState = keyof typeof StateNumber

export interface Neighbour {
  readonly interfaceIndex: number
  readonly ip: string
  /** Known in every state but `none`, `incomplete` and perhaps `failed`; undefined too where links have none. */
  readonly mac: string | undefined
  readonly state: NeighbourState
  /** IPv6: it said that it is a router. */
  readonly isRouter: boolean
}

const STRUCTURE_SIZE = 12
/** NDA_… */
const NeighbourAttribute = { ip: 1, mac: 2 } as const
/** NTF_… */
const Flag = { use: 0x01, proxy: 0x08, router: 0x80 } as const

const STATES = new Map<number, NeighbourState>(
  Object.entries(StateNumber).map(([name, number]) => [number, name as NeighbourState]),
)

/** Can frames be sent to it now? What is stale, delayed or probed counts until the kernel gives it up. */
export function isUsable(neighbour: Neighbour): boolean {
  return neighbour.mac !== undefined && !['none', 'incomplete', 'failed'].includes(neighbour.state)
}

/** Body of RTM_NEWNEIGH or RTM_DELNEIGH; undefined if it is malformed, a bridge's or a proxy entry. */
export function parseNeighbour(body: Uint8Array): Neighbour | undefined {
  if (body.length < STRUCTURE_SIZE) return undefined
  const view = viewOf(body)
  const flags = view.getUint8(10)
  const state = STATES.get(view.getUint16(8, true))
  const attributes = Attributes.parse(body.subarray(STRUCTURE_SIZE))
  const ip = readIp(view.getUint8(0), attributes?.bytes(NeighbourAttribute.ip))
  const mac = attributes?.bytes(NeighbourAttribute.mac)
  if (ip === undefined || state === undefined || (flags & Flag.proxy) !== 0) return undefined
  return {
    interfaceIndex: view.getInt32(4, true),
    ip,
    mac: mac?.length === 6 ? bytesToMac(mac) : undefined,
    state,
    isRouter: (flags & Flag.router) !== 0,
  }
}

/** Of all interfaces, or of one. Throws KernelError. */
export function listNeighbours(socket: NetlinkSocket, interfaceIndex?: number): Neighbour[] {
  const body = new Uint8Array(STRUCTURE_SIZE)
  const all = listEntries(socket, 'list neighbours', RtnetlinkType.neighbour, body, parseNeighbour)
  return all.filter((one) => interfaceIndex === undefined || one.interfaceIndex === interfaceIndex)
}

/** Undefined if the kernel knows nothing of it. Throws KernelError: ENODEV. */
export function getNeighbour(
  socket: NetlinkSocket,
  interfaceIndex: number,
  ip: string,
): Neighbour | undefined {
  const what = `get neighbour ${ip}`
  const body = writeNeighbour(interfaceIndex, ip, 0, 0).finish()
  try {
    const [answer] = socket.request({ what, type: RtnetlinkType.neighbour.get, body })
    return answer === undefined ? undefined : parseNeighbour(answer.body)
  } catch (error) {
    if (isKernelError(error, 'ENOENT')) return undefined
    throw error
  }
}

/**
 * Says what the neighbour's MAC is, whatever the kernel thought: `permanent`, it never asks; `reachable`, it
 * takes the word for as long as if it had asked. Throws KernelError: ENODEV, EPERM.
 */
export function replaceNeighbour(
  socket: NetlinkSocket,
  neighbour: { readonly interfaceIndex: number; readonly ip: string; readonly mac: string },
  state: 'permanent' | 'reachable' | 'stale' = 'permanent',
): void {
  const { interfaceIndex, ip, mac } = neighbour
  const body = writeNeighbour(interfaceIndex, ip, StateNumber[state], 0)
  socket.request({
    what: `replace neighbour ${ip}`,
    type: RtnetlinkType.neighbour.new,
    flags: RequestFlag.create | RequestFlag.replace,
    body: body.bytes(NeighbourAttribute.mac, macToBytes(mac)).finish(),
  })
}

/** Throws KernelError: ENOENT, ENODEV, EPERM. */
export function deleteNeighbour(socket: NetlinkSocket, interfaceIndex: number, ip: string): void {
  socket.request({
    what: `delete neighbour ${ip}`,
    type: RtnetlinkType.neighbour.delete,
    body: writeNeighbour(interfaceIndex, ip, 0, 0).finish(),
  })
}

/**
 * Has the kernel find the neighbour out as if it had a packet for it, by ARP or neighbour solicitation, and
 * confirm it where it is stale. Returns at once: follow, or get, to see what came of it. A permanent one is
 * left alone: being used like this it would be permanent no longer. IPv6 neighbours are asked from the
 * interface's link-local address; where there is none they are not, and fail. Throws KernelError: ENODEV, EPERM.
 */
export function probeNeighbour(socket: NetlinkSocket, interfaceIndex: number, ip: string): void {
  if (getNeighbour(socket, interfaceIndex, ip)?.state === 'permanent') return
  socket.request({
    what: `probe neighbour ${ip}`,
    type: RtnetlinkType.neighbour.new,
    flags: RequestFlag.create,
    body: writeNeighbour(interfaceIndex, ip, 0, Flag.use).finish(),
  })
}

/** Until `stop`. Throws KernelError. */
export function followNeighbours(
  follower: Follower<Neighbour>,
  options: FollowOptions = {},
): NetlinkSubscription {
  const groups = [RtnetlinkGroup.neighbour]
  return followEntries(groups, RtnetlinkType.neighbour, parseNeighbour, follower, options)
}

function writeNeighbour(
  interfaceIndex: number,
  ip: string,
  state: number,
  flags: number,
): BodyWriter {
  const structure = new Uint8Array(STRUCTURE_SIZE)
  const view = viewOf(structure)
  view.setUint8(0, familyNumber(ip))
  view.setInt32(4, interfaceIndex, true)
  view.setUint16(8, state, true)
  view.setUint8(10, flags)
  return new BodyWriter(structure).bytes(NeighbourAttribute.ip, ipToBytes(ip))
}
