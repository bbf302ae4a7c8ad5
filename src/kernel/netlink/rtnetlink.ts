/**
 * What links, addresses, routes and neighbours have in common: rtnetlink (RFC 3549 §3, rtnetlink(7)).
 *
 * Four siblings stand on it, each a file with the same verbs: list, add or replace, change, delete, follow. Each
 * takes a socket of `openRtnetlink`, which knows its network namespace. IP addresses are canonical text
 * (base/ip.ts), MACs too, interfaces their index.
 */
import { bytesToIp, familyOf } from '../../base/ip.ts'
import { inNamespace, type NetworkNamespace } from '../netns.ts'
import { NetlinkProtocol, NetlinkSocket } from './netlink.ts'
import { NetlinkSubscription, type SubscriptionOptions } from './netlink-subscription.ts'
import { RequestFlag, type Message } from './netlink-message.ts'

export const AF_UNSPEC = 0
export const AF_INET = 2
export const AF_INET6 = 10

/** RTM_…: what appears or changes, what goes, what is asked for. */
export const RtnetlinkType = {
  link: { new: 16, delete: 17, get: 18 },
  address: { new: 20, delete: 21, get: 22 },
  route: { new: 24, delete: 25, get: 26 },
  neighbour: { new: 28, delete: 29, get: 30 },
} as const

/** RTNLGRP_… */
export const RtnetlinkGroup = {
  link: 1,
  neighbour: 3,
  address4: 5,
  route4: 7,
  address6: 9,
  route6: 11,
} as const

/** Something is there, new or changed, or is there no longer. */
export interface Change<T> {
  readonly kind: 'present' | 'gone'
  readonly entry: T
}

export interface Follower<T> {
  onChange(change: Change<T>): void
  /** Changes were lost: list anew. */
  onOverflow(): void
}

export interface FollowOptions extends SubscriptionOptions {
  /** Default: this thread's. */
  readonly namespace?: NetworkNamespace
}

/** AF_… of a canonical address. */
export function familyNumber(ip: string): number {
  return familyOf(ip) === 4 ? AF_INET : AF_INET6
}

/** The text of an address of that AF_…; undefined if it is of another length, or another family. */
export function readIp(family: number, bytes: Uint8Array | undefined): string | undefined {
  const size = family === AF_INET ? 4 : family === AF_INET6 ? 16 : undefined
  return bytes !== undefined && bytes.length === size ? bytesToIp(bytes) : undefined
}

/** For requests, in that namespace or this thread's; the caller closes it. Throws KernelError. */
export function openRtnetlink(namespace?: NetworkNamespace): NetlinkSocket {
  return within(namespace, () => NetlinkSocket.open(NetlinkProtocol.route))
}

/** All entries that `parse` knows. */
export function listEntries<T>(
  socket: NetlinkSocket,
  what: string,
  type: { readonly new: number; readonly get: number },
  body: Uint8Array,
  parse: (body: Uint8Array) => T | undefined,
): T[] {
  const answer = socket.request({ what, type: type.get, flags: RequestFlag.dump, body })
  return answer.flatMap((message) => {
    const entry = message.type === type.new ? parse(message.body) : undefined
    return entry === undefined ? [] : [entry]
  })
}

/** Changes of entries that `parse` knows. Begin before you list, and nothing is missed. */
export function followEntries<T>(
  groups: readonly number[],
  type: { readonly new: number; readonly delete: number },
  parse: (body: Uint8Array) => T | undefined,
  follower: Follower<T>,
  options: FollowOptions,
): NetlinkSubscription {
  const onMessage = (message: Message) => {
    if (message.type !== type.new && message.type !== type.delete) return
    const entry = parse(message.body)
    if (entry === undefined) return
    follower.onChange({ kind: message.type === type.new ? 'present' : 'gone', entry })
  }
  const subscriber = { onMessage, onOverflow: () => follower.onOverflow() }
  return within(options.namespace, () =>
    NetlinkSubscription.open(NetlinkProtocol.route, groups, subscriber, options),
  )
}

function within<T>(namespace: NetworkNamespace | undefined, run: () => T): T {
  return namespace === undefined ? run() : inNamespace(namespace, run)
}
