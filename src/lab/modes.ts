/**
 * The laboratories of the demonstration, one for each way of forwarding: which hosts there are, on which networks,
 * and what an operator sets on them.
 *
 * net2 is 10.2.0.0/24 or fd00:2::/64; its number stands in the second place of each of its addresses. An interface is
 * called like its network. Real servers are .11 … .14, the first three in the service from the beginning.
 */
import type { Family } from './host.ts'

export const MODE_NAMES = ['nat', 'dr', 'tun', 'fullnat'] as const
export type ModeName = (typeof MODE_NAMES)[number]

export interface HostPlan {
  readonly name: string
  /** Address by network. */
  readonly addresses: Readonly<Record<string, string>>
  readonly gateway?: string
  readonly isRouter?: boolean
}

export interface Mode {
  readonly name: ModeName
  readonly family: Family
  readonly title: string
  /** Of `ipvsadm -a`. */
  readonly forwardingFlag: string
  readonly client: string
  readonly vip: string
  /** The director's network with the VIP, and with the local addresses of FULLNAT. */
  readonly vipNetwork: string
  readonly locals: readonly string[]
  /** Servers have the VIP too, and answer clients themselves; so `sluice realserver` calls how they get packets. */
  readonly directReply: 'dr' | 'tun' | undefined
  /** Client, director, and a router where there is one. */
  readonly hosts: readonly HostPlan[]
  readonly servers: readonly HostPlan[]
}

export const HTTP_PORT = 80
export const ECHO_PORT = 7
/** In the service from the beginning; the one drained; the one added. */
export const FIRST_SERVERS = 3
export const DRAINED = 1
export const ADDED = 3

const SERVERS = FIRST_SERVERS + 1

/** Of a network's addresses. */
export const PREFIX_BITS: Readonly<Record<Family, number>> = { 4: 24, 6: 64 }
/** A prefix that is one address. */
export const HOST_BITS: Readonly<Record<Family, number>> = { 4: 32, 6: 128 }

/** The address of a host in a network. */
type Place = (network: number, host: number) => string

const PLACES: Readonly<Record<Family, Place>> = {
  4: (network, host) => `10.${network}.0.${host}`,
  6: (network, host) => `fd00:${network}::${host}`,
}

function serversOn(network: number, at: Place): HostPlan[] {
  return Array.from({ length: SERVERS }, (_, index) => ({
    name: `server${index + 1}`,
    addresses: { [`net${network}`]: at(network, 11 + index) },
    gateway: at(network, 1),
  }))
}

/** The laboratory of a mode in which everything speaks one family of IP. */
export function modeOf(name: ModeName, family: Family = 4): Mode {
  const at = PLACES[family]
  const common = { name, family, client: at(1, 2) }
  if (name === 'nat') return { ...common, ...natMode(at) }
  return { ...common, ...behindRouter(name, at) }
}

type Shape = Omit<Mode, 'name' | 'family' | 'client'>

/** The director is a router between clients and servers. */
function natMode(at: Place): Shape {
  return {
    title: 'NAT: the director translates, both ways',
    forwardingFlag: '-m',
    vip: at(1, 100),
    vipNetwork: 'net1',
    locals: [],
    directReply: undefined,
    hosts: [
      { name: 'client', addresses: { net1: at(1, 2) } },
      { name: 'director', addresses: { net1: at(1, 1), net2: at(2, 1) } },
    ],
    servers: serversOn(2, at),
  }
}

/** The director has one interface; a router is before the clients and, except for DR, before the servers. */
function behindRouter(name: Exclude<ModeName, 'nat'>, at: Place): Shape {
  const near = { net1: at(1, 1), net2: at(2, 1) }
  const addresses = name === 'dr' ? near : { ...near, net3: at(3, 1) }
  return {
    ...WAYS[name],
    vip: at(2, 100),
    vipNetwork: 'net2',
    locals: name === 'fullnat' ? [at(2, 201), at(2, 202)] : [],
    hosts: [
      { name: 'client', addresses: { net1: at(1, 2) }, gateway: at(1, 1) },
      { name: 'router', addresses, isRouter: true },
      { name: 'director', addresses: { net2: at(2, 2) }, gateway: at(2, 1) },
    ],
    servers: serversOn(name === 'dr' ? 2 : 3, at),
  }
}

const WAYS = {
  dr: {
    title: 'DR: direct routing, only the MAC address changes',
    forwardingFlag: '-g',
    directReply: 'dr',
  },
  tun: {
    title: 'TUN: requests travel to the servers inside IP packets of the director',
    forwardingFlag: '-i',
    directReply: 'tun',
  },
  fullnat: {
    title: 'FULLNAT: the director puts its own address in the place of the client',
    forwardingFlag: '-b',
    directReply: undefined,
  },
} as const

/** A host's only or first address. */
export function addressOf(plan: HostPlan): string {
  return Object.values(plan.addresses)[0]!
}

/** As it stands before `:PORT`, in a URL and in ipvsadm's arguments. */
export function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}
