/**
 * The laboratories of the demonstration, one for each way of forwarding: which hosts there are, on which networks,
 * and what an operator sets on them.
 *
 * The third byte of a network's addresses is 0, the second its number: net2 is 10.2.0.0/24. An interface is called like
 * its network. Real servers are .11 … .14, the first three in the service from the beginning.
 */

export type ModeName = 'nat' | 'dr' | 'tun' | 'fullnat'

export interface HostPlan {
  readonly name: string
  /** Address by network. */
  readonly addresses: Readonly<Record<string, string>>
  readonly gateway?: string
  readonly isRouter?: boolean
}

export interface Mode {
  readonly name: ModeName
  readonly title: string
  /** Of `ipvsadm -a`. */
  readonly forwardingFlag: string
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

export const BITS = 24
export const CLIENT = '10.1.0.2'
export const HTTP_PORT = 80
export const ECHO_PORT = 7
/** In the service from the beginning; the one drained; the one added. */
export const FIRST_SERVERS = 3
export const DRAINED = 1
export const ADDED = 3

const SERVERS = FIRST_SERVERS + 1

function serversOn(network: number): HostPlan[] {
  return Array.from({ length: SERVERS }, (_, index) => ({
    name: `server${index + 1}`,
    addresses: { [`net${network}`]: `10.${network}.0.${11 + index}` },
    gateway: `10.${network}.0.1`,
  }))
}

const FAR_CLIENT = { name: 'client', addresses: { net1: CLIENT }, gateway: '10.1.0.1' }
const NEAR_ROUTER = {
  name: 'router',
  addresses: { net1: '10.1.0.1', net2: '10.2.0.1' },
  isRouter: true,
}
const FAR_ROUTER = { ...NEAR_ROUTER, addresses: { ...NEAR_ROUTER.addresses, net3: '10.3.0.1' } }
const ONE_ARMED_DIRECTOR = {
  name: 'director',
  addresses: { net2: '10.2.0.2' },
  gateway: '10.2.0.1',
}
const BEHIND_ROUTER = { vip: '10.2.0.100', vipNetwork: 'net2', locals: [] }

export const MODES: Readonly<Record<ModeName, Mode>> = {
  nat: {
    name: 'nat',
    title: 'NAT: the director translates, both ways',
    forwardingFlag: '-m',
    vip: '10.1.0.100',
    vipNetwork: 'net1',
    locals: [],
    directReply: undefined,
    hosts: [
      { name: 'client', addresses: { net1: CLIENT } },
      { name: 'director', addresses: { net1: '10.1.0.1', net2: '10.2.0.1' } },
    ],
    servers: serversOn(2),
  },
  dr: {
    ...BEHIND_ROUTER,
    name: 'dr',
    title: 'DR: direct routing, only the MAC address changes',
    forwardingFlag: '-g',
    directReply: 'dr',
    hosts: [FAR_CLIENT, NEAR_ROUTER, ONE_ARMED_DIRECTOR],
    servers: serversOn(2),
  },
  tun: {
    ...BEHIND_ROUTER,
    name: 'tun',
    title: 'TUN: requests travel to the servers inside IP-in-IP',
    forwardingFlag: '-i',
    directReply: 'tun',
    hosts: [FAR_CLIENT, FAR_ROUTER, ONE_ARMED_DIRECTOR],
    servers: serversOn(3),
  },
  fullnat: {
    ...BEHIND_ROUTER,
    name: 'fullnat',
    title: 'FULLNAT: the director puts its own address in the place of the client',
    forwardingFlag: '-b',
    locals: ['10.2.0.201', '10.2.0.202'],
    directReply: undefined,
    hosts: [FAR_CLIENT, FAR_ROUTER, ONE_ARMED_DIRECTOR],
    servers: serversOn(3),
  },
}

/** A host's only or first address. */
export function addressOf(plan: HostPlan): string {
  return Object.values(plan.addresses)[0]!
}
